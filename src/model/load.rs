//! Finding a model, and everything that is checked before an engine sees it.

use std::path::{Path, PathBuf};

use super::assets::{Asset, Role, describe_accident};
use super::files::Files;
use super::foreign::{self, Stated};
use super::{Manifest, Model, built_in, ensemble, golden, graph};
use crate::limits::{CARD_BYTES_MAX, CONFIG_BYTES_MAX, GOLDEN_BYTES_MAX, MODEL_BYTES_MAX, REFERENCE_BYTES_MAX};
use crate::{Error, Kind, Result};

const MANIFEST: &str = "model.json";

impl Model {
    /// Loads the model folder `folder`: manifest, hashes and sizes, scan of the graph, golden batch.
    ///
    /// # Errors
    /// [`Kind::Usage`] where there is no such folder, [`Kind::Refused`] for everything that is wrong
    /// inside; the message names the file, what was expected and what to do.
    pub fn load(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::usage(format!(
                "model folder {}: no such folder; give one that holds a {MANIFEST}",
                folder.display()
            )));
        }
        assemble(Files::Folder(folder.to_owned()))
    }

    /// The model in this binary.
    ///
    /// # Errors
    /// [`Kind::Refused`] where the binary was built without one.
    pub fn built_in() -> Result<Self> {
        assemble(Files::BuiltIn(built_in::FILES))
    }

    /// The model of this name, or in this folder: `construction` is built in, then a folder that
    /// holds a `model.json`, then `models/<NAME>` below the working directory.
    ///
    /// # Errors
    /// [`Kind::Usage`] where none of these is there, or where it is another's model ([`Model::resolve_with`]); else as
    /// [`Model::load`].
    pub fn resolve(name_or_folder: &str) -> Result<Self> {
        if let Some(path) = Self::foreign(name_or_folder) {
            let path = path.display();
            return Err(Error::usage(format!(
                "{path} is no model folder: `s2infer seal {path} --out FOLDER` makes one of it, for this command too"
            )));
        }
        Self::resolve_folder(name_or_folder)
    }

    /// As [`Model::resolve`], and an ONNX file or an item of the MLM extension as well, with what is `stated` of it.
    ///
    /// # Errors
    /// As [`Model::resolve`]; [`Kind::Usage`] for anything stated of a model folder, which says it all itself, and for what
    /// another's model leaves open; [`Kind::Refused`] for another's model that is not run.
    pub fn resolve_with(name_or_folder: &str, stated: &Stated) -> Result<Self> {
        if let Some(path) = Self::foreign(name_or_folder) {
            return foreign::load(&path, stated);
        }
        if *stated != Stated::default() {
            return Err(Error::usage(format!(
                "--model-…: {name_or_folder} is a model folder, whose manifest says it all; drop these flags"
            )));
        }
        Self::resolve_folder(name_or_folder)
    }

    /// Whether a name leads to another's model: an ONNX file, or an item of the MLM extension without our block.
    pub fn is_foreign(name: &str) -> bool {
        Self::foreign(name).is_some()
    }

    fn foreign(name: &str) -> Option<PathBuf> {
        foreign::find(name).filter(|_| name != built_in::NAME)
    }

    fn resolve_folder(name_or_folder: &str) -> Result<Self> {
        if name_or_folder == built_in::NAME {
            return Self::built_in();
        }
        match Self::folder(name_or_folder) {
            Some(folder) => Self::load(&folder),
            None => Err(Error::usage(format!(
                "--model {name_or_folder}: neither {:?} nor a folder with a {MANIFEST}, here or in models/, nor an ONNX file or a STAC-MLM item",
                built_in::NAME
            ))),
        }
    }

    /// The folder that [`Self::resolve`] takes a model from; none for the one in this binary, or where there is none.
    pub fn folder(name_or_folder: &str) -> Option<PathBuf> {
        let folders = [PathBuf::from(name_or_folder), Path::new("models").join(name_or_folder)];
        folders.into_iter().find(|folder| name_or_folder != built_in::NAME && folder.join(MANIFEST).exists())
    }
}

