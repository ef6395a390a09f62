//! `.SAFE.zip`: the product as it is downloaded. What a scene needs is unpacked into files without a name, which are gone
//! when the scene is, however the program ends.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use zip::ZipArchive;

use super::files::{self, Location};
use super::{Product, safe};
use crate::limits::{ARCHIVE_ENTRY_BYTES_MAX, METADATA_BYTES_MAX, PRODUCT_FILES_MAX};
use crate::{Error, Result};

/// An open archive and what was unpacked of it.
pub struct Workspace {
    inner: Mutex<Inner>,
}

struct Inner {
    archive: ZipArchive<BufReader<File>>,
    unpacked: HashMap<String, File>,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Workspace")
    }
}

/// Whether a file is a ZIP archive by its name and first bytes.
pub(super) fn is_archive(path: &Path) -> bool {
    let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
    let mut magic = [0; 4];
    is_zip
        && path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok()
        && magic == *b"PK\x03\x04"
}

impl Workspace {
    fn open(path: &Path) -> Result<(Self, Vec<String>)> {
        let file = File::open(path).map_err(Error::io)?;
        let archive =
            ZipArchive::new(BufReader::new(file)).map_err(|error| Error::malformed(format!("no ZIP: {error}")))?;
        if archive.len() > PRODUCT_FILES_MAX {
            return Err(Error::limit(format!("an archive of {} files, more than {PRODUCT_FILES_MAX}", archive.len())));
        }
        // A name that is no text names nothing that is looked for.
        let mut names: Vec<String> = archive.file_names().flatten().map(String::from).collect();
        names.sort();
        let inner = Mutex::new(Inner { archive, unpacked: HashMap::new() });
        Ok((Self { inner }, names))
    }

    /// The file that holds an entry's bytes; unpacked once.
    pub(super) fn unpack(&self, name: &str) -> Result<PathBuf> {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if let Some(file) = inner.unpacked.get(name) {
            return Ok(path_of(file));
        }
        let mut entry = inner.archive.by_name(name).map_err(|error| broken(name, &error))?;
        let size = entry.size();
        if size > ARCHIVE_ENTRY_BYTES_MAX {
            return Err(Error::limit(format!("{name} has {size} bytes, more than {ARCHIVE_ENTRY_BYTES_MAX}")));
        }
        // Damaged data and a full disk come out of the same copy; only the disk's errors have a number.
        let failed = |error: std::io::Error| match error.raw_os_error() {
            Some(_) => {
                let folder = std::env::temp_dir();
                Error::io(format!("{name} cannot be unpacked into {} (TMPDIR): {error}", folder.display()))
            }
            None => Error::malformed(format!("{name} is damaged ({error}): download the archive again")),
        };
        let mut file = tempfile::tempfile().map_err(failed)?;
        let written = std::io::copy(&mut (&mut entry).take(size + 1), &mut file).map_err(failed)?;
        if written != size {
            return Err(Error::malformed(format!("{name} unpacks to other than the {size} bytes it promises")));
        }
        drop(entry);
        let path = path_of(&file);
        inner.unpacked.insert(name.to_owned(), file);
        Ok(path)
    }

    fn text(&self, name: &str) -> Result<Vec<u8>> {
        let mut guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = guard.archive.by_name(name).map_err(|error| broken(name, &error))?;
        let mut bytes = Vec::new();
        entry.take(METADATA_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| broken(name, &error))?;
        if bytes.len() as u64 > METADATA_BYTES_MAX {
            return Err(Error::limit(format!("{name} is larger than {METADATA_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }
}

/// Under which this process opens a file that has no name.
fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

fn broken(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::malformed(format!("{name} cannot be unpacked: {error}"))
}

/// Reads the metadata of the one product in an archive and lists its files.
pub(super) fn open(path: &Path) -> Result<Product> {
    let (workspace, names) = Workspace::open(path)?;
    let workspace = Arc::new(workspace);
    let base = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let of_product = |name: &&String| base(name).starts_with("MTD_MSIL") && name.ends_with(".xml") && depth(name) <= 1;
    let of_granule = |name: &&String| base(name) == "MTD_TL.xml" && name.contains("/GRANULE/");
    let one = |found: Vec<&String>, what: &str| match found[..] {
        [name] => Ok(name.clone()),
        _ => Err(Error::unsupported(format!("{} {what} in the archive, and one is read; unpack it", found.len()))),
    };
    let metadata = one(names.iter().filter(of_product).collect(), "products (MTD_MSIL*.xml)")?;
    let granule = one(names.iter().filter(of_granule).collect(), "granules (MTD_TL.xml)")?;
    let mut product = Product::default();
    safe::describe(&workspace.text(&metadata)?, &mut product).map_err(|error| error.context(&metadata))?;
    safe::describe_granule(&workspace.text(&granule)?, &mut product).map_err(|error| error.context(&granule))?;
    product.entries = names
        .iter()
        .filter_map(|name| files::entry(Path::new(name), || Location::Packed(workspace.clone(), name.clone())))
        .collect();
    product.workspace = Some(workspace);
    Ok(product)
}

fn depth(name: &str) -> usize {
    name.matches('/').count()
}
