//! What is known of the scenes of a folder: a JSON file each, below `--state`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use s2infer::limits::{CONFIG_BYTES_MAX, read_bounded};
use s2infer::output::{AtomicFile, tile_text};
use s2infer::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

/// How far a scene has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Decided; its results are there.
    Done,
    /// It failed, and will be tried again.
    Failed,
    /// It failed too often, and waits until it changes.
    Parked,
}

/// What is known of one scene.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SceneState {
    /// Its path below the watched folder.
    pub scene: String,
    /// Hash of the names, sizes and times of its files.
    pub signature: String,
    /// Hash of its files' bytes.
    pub content: String,
    /// How far it has come.
    pub status: Status,
    /// Attempts at this content.
    pub attempts: u32,
    /// Why it failed.
    pub reason: Option<String>,
    /// SHA-256 of the model that decided it.
    pub model_sha256: Option<String>,
    /// When that was.
    pub finished: Timestamp,
}

/// The folder of states.
pub struct States {
    folder: PathBuf,
}

impl States {
    /// Makes the folder if it is not there.
    pub fn open(folder: &Path) -> Result<Self> {
        let folder = folder.join("scenes");
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::output(format!("--state {}: {error}", folder.display())))?;
        Ok(Self { folder })
    }

    fn path(&self, scene: &Path) -> PathBuf {
        self.folder.join(format!("{}.json", &path_hash(scene)[..32]))
    }

    /// What is known of a scene, if anything is. A damaged state is none: its scene is decided again.
    pub fn get(&self, scene: &Path) -> Result<Option<SceneState>> {
        let path = self.path(scene);
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_bounded(&path, CONFIG_BYTES_MAX)?;
        let state = serde_json::from_slice(&bytes);
        Ok(state
            .inspect_err(|error| tracing::warn!("{}: damaged ({error}), its scene counts as new", path.display()))
            .ok())
    }

    /// Writes what is known of a scene.
    pub fn put(&self, scene: &Path, state: &SceneState) -> Result<()> {
        let path = self.path(scene);
        let mut file = AtomicFile::create(&path)?;
        let text = serde_json::to_string_pretty(state).map_err(Error::output)?;
        file.write_all(text.as_bytes()).map_err(|error| Error::output(format!("{}: {error}", path.display())))?;
        file.commit()
    }
}

/// What tells one state of a scene's files from another without reading them, and when the youngest was written.
pub struct Signature {
    pub text: String,
    pub modified_s: i64,
}

impl Signature {
    /// Of a file, or of all files below a folder.
    pub fn of(path: &Path) -> Result<Self> {
        let mut hash = Sha256::new();
        let mut modified_s = i64::MIN;
        for file in files(path)? {
            let metadata = file.metadata().map_err(|error| Error::io(error).context(file.display()))?;
            hash.update(file.as_os_str().as_encoded_bytes());
            for number in [metadata.len() as i64, metadata.mtime(), metadata.mtime_nsec(), metadata.ino() as i64] {
                hash.update(number.to_le_bytes());
            }
            modified_s = modified_s.max(metadata.mtime());
        }
        Ok(Self { text: hex(&hash.finalize()), modified_s })
    }
}

/// Hash of a scene's path below the watched folder.
pub fn path_hash(scene: &Path) -> String {
    hex(&Sha256::digest(tile_text(scene).as_bytes()))
}

/// Hash of the names and bytes of a scene's files.
pub fn content(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for name in files(path)? {
        let failed = |error: std::io::Error| Error::io(error).context(name.display());
        hash.update(name.strip_prefix(path).unwrap_or(Path::new("")).as_os_str().as_encoded_bytes());
        let mut file = File::open(&name).map_err(failed)?;
        hash.update(file.metadata().map_err(failed)?.len().to_le_bytes());
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => break,
                read => hash.update(&buffer[..read]),
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in WalkDir::new(path).follow_root_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| Error::io(error).context(path.display()))?;
        if entry.path().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
