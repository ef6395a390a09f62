//! The files of a model folder: what each is for, its hash and its size.

use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use super::manifest::ItemAsset;
use crate::{Error, Result};

/// What a file of the folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The ONNX file, or that of a member.
    Model,
    /// The trees before the network.
    Gate,
    /// The golden batch.
    Golden,
    /// The threshold profile.
    Profile,
    /// The drift reference.
    Reference,
    /// The model card.
    Card,
    /// An example tile. Takes no part in a run and is not checked when the model is loaded.
    Example,
    /// Something else that the folder's author listed; checked like the rest.
    Other,
}

/// Role, STAC roles (the first one identifies it), media type and title.
const ROLES: [(Role, &[&str], &str, &str); 7] = [
    (Role::Model, &["mlm:model", "mlm:weights"], "application/onnx", "ONNX graph"),
    (Role::Gate, &["s2infer:gate"], "application/onnx", "Prefilter (ONNX tree ensemble)"),
    (Role::Golden, &["s2infer:golden"], "application/octet-stream", "Golden batch (safetensors)"),
    (Role::Profile, &["s2infer:profile"], "application/json", "Threshold profile"),
    (Role::Reference, &["s2infer:reference"], "application/json", "Drift reference"),
    (Role::Card, &["metadata"], "text/markdown", "Model card"),
    (Role::Example, &["s2infer:example"], "image/tiff; application=geotiff", "Example tile"),
];

impl Role {
    fn from_stac(roles: &[String]) -> Self {
        ROLES
            .iter()
            .find(|(_, names, ..)| names.first().is_some_and(|name| roles.iter().any(|r| r == name)))
            .map_or(Role::Other, |(role, ..)| *role)
    }

    fn row(self) -> Option<&'static (Role, &'static [&'static str], &'static str, &'static str)> {
        ROLES.iter().find(|(role, ..)| *role == self)
    }

    pub(super) fn stac_roles(self) -> &'static [&'static str] {
        self.row().map_or(&["data"], |row| row.1)
    }

    pub(super) fn media_type(self) -> &'static str {
        self.row().map_or("application/octet-stream", |row| row.2)
    }

    pub(super) fn title(self) -> &'static str {
        self.row().map_or("Data", |row| row.3)
    }
}

/// A file of the folder as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its key among the item's assets.
    pub key: String,
    /// Where it lies in the folder, with `/`: `model.onnx`, `examples/a.tif`.
    pub href: String,
    /// What it is for.
    pub role: Role,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

impl Asset {
    /// The listing of `bytes`.
    pub fn of(key: impl Into<String>, href: impl Into<String>, role: Role, bytes: &[u8]) -> Self {
        Self { key: key.into(), href: href.into(), role, sha256: sha256(bytes), size: bytes.len() as u64 }
    }

    pub(super) fn from_item(key: String, asset: ItemAsset) -> Result<Self> {
        let href = asset.href.strip_prefix("./").unwrap_or(&asset.href).to_owned();
        let inside = Path::new(&href).components().all(|c| matches!(c, Component::Normal(_)));
        if href.is_empty() || !inside || href.contains(['\\', ':', '\0']) {
            return Err(Error::refused(format!(
                "model.json: asset {key:?} lies at {:?}; assets must lie in the model's own folder",
                asset.href
            )));
        }
        let sha256 = asset.checksum.as_deref().and_then(multihash_sha256);
        let (Some(sha256), Some(size)) = (sha256, asset.size) else {
            return Err(Error::refused(format!(
                "model.json: asset {key:?} needs file:size and a file:checksum \
                 (sha2-256 multihash: 1220 and 64 hexadecimal digits)"
            )));
        };
        Ok(Self { key, href, role: Role::from_stac(&asset.roles), sha256, size })
    }

    /// Refuses `bytes` that are not those the manifest lists.
    pub fn verify(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 != self.size {
            let what = describe_accident(bytes).unwrap_or("it was cut off, edited or mixed up");
            return Err(Error::refused(format!(
                "{}: {} bytes, model.json says {} ({what}); copy the model folder again",
                self.href,
                bytes.len(),
                self.size
            )));
        }
        let actual = sha256(bytes);
        if actual != self.sha256 {
            return Err(Error::refused(format!(
                "{}: SHA-256 is {actual}, model.json says {}; copy the model folder again",
                self.href, self.sha256
            )));
        }
        Ok(())
    }
}

/// What a download that went wrong in one of the two everyday ways looks like.
pub(super) fn describe_accident(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some("it is a Git LFS pointer, not the file itself: run `git lfs pull`");
    }
    let head: Vec<u8> = bytes.iter().take(256).map(u8::to_ascii_lowercase).collect();
    let text = head.trim_ascii_start();
    (text.starts_with(b"<!doctype") || text.starts_with(b"<html") || text.starts_with(b"<?xml"))
        .then_some("it is a web page, not the file itself: the download went wrong")
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn multihash_sha256(checksum: &str) -> Option<String> {
    let digest = checksum.strip_prefix("1220")?;
    let hexadecimal = digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    (digest.len() == 64 && hexadecimal).then(|| digest.to_owned())
}
