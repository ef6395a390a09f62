//! The files of a model that is several: its members, made into one graph, and the trees before them.

use std::path::Path;

use super::Manifest;
use super::assets::{Asset, Role, sha256 as hash};
use super::files::Files;
use super::graph::{self, Facts, Scanned};
use super::load::{at_most_one, one, scan};
use super::manifest::{Gate, Member};
use crate::limits::MODEL_BYTES_MAX;
use crate::onnx::{Trees, merge::merge};
use crate::{Error, Result};

/// The key and file name (`model.onnx`) of a model that is one network.
const ONLY: &str = "model";
/// What the files of members begin with.
pub const MEMBER_FILES: &str = "member-";

/// Trees that decide what the network need not look at, and what is promised of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefilter {
    /// The trees.
    pub trees: Trees,
    /// The cut-off and its guarantee.
    pub gate: Gate,
}

/// The tree ensemble in an ONNX file.
///
/// # Errors
/// [`crate::Kind::Refused`] for another file, and for trees of another kind than those of one score; the message names the
/// attribute.
pub fn read_trees(bytes: &[u8]) -> Result<Trees> {
    graph::trees(bytes)
}

/// Keys and roles of the ONNX files that a manifest needs; each is called after its key.
///
/// # Errors
/// [`crate::Kind::Refused`] where the folder holds a member that the manifest does not name.
pub(super) fn keys(folder: &Path, manifest: &Manifest) -> Result<Vec<(String, Role)>> {
    let mut keys: Vec<(String, Role)> =
        manifest.members.iter().map(|member| (member.model.clone(), Role::Model)).collect();
    let failed = |error| Error::refused(format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let Ok(name) = entry.map_err(failed)?.file_name().into_string() else { continue };
        let Some(key) = name.strip_suffix(".onnx").filter(|key| key.starts_with(MEMBER_FILES)) else { continue };
        if !manifest.members.iter().any(|member| member.model == key) {
            return Err(Error::refused(format!(
                "{}: {name} is a member too many: the manifest names {} members and not this one",
                folder.display(),
                manifest.members.len()
            )));
        }
    }
    if keys.is_empty() {
        keys.push((ONLY.into(), Role::Model));
    }
    keys.extend(manifest.gate.iter().map(|gate| (gate.asset.clone(), Role::Gate)));
    Ok(keys)
}

/// The asset of a member.
fn asset<'a>(manifest: &'a Manifest, member: &Member) -> Result<&'a Asset> {
    let mut models = manifest.assets.iter().filter(|asset| asset.role == Role::Model);
    models.find(|asset| asset.key == member.model).ok_or_else(|| {
        Error::refused(format!(
            "model.json: the member {:?} is missing: no asset of this key has the role \"mlm:model\"",
            member.model
        ))
    })
}

/// Refuses a manifest of members that lists other files than theirs.
pub(super) fn check(manifest: &Manifest) -> Result<()> {
    if manifest.members.is_empty() {
        return Ok(());
    }
    manifest.members.iter().try_for_each(|member| asset(manifest, member).map(drop))?;
    let is_named = |asset: &&Asset| manifest.members.iter().any(|member| member.model == asset.key);
    if let Some(other) = manifest.assets.iter().filter(|asset| asset.role == Role::Model).find(|asset| !is_named(asset))
    {
        return Err(Error::refused(format!(
            "model.json: asset {:?} is a member too many: members name {} others",
            other.key,
            manifest.members.len()
        )));
    }
    Ok(())
}

/// One graph of all members, each of which is held against its hash and the manifest.
pub(super) fn members(files: &Files, manifest: &Manifest) -> Result<Scanned> {
    let mut scanned = Vec::with_capacity(manifest.members.len());
    for member in &manifest.members {
        scanned.push(scan(files, asset(manifest, member)?, manifest)?);
    }
    let graphs: Vec<(&str, &[u8])> =
        manifest.members.iter().zip(&scanned).map(|(member, scanned)| (&*member.model, &*scanned.graph)).collect();
    let graph = merge(&graphs)?;
    let mut facts = Facts::default();
    for Scanned { facts: member, .. } in scanned {
        (facts.opset, facts.producer) = (member.opset, member.producer);
        facts.parameters += member.parameters;
        facts.widened += member.widened;
        for (operator, count) in member.operators {
            *facts.operators.entry(operator).or_default() += count;
        }
    }
    Ok(Scanned { graph, facts })
}

/// The trees before the network, where the manifest has a gate.
pub(super) fn gate(files: &Files, manifest: &Manifest) -> Result<Option<Prefilter>> {
    let Some(gate) = &manifest.gate else {
        return match at_most_one(manifest, Role::Gate)? {
            Some(asset) => {
                Err(Error::refused(format!("model.json: asset {:?} is a gate, and there is none", asset.key)))
            }
            None => Ok(None),
        };
    };
    let asset = one(manifest, Role::Gate)?;
    if asset.key != gate.asset {
        return Err(Error::refused(format!(
            "model.json: the gate's asset is {:?}, and the asset of that role {:?}",
            gate.asset, asset.key
        )));
    }
    let bytes = files.read(&asset.href, MODEL_BYTES_MAX)?;
    asset.verify(&bytes)?;
    let trees = read_trees(&bytes).map_err(|error| error.context(&asset.href))?;
    let features = crate::model::manifest::GATE_STATISTICS * manifest.bands.len();
    if let Some(width) = trees.width().filter(|width| *width != features) {
        return Err(Error::refused(format!(
            "{}: its input has {width} features, and {} bands have {features} statistics: it was made for another model",
            asset.href,
            manifest.bands.len()
        )));
    }
    if trees.features() > features {
        return Err(Error::refused(format!(
            "{}: nodes_featureids go up to {}, and {} bands have {features} statistics",
            asset.href,
            trees.features() - 1,
            manifest.bands.len()
        )));
    }
    Ok(Some(Prefilter { trees, gate: gate.clone() }))
}

/// What identifies the numbers of a model: the hash of its one file, else that of the list of its files, with the thresholds
/// of the members and the cut-off of the gate.
pub(super) fn sha256(manifest: &Manifest) -> Result<String> {
    if manifest.members.is_empty() && manifest.gate.is_none() {
        return Ok(one(manifest, Role::Model)?.sha256.clone());
    }
    let mut list = String::new();
    if manifest.members.is_empty() {
        list += &format!("{ONLY} {}\n", one(manifest, Role::Model)?.sha256);
    }
    for member in &manifest.members {
        list += &format!("{} {} {}\n", member.model, asset(manifest, member)?.sha256, member.threshold);
    }
    if let Some(gate) = &manifest.gate {
        list += &format!("{} {} {}\n", gate.asset, one(manifest, Role::Gate)?.sha256, gate.cutoff);
    }
    Ok(hash(list.as_bytes()))
}
