//! No output may be an input, and no two outputs one file: told before anything runs.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use s2infer::model::{Asset, Manifest, Model};
use s2infer::output::{journal_path, lock_path};
use s2infer::raster::address;
use s2infer::scene::Product;
use s2infer::{Error, Result};

/// What tells files apart whatever they are called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Identity {
    /// Device and inode of a file that is there.
    There(u64, u64),
    /// Canonical folder and name of one that is not.
    Absent(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Self {
        if let Ok(there) = path.metadata() {
            return Self::There(there.dev(), there.ino());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self::Absent(path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name)))
    }
}

/// The files that a run will write, each with the words for it.
#[derive(Debug, Default)]
pub struct Claims {
    files: HashMap<Identity, String>,
    /// Where they lie, links resolved.
    places: Vec<(PathBuf, String)>,
}

impl Claims {
    /// Claims a file for an output; `what` is its flag.
    ///
    /// # Errors
    /// [`s2infer::Kind::Usage`] if another output has claimed it.
    pub fn output(&mut self, what: &str, path: &Path) -> Result<()> {
        let words = format!("{what} {}", path.display());
        self.places.push((place(path), words.clone()));
        match self.files.insert(Identity::of(path), words.clone()) {
            Some(other) => Err(same_file(&other, &words)),
            None => Ok(()),
        }
    }

    /// Claims a result table, its journal and its lock.
    ///
    /// # Errors
    /// As [`Self::output`].
    pub fn table(&mut self, path: &Path) -> Result<()> {
        self.output("--output", path)?;
        self.output("the journal of --output,", &journal_path(path))?;
        self.output("the lock of --output,", &lock_path(path))
    }

    /// Checks that no output would replace what is read; `what` is its flag, or what it is.
    ///
    /// # Errors
    /// [`s2infer::Kind::Usage`] if one would.
    pub fn input(&self, what: &str, path: &Path) -> Result<()> {
        // An output that is not there yet replaces nothing, so that most runs look at no tile here.
        if !self.files.keys().any(|output| matches!(output, Identity::There(..))) {
            return Ok(());
        }
        let output = self.files.get(&Identity::of(path));
        output.map_or(Ok(()), |output| Err(same_file(output, &format!("{what} {}", path.display()))))
    }

    /// Checks that no output would replace a tile, or one of a product's files; nothing is written into a product.
    ///
    /// # Errors
    /// As [`Self::input`].
    pub fn tile(&self, path: &Path) -> Result<()> {
        if address(path).is_some() {
            return Ok(());
        }
        if path.is_dir() {
            let scene = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            let within = self.places.iter().find(|(place, _)| place.starts_with(&scene));
            return within.map_or(Ok(()), |(_, output)| {
                Err(Error::usage(format!("{output} lies in the scene {}; give it another place", path.display())))
            });
        }
        if path.extension().is_some_and(|extension| extension == "json") && !self.places.is_empty() {
            // What is wrong with an item is said when it is its turn.
            let files = Product::open(path).map(|product| product.files()).unwrap_or_default();
            files.iter().try_for_each(|file| self.input("a file of the scene,", file))?;
        }
        self.input("the tile", path)
    }

    /// Checks the manifest of a model and those of its files that `is_read` chooses.
    ///
    /// # Errors
    /// As [`Self::input`].
    pub fn model(&self, name_or_folder: &str, model: &Model, is_read: impl Fn(&Asset) -> bool) -> Result<()> {
        if let Some(unsealed) = &model.unsealed {
            return unsealed.files.iter().try_for_each(|file| self.input("--model", file));
        }
        let Some(folder) = Model::folder(name_or_folder) else { return Ok(()) };
        self.model_folder("--model's", &folder, &model.manifest, is_read)
    }

    /// As [`Self::model`] for a folder; `what` is whose files they are.
    ///
    /// # Errors
    /// As [`Self::input`].
    pub fn model_folder(
        &self,
        what: &str,
        folder: &Path,
        manifest: &Manifest,
        is_read: impl Fn(&Asset) -> bool,
    ) -> Result<()> {
        let files = manifest.assets.iter().filter(|asset| is_read(asset)).map(|asset| asset.href.as_str());
        files.chain(["model.json"]).try_for_each(|file| self.input(what, &folder.join(file)))
    }
}

/// A path with the links of its folder resolved.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name))
}

fn same_file(output: &str, other: &str) -> Error {
    Error::usage(format!("{output} and {other} are the same file; give the output another name"))
}
