//! Chosen batches on disk: one small file each in a folder of the user's own. Whatever is wrong with it is as if it
//! were not there.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::Machine;
use super::Wanted;
use crate::limits::read_bounded;
use crate::model::sha256;
use crate::output::AtomicFile;
use crate::{Error, Result};

/// Bytes of a file that is read.
const BYTES_MAX: u64 = 64 << 10;

/// A folder of chosen batches.
#[derive(Debug, Clone)]
pub struct Cache(PathBuf);

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/s2infer`, else `~/.cache/s2infer`. `None` where neither is an absolute path.
    pub fn of_user() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Some(Self(base?.join("s2infer")))
    }

    /// This folder.
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(super) fn get(&self, key: &Value) -> Option<usize> {
        let path = self.file(key);
        let read = || -> Result<Value> {
            let bytes = read_bounded(&path, BYTES_MAX)?;
            serde_json::from_slice(&bytes).map_err(|error| Error::usage(error).context(path.display()))
        };
        if !path.exists() {
            return None;
        }
        let entry = read().inspect_err(|error| tracing::debug!("{error}")).ok()?;
        let batch = entry.get("batch").and_then(Value::as_u64).and_then(|batch| usize::try_from(batch).ok());
        batch.filter(|_| entry.get("key") == Some(key))
    }

    pub(super) fn put(&self, key: &Value, batch: usize) {
        let write = || -> Result<()> {
            // Nobody else has business in there.
            DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(Error::output)?;
            let mut file = AtomicFile::create(&self.file(key))?;
            writeln!(file, "{:#}", json!({ "key": key, "batch": batch })).map_err(Error::output)?;
            file.commit()
        };
        if let Err(error) = write() {
            tracing::debug!("{}: the batch is not remembered: {error}", self.0.display());
        }
    }

    fn file(&self, key: &Value) -> PathBuf {
        self.0.join(format!("batch-{}.json", sha256(key.to_string().as_bytes())))
    }
}

/// Everything that the best batch depends on.
pub(super) fn key(wanted: Wanted<'_>, candidates: &[usize]) -> Value {
    let (info, machine, model) = (wanted.engine.info(), Machine::here(), wanted.model);
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "model": model.sha256,
        "precision": model.manifest.precision.as_str(),
        "engine": info.engine,
        "engine_version": info.version,
        "provider": info.provider,
        "cpu": machine.cpu,
        "cores": machine.cores,
        "candidates": candidates,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_put_comes_back_for_its_own_key_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(&folder.path().join("new/s2infer"));
        let key = |model: &str| json!({ "model": model });
        assert_eq!(cache.get(&key("a")), None);
        cache.put(&key("a"), 16);
        assert_eq!((cache.get(&key("a")), cache.get(&key("b"))), (Some(16), None));
        let mode = fs::metadata(folder.path().join("new/s2infer")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // A file of another key under this one's name.
        fs::copy(cache.file(&key("a")), cache.file(&key("b"))).unwrap();
        assert_eq!(cache.get(&key("b")), None);
    }

    #[test]
    fn a_damaged_or_unwritable_cache_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let key = json!({ "model": "a" });
        let cache = Cache::at(folder.path());
        for damage in ["", "{", "[]", "{\"batch\": -1}", "\u{0}"] {
            fs::write(cache.file(&key), damage).unwrap();
            assert_eq!(cache.get(&key), None, "{damage:?}");
        }
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let nowhere = Cache::at(&file);
        nowhere.put(&key, 8);
        assert_eq!(nowhere.get(&key), None);
    }
}
