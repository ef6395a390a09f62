//! `--stac`: which files a run wrote, and what they are.

use std::path::{Path, PathBuf};

use s2infer::output::{
    Asset, AtomicFile, Coverage, Format, RunRecord, StacItem, mask_path, quicklook_path, score_map_path,
};
use s2infer::{Error, Result};

use super::flags::OutputArgs;

/// Writes the item. All other files must have their names.
pub fn write(
    file: AtomicFile,
    arguments: &OutputArgs,
    record: &RunRecord,
    coverage: &Coverage,
    inputs: Vec<PathBuf>,
) -> Result<()> {
    let item = StacItem {
        coverage,
        assets: &assets(arguments, coverage),
        inputs: &inputs,
        model: &record.model,
        profile: record.profile.as_ref(),
    };
    item.write(file)
}

/// Whether the run writes any file that an item could describe.
pub fn check(arguments: &OutputArgs) -> Result<()> {
    let files = [&arguments.output, &arguments.sites, &arguments.record, &arguments.distributions];
    if arguments.stac.is_some() && files.iter().all(|file| file.is_none()) && arguments.maps().is_empty() {
        return Err(Error::usage("--stac describes files, and none is written: give --output FILE"));
    }
    Ok(())
}

fn assets(arguments: &OutputArgs, coverage: &Coverage) -> Vec<Asset> {
    let asset = |key: &str, path: &Path, title, media_type, roles| Asset {
        key: key.into(),
        path: path.to_owned(),
        title,
        media_type,
        roles,
    };
    let mut assets = Vec::new();
    let mut add = |key: &str, path: &Option<PathBuf>, title, media_type, roles| {
        assets.extend(path.as_deref().map(|path| asset(key, path, title, media_type, roles)));
    };
    if let Some(format) = arguments.table_format() {
        add("windows", &arguments.output, "Decisions by window", format.media_type(), &["data"]);
    }
    let sites = Format::choose(None, arguments.sites.as_deref());
    add("sites", &arguments.sites, "Neighbouring positive windows", sites.media_type(), &["data"]);
    add("distributions", &arguments.distributions, "Class shares by tile", "text/csv", &["data"]);
    add("record", &arguments.record, "Run record", "application/json", &["metadata"]);
    add("metrics", &arguments.metrics_file, "Metrics of the run", "text/plain", &["metadata"]);
    for (name, title, media_type, folder, path_of) in maps(arguments) {
        let Some(folder) = folder else { continue };
        let files = coverage.tiles_decided().map(|tile| path_of(folder, tile));
        let files = files.zip(1..);
        assets.extend(
            files.map(|(path, number)| asset(&format!("{name}-{number}"), &path, title, media_type, &["data"])),
        );
    }
    assets
}

const COG: &str = "image/tiff; application=geotiff; profile=cloud-optimized";

/// Name, title, media type and folder of a kind of map, and what its files are called there.
type MapKind<'a> = (&'static str, &'static str, &'static str, Option<&'a Path>, fn(&Path, &str) -> PathBuf);

fn maps(arguments: &OutputArgs) -> [MapKind<'_>; 3] {
    [
        ("mask", "Class map", COG, arguments.masks.as_deref(), mask_path),
        ("score-map", "Score map", COG, arguments.score_maps.as_deref(), score_map_path),
        ("quicklook", "Quick-look", "image/png", arguments.quicklook.as_deref(), quicklook_path),
    ]
}
