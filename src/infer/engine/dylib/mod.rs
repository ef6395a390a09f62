//! Libraries of engines, loaded at run time: where they are looked for, and whether they are whole.

pub mod elf;
pub mod places;

use std::env;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A library as the user knows it.
pub struct Dylib {
    /// `ONNX Runtime`
    pub name: &'static str,
    /// Its file's name without a version: `libonnxruntime.so`.
    pub stem: &'static str,
    /// The flag that names it.
    pub flag: &'static str,
    /// The environment variable that names it.
    pub variable: &'static str,
    /// What to do where there is none.
    pub remedy: &'static str,
}

impl Dylib {
    /// The path in the environment variable, if that is set and not empty.
    pub fn in_environment(&self) -> Option<PathBuf> {
        env::var_os(self.variable).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    /// Loads the library that was named, by `flag` or in the environment, or the first of the implicit ones that loads:
    /// in `own` places, then in those of all engines.
    ///
    /// # Errors
    /// [`Kind::Engine`](crate::Kind::Engine): the named library does not load, or none of the others does.
    pub fn load<L>(&self, flag: Option<&Path>, own: &[PathBuf], load: impl Fn(&Path) -> Result<L>) -> Result<L> {
        let named = |path: &Path, source: &str| load(&self.named(path, source)?).map_err(|error| error.context(source));
        if let Some(path) = flag {
            return named(path, self.flag);
        }
        if let Some(path) = self.in_environment() {
            return named(&path, self.variable);
        }
        let places = [own, &places::places()].concat();
        let mut failures = Vec::new();
        for path in places.iter().filter_map(|place| places::library_in(place, self.stem)) {
            match load(&path) {
                Ok(library) => return Ok(library),
                Err(error) => failures.push(error.to_string()),
            }
        }
        if failures.is_empty() {
            return Err(self.not_found(&places));
        }
        Err(Error::engine(failures.join("; ")))
    }

    fn named(&self, path: &Path, source: &str) -> Result<PathBuf> {
        if !path.is_dir() {
            return Ok(path.to_owned());
        }
        places::library_in(path, self.stem).ok_or_else(|| {
            Error::engine(format!("{source}: the folder {} holds no {}; {}", path.display(), self.stem, self.remedy))
        })
    }

    fn not_found(&self, places: &[PathBuf]) -> Error {
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Error::engine(format!("no {} library ({}) in {}; {}", self.name, self.stem, places.join(", "), self.remedy))
    }
}
