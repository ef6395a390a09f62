//! Where an engine's library may lie.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Folders the dynamic loader searches without being told, beside those of `/etc/ld.so.conf`.
const SYSTEM: [&str; 6] = ["/usr/local/lib", "/usr/local/lib64", "/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// The library in `folder`: `stem` itself, as `libonnxruntime.so`, else the highest `libonnxruntime.so.N…`.
pub fn library_in(folder: &Path, stem: &str) -> Option<PathBuf> {
    let plain = folder.join(stem);
    if plain.is_file() {
        return Some(plain);
    }
    let versioned = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let version = version(name.to_str()?, stem)?;
        Some((version, folder.join(name)))
    });
    versioned.filter(|(_, path)| path.is_file()).max().map(|(_, path)| path)
}

/// `libonnxruntime.so.1.31.1` → `[1, 31, 1]`
fn version(name: &str, stem: &str) -> Option<Vec<u64>> {
    name.strip_prefix(stem)?.strip_prefix('.')?.split('.').map(|part| part.parse().ok()).collect()
}

/// The implicit places in the order they are tried: beside the executable, then the system's.
pub fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(home) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.extend([home.to_owned(), home.join("lib"), home.with_file_name("lib")]);
    }
    if let Some(paths) = env::var_os("LD_LIBRARY_PATH") {
        places.extend(env::split_paths(&paths).filter(|path| path.is_absolute()));
    }
    loader_folders(Path::new("/etc/ld.so.conf"), 0, &mut places);
    places.extend(SYSTEM.map(PathBuf::from));
    places.push(PathBuf::from(format!("/usr/lib/{}-linux-gnu", env::consts::ARCH)));
    let mut seen = HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// The folders a loader configuration lists, `include` lines followed to a small depth.
fn loader_folders(configuration: &Path, depth: usize, folders: &mut Vec<PathBuf>) {
    let text = if depth < 4 { fs::read_to_string(configuration).unwrap_or_default() } else { String::new() };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some(pattern) = line.strip_prefix("include ") {
            let pattern = configuration.parent().unwrap_or(Path::new("/")).join(pattern.trim());
            for included in glob::glob(&pattern.to_string_lossy()).into_iter().flatten().flatten() {
                loader_folders(&included, depth + 1, folders);
            }
        } else if line.starts_with('/') {
            folders.push(PathBuf::from(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_name_goes_before_versions_and_versions_compare_as_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let library_in = |folder| library_in(folder, "libonnxruntime.so");
        let put = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        assert_eq!(library_in(folder.path()), None);
        put("libonnxruntime_providers_shared.so");
        put("libonnxruntime.so.old");
        assert_eq!(library_in(folder.path()), None);
        put("libonnxruntime.so.1.9.0");
        put("libonnxruntime.so.1.31.1");
        assert_eq!(library_in(folder.path()), Some(folder.path().join("libonnxruntime.so.1.31.1")));
        put("libonnxruntime.so");
        assert_eq!(library_in(folder.path()), Some(folder.path().join("libonnxruntime.so")));
    }

    #[test]
    fn loader_configuration_is_followed_through_includes_and_loops() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("ld.so.conf");
        fs::write(&main, "include conf.d/*.conf # more\n/opt/first\n").unwrap();
        fs::create_dir(folder.path().join("conf.d")).unwrap();
        fs::write(folder.path().join("conf.d/a.conf"), "# note\n/opt/second # here\ninclude ../ld.so.conf\n").unwrap();
        let mut folders = Vec::new();
        loader_folders(&main, 0, &mut folders);
        folders.dedup();
        assert!(folders.contains(&PathBuf::from("/opt/first")) && folders.contains(&PathBuf::from("/opt/second")));
    }
}