fn assemble(files: Files) -> Result<Model> {
    check_all(&files).map_err(|error| error.with_kind(Kind::Refused).context(files.name()))
}

fn check_all(files: &Files) -> Result<Model> {
    let json = files.read(MANIFEST, CONFIG_BYTES_MAX)?;
    if let Some(accident) = describe_accident(&json) {
        return Err(Error::refused(format!("{MANIFEST}: {accident}")));
    }
    let manifest = Manifest::parse(&json)?;
    ensemble::check(&manifest)?;
    check_others(files, &manifest)?;
    let golden_asset = one(&manifest, Role::Golden)?;
    let bytes = files.read(&golden_asset.href, GOLDEN_BYTES_MAX)?;
    golden_asset.verify(&bytes)?;
    let golden = golden::parse(&golden_asset.href, &bytes)?;
    golden::check_shapes(&golden, &manifest)?;
    let profile = optional(files, &manifest, Role::Profile, CONFIG_BYTES_MAX)?;
    let reference = optional(files, &manifest, Role::Reference, REFERENCE_BYTES_MAX)?;
    let gate = ensemble::gate(files, &manifest)?;
    let scanned = match manifest.members[..] {
        [] => scan(files, one(&manifest, Role::Model)?, &manifest)?,
        _ => ensemble::members(files, &manifest)?,
    };
    let sha256 = ensemble::sha256(&manifest)?;
    Ok(Model {
        manifest,
        sha256,
        graph: scanned.graph,
        facts: scanned.facts,
        gate,
        golden: Some(golden),
        profile,
        reference,
        unsealed: None,
    })
}

/// The graph in one file, which is held against its hash and the manifest.
pub(super) fn scan(files: &Files, asset: &Asset, manifest: &Manifest) -> Result<graph::Scanned> {
    let bytes = files.read(&asset.href, MODEL_BYTES_MAX)?;
    // Hashing and scanning take about as long as each other, and either may refuse.
    let (verified, scanned) = std::thread::scope(|scope| {
        let hashing = scope.spawn(|| asset.verify(&bytes));
        let scanned = graph::scan(&bytes, manifest);
        (hashing.join(), scanned)
    });
    verified.unwrap_or_else(|_| Err(Error::refused(format!("{}: hashing panicked", asset.href))))?;
    scanned.map_err(|error| error.context(&asset.href))
}

/// Hash and size of the files that are listed but not used here.
fn check_others(files: &Files, manifest: &Manifest) -> Result<()> {
    for asset in manifest.assets.iter().filter(|a| matches!(a.role, Role::Card | Role::Other)) {
        let bytes_max = if asset.role == Role::Card { CARD_BYTES_MAX } else { MODEL_BYTES_MAX };
        asset.verify(&files.read(&asset.href, bytes_max)?)?;
    }
    Ok(())
}

/// A file that a model can do without, where the manifest lists it.
fn optional(files: &Files, manifest: &Manifest, role: Role, bytes_max: u64) -> Result<Option<Vec<u8>>> {
    let Some(asset) = at_most_one(manifest, role)? else { return Ok(None) };
    let bytes = files.read(&asset.href, bytes_max)?;
    asset.verify(&bytes)?;
    Ok(Some(bytes.into_owned()))
}

pub(super) fn at_most_one(manifest: &Manifest, role: Role) -> Result<Option<&Asset>> {
    let mut found = manifest.assets.iter().filter(|asset| asset.role == role);
    match (found.next(), found.next()) {
        (_, Some(second)) => Err(Error::refused(format!(
            "{MANIFEST}: asset {:?} is the second with the role {:?}",
            second.key,
            role.stac_roles().first().unwrap_or(&"")
        ))),
        (first, None) => Ok(first),
    }
}

pub(super) fn one(manifest: &Manifest, role: Role) -> Result<&Asset> {
    at_most_one(manifest, role)?.ok_or_else(|| {
        let role = role.stac_roles().first().unwrap_or(&"");
        Error::refused(format!("{MANIFEST}: no asset has the role {role:?}"))
    })
}
