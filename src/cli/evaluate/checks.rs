//! What is refused before any model runs.

use s2infer::evaluate::{ClassEvaluation, Evaluation, MapEvaluation, Requirement};
use s2infer::labelled::Labels;
use s2infer::model::Model;
use s2infer::model::manifest::Head;
use s2infer::{Error, Result};

use super::super::claims::Claims;
use super::contestants::decides_by_members;
use super::{Evaluate, REPORTS};

impl Evaluate {
    /// No table, tile or model is replaced by a report of it.
    pub(super) fn claim(&self, model: &Model, baseline: Option<&Model>) -> Result<Claims> {
        let mut claims = Claims::default();
        let of_tiles = ["scores-candidate.csv", "scores-baseline.csv"].iter().filter(|_| self.manifest.is_some());
        for name in REPORTS.iter().chain(of_tiles) {
            claims.output("--out's", &self.out.join(name))?;
        }
        let read = [
            ("--manifest", &self.manifest),
            ("--scores", &self.scores),
            ("--baseline-scores", &self.baseline_scores),
            ("--profile", &self.profile),
            ("--baseline-profile", &self.baseline_profile),
            ("--calibration", &self.calibration),
            ("--baseline-calibration", &self.baseline_calibration),
            ("--metadata", &self.scene.metadata),
        ];
        read.into_iter().try_for_each(|(flag, path)| path.iter().try_for_each(|path| claims.input(flag, path)))?;
        self.against.iter().try_for_each(|path| claims.input("--against", path))?;
        claims.model(&self.model, model, |_| true)?;
        if let (Some(name), Some(baseline)) = (&self.baseline, baseline) {
            claims.model(name, baseline, |_| true)?;
        }
        Ok(claims)
    }

    /// A report of an earlier run says nothing of this one, which may yet be refused.
    pub(super) fn remove_earlier(&self) -> Result<()> {
        for name in REPORTS {
            let path = self.out.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::output(error).context(path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Refuses what no tiles can mend, before models run over them for hours.
    pub(super) fn check(&self, model: &Model, baseline: Option<&Model>) -> Result<()> {
        if self.out.exists() && !self.out.is_dir() {
            return Err(Error::output(format!("--out {}: is no folder", self.out.display())));
        }
        if let Some(folder) = self.tiles.as_ref().filter(|folder| !folder.is_dir()) {
            return Err(Error::usage(format!("--tiles {}: is no folder", folder.display())));
        }
        let flags = [(
            "--baseline-scores",
            self.baseline_scores.is_some() && self.manifest.is_some(),
            "--manifest runs the models",
        )];
        let is_binary = model.manifest.head == Head::Binary;
        let profiles = self.profile.is_some() || self.baseline_profile.is_some() || self.calibration.is_some();
        let profiles =
            ("--profile, --baseline-profile and --calibration", profiles && !is_binary, "they are for two classes");
        if let Some((flag, _, why)) = flags.into_iter().chain([profiles]).find(|(_, is_wrong, _)| *is_wrong) {
            return Err(Error::usage(format!("{flag}: {why}; leave it out")));
        }
        let classes = &model.manifest.classes;
        let demands = |check: &dyn Fn(&Requirement) -> Result<()>| self.require.iter().try_for_each(check);
        match model.manifest.head {
            Head::Binary => {
                let baseline_profile = self.baseline_profile.as_deref();
                let contestants = [Some((model, self.profile.as_deref())), baseline.map(|it| (it, baseline_profile))];
                for (model, profile) in contestants.into_iter().flatten() {
                    if !decides_by_members(model, profile) {
                        self.profile_of(model, profile, self.tta(model))?;
                    }
                }
                demands(&|demand| demand.check_metric::<Evaluation>(baseline.is_some()))
            }
            Head::Multiclass => demands(&|demand| demand.check::<ClassEvaluation>(classes, baseline.is_some())),
            Head::Segmentation => demands(&|demand| demand.check::<MapEvaluation>(classes, baseline.is_some())),
        }
    }
}

/// Refuses two models that do not say the same with the same numbers.
pub(super) fn same_classes(model: &Model, baseline: &Model) -> Result<()> {
    let [one, other] = [model, baseline].map(|model| (model.manifest.head, Labels::of(&model.manifest.classes)));
    // The names of two classes are free: one of them is the positive one.
    if one.0 == other.0 && (one.0 == Head::Binary || one.1 == other.1) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "--baseline: {} has the classes {} ({:?}), {} has {} ({:?}): not the same task",
        model.manifest.name,
        one.1.classes().join(", "),
        one.0,
        baseline.manifest.name,
        other.1.classes().join(", "),
        other.0
    )))
}
