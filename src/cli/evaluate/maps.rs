//! Segmentation models: tiles with maps of labels.

use std::path::PathBuf;

use s2infer::decide::Bounds;
use s2infer::evaluate::{MapContestant, evaluate_maps};
use s2infer::labelled::{Labelled, LabelledRow, Labels, mean_shares};
use s2infer::model::Model;
use s2infer::output::{mask_path, tile_text};
use s2infer::{Error, Result};

use super::super::claims::Claims;
use super::super::logging;
use super::super::scoring::Scoring;
use super::{Evaluate, Found, json};

/// The split that weights are fitted to.
const TRAIN: &str = "train";

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
        let constant = self.constant(&all, &measured, split.as_deref(), model)?;
        let spinner = logging::spinner(&self.common);
        spinner.set_message("resampling sites");
        let found = evaluate_maps(
            &measured,
            &model.manifest.classes,
            audit,
            &candidate,
            other.as_ref(),
            (&constant.0, &constant.1),
            &self.settings(),
            &self.require,
            &|tile: &str| self.paint(tile, model, scoring),
        )?;
        spinner.finish_and_clear();
        let (kl, mean) = (found.candidate.mean_kl.estimate, found.predict_the_mean.mean_kl.estimate);
        let number = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        Ok(Found {
            remark: format!("KL {}; the mean of the {} for every tile: {}\n", number(kl), constant.0, number(mean)),
            document: found.document(&self.frame()),
            json: json(&found)?,
            requirements: found.requirements,
            audit: found.audit,
        })
    }

    /// The mean class shares of tiles that do not measure, and what they are: what every tile is given without a model. Of
    /// the split `train` where there is one, else of the other tiles, else, in hindsight, of the measured ones.
    fn constant(
        &self,
        all: &Labelled,
        measured: &Labelled,
        split: Option<&str>,
        model: &Model,
    ) -> Result<(String, Vec<f64>)> {
        let of = |is_of: &dyn Fn(Option<&str>) -> bool| -> Vec<PathBuf> {
            let rows = all.rows.iter().filter(|row| is_of(row.split.as_deref()));
            rows.filter_map(|row| Some(all.folder.join(row.mask.as_deref()?))).collect()
        };
        let train = of(&|name| name == Some(TRAIN) && name != split);
        let others = of(&|name| split.is_some() && name != split);
        let (name, masks) = match (train.is_empty(), others.is_empty()) {
            (false, _) => (format!("split {TRAIN}"), train),
            (_, false) => ("other splits".to_owned(), others),
            _ => {
                let masks = measured.rows.iter().filter_map(|row| row.mask.as_deref());
                ("measured tiles".to_owned(), masks.map(|mask| measured.folder.join(mask)).collect())
            }
        };
        Ok((name, mean_shares(&masks, &model.manifest.ignored())?))
    }
}
