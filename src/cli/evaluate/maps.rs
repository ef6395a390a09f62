//! Segmentation models: tiles with maps of labels.

use s2infer::decide::Bounds;
use s2infer::evaluate::{MapContestant, evaluate_maps};
use s2infer::labelled::{Labelled, LabelledRow, Labels};
use s2infer::model::Model;
use s2infer::output::{mask_path, tile_text};
use s2infer::{Error, Result};

use super::super::claims::Claims;
use super::super::logging;
use super::super::scoring::Scoring;
use super::{Evaluate, Found, json};

impl Evaluate {
    /// Tiles that have a map of labels each. The models' own maps stay beside the report.
    pub(super) fn maps(
        &self,
        model: &Model,
        baseline: Option<&Model>,
        scoring: &Scoring,
        mut claims: Claims,
    ) -> Result<Found> {
        let Some(manifest) = &self.manifest else {
            return Err(Error::usage(format!(
                "--scores: {} gives maps; give --manifest with the columns path and mask",
                model.manifest.name
            )));
        };
        let bounds = Bounds::default();
        let all = Labelled::read_maps(manifest, &Labels::of(&model.manifest.classes), &bounds)?;
        let split = self.split(&all, manifest)?;
        let measured =
            all.clone().filtered(|row: &LabelledRow| split.is_none() || row.split.as_deref() == split.as_deref());
        let audit = self.audit(&measured, Some((&all, split.as_deref())), &[], &bounds)?;
        let contestant = |model: &Model, name: &str| -> Result<MapContestant> {
            Ok(MapContestant {
                name: model.manifest.name.clone(),
                model_sha256: model.sha256.clone(),
                precision: model.manifest.precision.to_string(),
                outcomes: scoring.maps(&measured, model, self.tta(model), &self.out.join(name))?,
            })
        };
        let others = baseline.map(|_| "maps-baseline");
        for folder in ["maps-candidate"].into_iter().chain(others) {
            let maps = measured.rows.iter().map(|row| tile_text(&measured.folder.join(&row.tile)));
            maps.into_iter()
                .try_for_each(|tile| claims.output("--out's", &mask_path(&self.out.join(folder), &tile)))?;
        }
        for row in &measured.rows {
            let files = [Some(("the tile", row.tile.as_str())), row.mask.as_deref().map(|mask| ("the mask", mask))];
            files.into_iter().flatten().try_for_each(|(what, file)| claims.input(what, &measured.folder.join(file)))?;
        }
        self.remove_earlier()?;
        self.make_folder()?;
        let candidate = contestant(model, "maps-candidate")?;
        let other = baseline.map(|baseline| contestant(baseline, "maps-baseline")).transpose()?;
        let spinner = logging::spinner(&self.common);
        spinner.set_message("resampling sites");
        let found = evaluate_maps(
            &measured,
            &model.manifest.classes,
            audit,
            &candidate,
            other.as_ref(),
            &self.settings(),
            &self.require,
            &|tile: &str| self.paint(tile, model, scoring),
        )?;
        spinner.finish_and_clear();
        Ok(Found {
            document: found.document(&self.frame()),
            json: json(&found)?,
            requirements: found.requirements,
            audit: found.audit,
        })
    }
}
