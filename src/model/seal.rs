//! Writing model folders: everything is put in place first, then sealed by a manifest with its hashes.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::assets::{Asset, Role};
use super::files::Files;
use super::{Manifest, Model, ensemble};
use crate::limits::{
    CARD_BYTES_MAX, CONFIG_BYTES_MAX, GOLDEN_BYTES_MAX, MODEL_ASSETS_MAX, MODEL_BYTES_MAX, REFERENCE_BYTES_MAX,
};
use crate::{Error, Result};

/// What the drift reference of a model folder is called.
pub const REFERENCE: &str = "reference.json";
/// Key, file name, role, size limit, and whether a model can do without it.
const KNOWN: [(&str, &str, Role, u64, bool); 4] = [
    ("golden", "golden.safetensors", Role::Golden, GOLDEN_BYTES_MAX, false),
    ("card", "card.md", Role::Card, CARD_BYTES_MAX, false),
    ("profile", "profile.json", Role::Profile, CONFIG_BYTES_MAX, true),
    ("reference", REFERENCE, Role::Reference, REFERENCE_BYTES_MAX, true),
];

/// Hashes what lies in `folder` (`model.onnx`, or the members and the prefilter that `manifest` names, a file
/// `KEY.onnx` each; `golden.safetensors`, `card.md`, if there `profile.json`, `reference.json` and the files in `examples/`) and writes `model.json`, which says what `manifest`
/// says; the assets listed in `manifest` are replaced. Called again after a file has changed, it
/// seals the new state. Returns the model as it then loads.
///
/// # Errors
/// [`crate::Kind::Refused`] where a file is missing or the folder would not load,
/// [`crate::Kind::Output`] where `model.json` cannot be written.
pub fn seal(folder: &Path, manifest: &Manifest) -> Result<Model> {
    let mut manifest = manifest.clone();
    manifest.assets = assets(folder, &manifest)?;
    let item = manifest.to_item()?;
    let mut json = serde_json::to_vec_pretty(&item).map_err(Error::output)?;
    json.push(b'\n');
    write_whole(&folder.join("model.json"), &json)?;
    Model::load(folder)
}

fn assets(folder: &Path, manifest: &Manifest) -> Result<Vec<Asset>> {
    let files = Files::Folder(folder.to_owned());
    let mut assets = Vec::new();
    for (key, name, role, bytes_max, optional) in KNOWN {
        if optional && !folder.join(name).exists() {
            continue;
        }
        let bytes = files.read(name, bytes_max).map_err(|e| e.context(folder.display()))?;
        assets.push(Asset::of(key, name, role, &bytes));
    }
    for (key, role) in ensemble::keys(folder, manifest)? {
        let name = format!("{key}.onnx");
        let bytes = files.read(&name, MODEL_BYTES_MAX).map_err(|e| e.context(folder.display()))?;
        assets.push(Asset::of(key, name, role, &bytes));
    }
    for name in examples(folder)? {
        let href = format!("examples/{name}");
        let bytes = files.read(&href, MODEL_BYTES_MAX)?;
        assets.push(Asset::of(format!("example-{name}"), href, Role::Example, &bytes));
    }
    assets.sort_by(|a, b| a.key.cmp(&b.key));
    if let Some(pair) = assets.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(Error::refused(format!(
            "{:?} is the key of two files; call the member or gate otherwise",
            pair[0].key
        )));
    }
    Ok(assets)
}

/// Names of the tiles in `examples/`, sorted; none where there is no such folder.
fn examples(folder: &Path) -> Result<Vec<String>> {
    let examples = folder.join("examples");
    if !examples.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::refused(format!("{}: {error}", examples.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&examples).map_err(failed)?.take(MODEL_ASSETS_MAX) {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file()
            && let Ok(name) = entry.file_name().into_string()
            && name.ends_with(".tif")
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Writes a file that appears under its name complete or not at all.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| Error::output(format!("{}: {error}", path.display()));
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
