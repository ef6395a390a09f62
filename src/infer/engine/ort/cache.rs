//! Where TensorRT's engines are kept, if at all: whoever can write there chooses what the model computes.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// What an engine was built by and for, as far as the system tells: the driver, and the GPUs.
const DRIVER: &str = "/proc/driver/nvidia/version";
const GPUS: &str = "/proc/driver/nvidia/gpus";

/// The folder for the engines of one graph, on this machine: `DIRECTORY/KEY`, made if need be. The key is a hash of the
/// graph, the version of ONNX Runtime, the TensorRT library that is loaded, the driver, the GPUs, and `options`. TensorRT
/// itself refuses engines of other versions and architectures.
///
/// # Errors
/// [`crate::Kind::Usage`] where the directory is a link, or somebody else's, or others may write to it.
pub fn folder(directory: &Path, graph: &[u8], runtime: &str, options: &str) -> Result<PathBuf> {
    private(directory)?;
    let mut hash = Sha256::new();
    let (tensorrt, driver, gpus) = (tensorrt(), fs::read(DRIVER).unwrap_or_default(), gpus());
    let parts = [graph, runtime.as_bytes(), tensorrt.as_bytes(), &driver, gpus.as_bytes(), options.as_bytes()];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let key: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let folder = directory.join(key);
    private(&folder)?;
    Ok(folder)
}

/// Makes `directory` for its owner alone, or checks that it is.
fn private(directory: &Path) -> Result<()> {
    let refuse = |why: &str| {
        Error::usage(format!(
            "--engine-cache {}: {why}; give a folder of your own that nobody else may write to (mode 0700)",
            directory.display()
        ))
    };
    match fs::symlink_metadata(directory) {
        Ok(there) if !there.is_dir() => Err(refuse("it is a link or a file")),
        Ok(there) if there.uid() != rustix::process::geteuid().as_raw() => Err(refuse("it belongs to another user")),
        Ok(there) if there.mode() & 0o077 != 0 => Err(refuse("other users may enter it")),
        Ok(_) => Ok(()),
        Err(_) => fs::DirBuilder::new()
            .mode(0o700)
            .create(directory)
            .map_err(|error| Error::usage(format!("--engine-cache {}: {error}", directory.display()))),
    }
}

/// The file of the TensorRT library that this process holds: its name ends with its version.
fn tensorrt() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let file =
        |line: &str| line.split_whitespace().nth(5).filter(|path| path.contains("libnvinfer.so")).map(str::to_owned);
    maps.lines().find_map(file).unwrap_or_default()
}

fn gpus() -> String {
    let folders = fs::read_dir(GPUS).into_iter().flatten().flatten();
    let mut found: Vec<String> =
        folders.filter_map(|gpu| fs::read_to_string(gpu.path().join("information")).ok()).collect();
    found.sort();
    found.concat()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn engines_are_kept_by_graph_and_options_in_folders_of_their_owner() {
        let place = tempfile::tempdir().unwrap();
        let cache = place.path().join("cache");
        let one = folder(&cache, b"graph", "1.31.1", "fp16").unwrap();
        assert_eq!(folder(&cache, b"graph", "1.31.1", "fp16").unwrap(), one);
        for other in [folder(&cache, b"grapf", "1.31.1", "fp16"), folder(&cache, b"graph", "1.31.1", "int8")] {
            assert_ne!(other.unwrap(), one);
        }
        for path in [&cache, &one] {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_that_others_may_enter_and_a_link_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let open = place.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let error = folder(&open, b"graph", "1", "").unwrap_err().to_string();
        assert!(error.contains("--engine-cache") && error.contains("0700"), "{error}");
        let link = place.path().join("link");
        std::os::unix::fs::symlink(place.path(), &link).unwrap();
        assert!(folder(&link, b"graph", "1", "").unwrap_err().to_string().contains("link"));
    }
}
