//! Which tiles: files, folders, quoted globs and lists, in a fixed order.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use s2infer::limits::{TABLE_BYTES_MAX, read_bounded, read_bounded_from};
use s2infer::pipeline::Input;
use s2infer::raster::{address, certificates, looks_like_raster};
use s2infer::scene::Product;
use s2infer::{Error, Kind, Result};
use walkdir::WalkDir;

/// Expands what was given: a file, an address or a product (a SAFE folder, a folder with one file a band) stands for itself, another
/// folder for the products and rasters in it (recursively, sorted), a pattern for its matches (sorted). A file met twice
/// is taken once.
///
/// # Errors
/// [`s2infer::Kind::Usage`] where nothing remains, a pattern or list cannot be read, or an address is given and no file of
/// certificates is where the environment says.
pub fn expand(given: &[PathBuf], files_from: Option<&Path>) -> Result<Vec<Input>> {
    let mut given = given.to_vec();
    if let Some(list) = files_from {
        given.extend(read_list(list)?);
    }
    let mut inputs = Vec::new();
    for path in &given {
        one(path, &mut inputs)?;
    }
    let mut seen = HashSet::new();
    inputs.retain(|input: &Input| seen.insert(input.path.clone()));
    if inputs.is_empty() {
        let what: Vec<String> = given.iter().map(|path| format!("`{}`", path.display())).collect();
        return Err(Error::usage(format!(
            "no tiles in {}",
            if what.is_empty() { "an empty list".into() } else { what.join(", ") }
        )));
    }
    Ok(inputs)
}

const RASTER_EXTENSIONS: [&str; 7] = ["tif", "tiff", "jp2", "jpg", "jpeg", "png", "npy"];
/// Bytes from which on a file holds many tiles.
const SCENE_BYTES: u64 = 16 << 20;

/// How many tiles there are to decide, about: a scene counts as very many.
pub fn expected_tiles(inputs: &[Input]) -> usize {
    let is_scene = |input: &Input| input.path.metadata().is_ok_and(|file| file.is_dir() || file.len() >= SCENE_BYTES);
    if inputs.iter().take(2).any(is_scene) { usize::MAX } else { inputs.len() }
}

fn one(path: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    if let Some(address) = address(path) {
        if address.ends_with('/') {
            return Err(Error::usage(format!(
                "{address} ends as a folder does; name its files, with --files-from if many"
            )));
        }
        certificates().map_err(|error| error.with_kind(Kind::Usage))?;
        inputs.push(Input { path: path.to_owned(), problem: None });
        return Ok(());
    }
    match std::fs::symlink_metadata(path) {
        Ok(_) if path.is_dir() && !Product::is_product(path) => folder(path, inputs),
        // Without the slash that a shell puts behind a folder's name.
        Ok(_) if path.is_dir() => inputs.push(Input { path: path.components().collect(), problem: None }),
        Ok(_) => inputs.push(Input { path: path.to_owned(), problem: None }),
        Err(_) if is_pattern(path) => pattern(path, inputs)?,
        Err(error) => {
            inputs.push(Input { path: path.to_owned(), problem: Some(Error::io(error)) });
        }
    }
    Ok(())
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

fn pattern(path: &Path, inputs: &mut Vec<Input>) -> Result<()> {
    let text = path.to_str().ok_or_else(|| Error::usage(format!("`{}` is no UTF-8 pattern", path.display())))?;
    let matches = glob::glob(text).map_err(|error| Error::usage(format!("`{text}`: {error}")))?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for found in matches {
        match found {
            Ok(path) => paths.push(path),
            Err(error) => inputs.push(Input { path: error.path().to_owned(), problem: Some(Error::io(error.error())) }),
        }
    }
    if paths.is_empty() {
        return Err(Error::usage(format!("no file matches `{text}`")));
    }
    paths.sort();
    for path in paths {
        one(&path, inputs)?;
    }
    Ok(())
}

/// Products, rasters by their first bytes, and whatever is named like one; what cannot be a tile but may hide one (a pipe,
/// a device, a loop of links) is reported.
fn folder(root: &Path, inputs: &mut Vec<Input>) {
    let found_before = inputs.len();
    let mut walk = WalkDir::new(root).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                inputs.push(Input { path, problem: Some(Error::io(error)) });
                continue;
            }
        };
        let kind = entry.file_type();
        let path = entry.path();
        let problem = if kind.is_dir() && entry.depth() > 0 && Product::is_product(path) {
            walk.skip_current_dir();
            None
        } else if kind.is_dir() || entry.depth() == 0 {
            // What was named itself may be a link to the folder.
            continue;
        } else if kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device() {
            Some(Error::unsupported("not a regular file"))
        } else if kind.is_symlink() {
            match link(path) {
                Ok(true) => None,
                Ok(false) => continue,
                Err(error) => Some(error),
            }
        } else if is_raster_name(path) || looks_like_raster(path) || is_packed_product(path) {
            None
        } else {
            continue;
        };
        inputs.push(Input { path: path.to_owned(), problem });
    }
    if inputs.len() == found_before {
        tracing::warn!("{}: no tiles in this folder", root.display());
    }
}

/// Whether a link met in a folder leads to a raster. Folders behind links are not entered.
fn link(path: &Path) -> Result<bool> {
    let target = std::fs::metadata(path).map_err(|error| Error::io(format!("a link that leads nowhere: {error}")))?;
    if target.is_dir() {
        let leads_back = match (path.canonicalize(), path.parent().map(Path::canonicalize)) {
            (Ok(target), Some(Ok(parent))) => parent.starts_with(target),
            _ => false,
        };
        if leads_back {
            return Err(Error::io("a loop of links: it leads back to a folder above it"));
        }
        tracing::warn!("{}: a link to a folder, not followed; give the folder itself", path.display());
        return Ok(false);
    }
    if !target.is_file() {
        return Err(Error::unsupported("not a regular file"));
    }
    Ok(is_raster_name(path) || looks_like_raster(path))
}

/// `….SAFE.zip`; other archives and STAC items are taken only where they are given themselves.
fn is_packed_product(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
    name.as_bytes().ends_with(b".safe.zip") && Product::is_product(path)
}

/// Whether a file is called what rasters are: one without their first bytes was cut short, and is reported.
fn is_raster_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| RASTER_EXTENSIONS.contains(&extension.as_str()))
}

/// One path a line, or NUL-separated; `-` is standard input.
fn read_list(list: &Path) -> Result<Vec<PathBuf>> {
    let read = if list == Path::new("-") {
        read_bounded_from(std::io::stdin().lock(), TABLE_BYTES_MAX).map_err(|error| error.context("standard input"))
    } else {
        read_bounded(list, TABLE_BYTES_MAX)
    };
    let text = read.map_err(|error| error.context("--files-from"))?;
    let separator = if text.contains(&0) { 0 } else { b'\n' };
    let lines = text.split(|&byte| byte == separator).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(lines.filter(|line| !line.is_empty()).map(|line| PathBuf::from(OsString::from_vec(line.to_vec()))).collect())
}
