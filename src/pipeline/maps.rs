//! The maps and the picture of one tile, filled as its windows arrive.

use super::batch::Tile;
use super::pixel_maps::PixelMaps;
use super::{Job, Thresholds};
use crate::decide::Decision;
use crate::infer::head::ClassMap;
use crate::infer::thumbnail::Thumbnail;
use crate::limits::MAP_CLASSES_MAX;
use crate::model::Manifest;
use crate::model::manifest::Head;
use crate::output::{ABSTAINED, Classes, MapLayer, MapOutputs, MapWriter, Mark, Quicklook, Row, Scores};
use crate::output::{mask_path, quicklook_path, score_map_path};
use crate::raster::Geo;
use crate::{Error, Result};

/// What a run writes of one tile beside its rows.
pub(super) struct TileMaps {
    /// Of a segmentation model.
    pixels: Option<PixelMaps>,
    /// Of a classifier: every window's core in its decision.
    decisions: Option<MapWriter<Classes>>,
    /// Of a classifier: every window's core in its score.
    scores: Option<MapWriter<Scores>>,
    quicklook: Option<Quicklook>,
    codes: Codes,
    height: u32,
}

/// A tile and the folders that its maps go to.
pub(super) struct Target<'a> {
    outputs: &'a MapOutputs,
    tile: &'a Tile,
    pub(super) manifest: &'a Manifest,
    /// Width and height.
    pub(super) size: [u32; 2],
}

/// Decisions as numbers of a class map.
struct Codes {
    /// Names in the order of their numbers.
    names: Vec<String>,
    /// Whether they stand for the classes of the model, or for negative and positive.
    are_classes: bool,
}

/// Refuses maps that bytes cannot hold.
///
/// # Errors
/// [`crate::Kind::Usage`]
pub(super) fn check(outputs: &MapOutputs, manifest: &Manifest) -> Result<()> {
    let classes = manifest.classes.len();
    if classes <= MAP_CLASSES_MAX {
        return Ok(());
    }
    outputs.folders().next().map_or(Ok(()), |(flag, ..)| {
        Err(Error::usage(format!("{flag}: {} has {classes} classes, a map holds {MAP_CLASSES_MAX}", manifest.name)))
    })
}

impl TileMaps {
    pub(super) fn open(job: &Job, outputs: &MapOutputs, has_distribution: bool, tile: &Tile) -> Result<Self> {
        let manifest = &job.model.manifest;
        let extent = tile.scene.extent();
        let target = Target { outputs, tile, manifest, size: [extent.width, extent.height] };
        let codes = Codes::of(job)?;
        let is_segmentation = manifest.head == Head::Segmentation;
        let pixels = is_segmentation.then(|| PixelMaps::open(&target, job.overlap_px, has_distribution)).transpose()?;
        let (decisions, scores) = match is_segmentation {
            true => (None, None),
            false => (target.mask(Classes { names: codes.with_abstained() })?, target.score_map(Scores)?),
        };
        let quicklook = outputs.quicklooks.as_deref();
        let quicklook =
            quicklook.map(|folder| Quicklook::new(quicklook_path(folder, &tile.name), target.size, manifest));
        Ok(Self { pixels, decisions, scores, quicklook, codes, height: extent.height })
    }

    /// Takes the prediction of a segmentation model for a window: see [`PixelMaps::add`].
    pub(super) fn predicted(
        &mut self,
        tile: &Tile,
        index: u64,
        map: &ClassMap,
        valid: &[bool],
    ) -> Result<Option<Vec<f32>>> {
        let pixels = self.pixels.as_mut().ok_or_else(|| Error::engine("a map from a model that makes none"))?;
        pixels.add(tile, index, map, valid)
    }

    /// Takes what became of a window. One that failed leaves its core without data.
    pub(super) fn decided(&mut self, tile: &Tile, index: u64, row: &Row, thumbnail: Option<&Thumbnail>) -> Result<()> {
        let core = tile.windows.core(index);
        if let (Some(decisions), Some(code)) = (&mut self.decisions, self.codes.code(&row.decision)) {
            decisions.fill(core, code)?;
        }
        if let (Some(scores), Some(score)) = (&mut self.scores, row.score) {
            scores.fill(core, score)?;
        }
        if let Some(quicklook) = &mut self.quicklook {
            quicklook.add(core, thumbnail, self.codes.mark(&row.decision));
        }
        Ok(())
    }

    /// Completes all; the class shares of a segmentation model's tile, or `None` where no pixel was valid.
    pub(super) fn finish(self) -> Result<Option<Vec<f64>>> {
        self.decisions.map(MapWriter::finish).transpose()?;
        self.scores.map(MapWriter::finish).transpose()?;
        self.quicklook.map(Quicklook::finish).transpose()?;
        Ok(self.pixels.map(|pixels| pixels.finish(self.height)).transpose()?.flatten())
    }
}

impl Target<'_> {
    /// Starts the class map, where one is asked for.
    pub(super) fn mask<L: MapLayer>(&self, layer: L) -> Result<Option<MapWriter<L>>> {
        let path = self.outputs.masks.as_deref().map(|folder| mask_path(folder, &self.tile.name));
        path.map(|path| MapWriter::create(&path, self.size, layer, self.outputs.compression, self.geo())).transpose()
    }

    /// Starts the map of scores, where one is asked for.
    pub(super) fn score_map<L: MapLayer>(&self, layer: L) -> Result<Option<MapWriter<L>>> {
        let path = self.outputs.score_maps.as_deref().map(|folder| score_map_path(folder, &self.tile.name));
        path.map(|path| MapWriter::create(&path, self.size, layer, self.outputs.compression, self.geo())).transpose()
    }

    fn geo(&self) -> Option<&Geo> {
        self.tile.scene.geo()
    }
}

impl Codes {
    fn of(job: &Job) -> Result<Self> {
        let manifest = &job.model.manifest;
        let names = manifest.classes.clone();
        if manifest.head == Head::Binary {
            return Ok(Self { names, are_classes: false });
        }
        let class = match &job.thresholds {
            Thresholds::Profile(profile, _) => profile.class_index(manifest.head, &manifest.classes)?,
            Thresholds::Fixed(_) | Thresholds::Members | Thresholds::ArgMax => None,
        };
        Ok(match class.and_then(|class| manifest.classes.get(class)) {
            Some(class) => Self { names: vec![format!("not {class}"), class.clone()], are_classes: false },
            None => Self { names, are_classes: true },
        })
    }

    fn with_abstained(&self) -> Vec<(u8, String)> {
        (0u8..).zip(self.names.iter().cloned()).chain([(ABSTAINED, "abstained".into())]).collect()
    }

    /// `None` for an error.
    fn code(&self, decision: &Decision) -> Option<u8> {
        match decision {
            Decision::Negative => Some(0),
            Decision::Positive => Some(1),
            Decision::Class(name) => self.names.iter().position(|class| class == name).map(|class| class as u8),
            Decision::Abstain => Some(ABSTAINED),
            Decision::Error => None,
        }
    }

    fn mark(&self, decision: &Decision) -> Mark {
        match (decision, self.code(decision)) {
            (Decision::Positive, _) => Mark::Positive,
            (Decision::Abstain, _) => Mark::Abstained,
            (Decision::Class(_), Some(class)) if self.are_classes => Mark::Class(class, self.names.len()),
            _ => Mark::Plain,
        }
    }
}
