//! `s2train ensemble`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use s2infer::decide::Bounds;
use s2infer::labelled::{Labelled, Labels};
use s2infer::model::Manifest;
use s2infer::model::manifest::{self, Head, Padding, Tta};
use s2infer::train::card::Story;
use s2infer::train::ensemble::channels::Channels;
use s2infer::train::ensemble::folds::folds;
use s2infer::train::ensemble::outcome::{self, Trained};
use s2infer::train::ensemble::patches::Patches;
use s2infer::train::ensemble::task::Member;
use s2infer::train::ensemble::{self, Jitter};
use s2infer::train::fit::Machine;
use s2infer::train::network::{Architecture, Family, Pooling};
use s2infer::train::parameters::Parameters;
use s2infer::train::recipe::{Method, Recipe};
use s2infer::train::samples::Scaling;
use s2infer::train::{folder, pixels, table};
use s2infer::{Error, Kind, Result};
use tch::Tensor;

use super::machine::MachineArguments;
use super::model::{ModelArguments, Purpose, tta};
use super::schedule::{ScheduleArguments, check_shares};
use super::session::{Folders, Session};
use super::words::{command, in_words};

/// Windows with fewer valid pixels abstain.
const MINIMUM_VALID_SHARE: f64 = 0.5;
/// Members that an ensemble can have.
const MEMBERS_MAX: u64 = 99;

const EXAMPLES: &str = "\
The manifest of patches is a CSV with the columns path,label,site,split; paths are relative to it, label is 0 or 1. What is
of --split is divided into --folds by site; each member learns from all folds but its own, on which its threshold is the one
of highest F1 over all views. The last epoch is kept, so that the fold chooses nothing but that.

--channels names the network's channels by sensor, as JSON:
  {\"optical\": [{\"name\": \"B04\"}, {\"name\": \"B08\"},
               {\"name\": \"NDVI\", \"expression\": \"(B08 - B04) / (B08 + B04)\", \"unit\": \"1\"}],
   \"radar\": [{\"name\": \"VV_DESC\", \"unit\": \"dB\"}]}

Example:
  s2train ensemble --patches data/manifest.csv --channels channels.json --checkpoints data/checkpoints \\
    --out models/landslides --out-of-fold data/out-of-fold.csv";

/// Train several networks of two sensors, each without a part of the sites, and write them as one model folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
pub struct Ensemble {
    /// Manifest of the labelled patches
    #[arg(long, value_name = "CSV")]
    patches: PathBuf,
    /// Split of the patches that are learned from
    #[arg(long, value_name = "SPLIT", default_value = "train")]
    split: String,
    /// Table to write of the members' scores of their own folds
    #[arg(long, value_name = "CSV")]
    out_of_fold: Option<PathBuf>,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    method: MethodArguments,
    #[command(flatten)]
    machine: MachineArguments,
    #[command(flatten)]
    session: Session,
    #[command(flatten)]
    shape: ShapeArguments,
    #[command(flatten)]
    model: ModelArguments,
}

/// The recipe
#[derive(Debug, Args)]
#[command(next_help_heading = "The recipe")]
struct MethodArguments {
    #[command(flatten)]
    schedule: ScheduleArguments,
    /// Patches a step
    #[arg(long, value_name = "PATCHES", default_value_t = 32)]
    batch: usize,
    /// Parts that the sites are divided into
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..=MEMBERS_MAX))]
    folds: u64,
    /// Members to train and write, by the number of the fold that each does without [default: one a fold]
    #[arg(long, value_name = "1,2,…", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=MEMBERS_MAX))]
    members: Vec<u64>,
    /// Weight of a positive in the cross-entropy
    #[arg(long, value_name = "WEIGHT", default_value_t = 2.0)]
    positive_weight: f64,
    /// Share of a label that is spread over both classes
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    label_smoothing: f64,
    /// Do not turn and flip patches
    #[arg(long)]
    no_symmetries: bool,
    /// What happens to an optical channel: deviations of its gain, and of its offset in the channel's own deviations
    #[arg(long, value_name = "GAIN,OFFSET", default_value = "0.05,0.05", value_parser = jitter)]
    jitter: Jitter,
    /// Share of the patches that lose all channels of one sensor
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    sensor_dropout: f64,
}

/// The network and its classes
#[derive(Debug, Args)]
#[command(next_help_heading = "The model")]
struct ShapeArguments {
    /// The network's channels by sensor, as JSON
    #[arg(long, value_name = "JSON")]
    channels: PathBuf,
    /// What the network sees; one sensor alone is for comparison
    #[arg(long, value_enum, default_value = "both")]
    sensors: Sensors,
    /// Names of the negative and the positive class
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', default_value = "other,landslide")]
    classes: Vec<String>,
    /// Height and width of a patch in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    tile_px: u32,
    /// Channels after each encoder's stem; each of its two stages doubles them
    #[arg(long, value_name = "CHANNELS", default_value_t = 12)]
    width: usize,
    /// Test-time augmentation that the model asks for, and that thresholds are found with
    #[arg(long, value_name = "none|flips|d4", default_value = "d4", value_parser = tta)]
    tta: Tta,
    /// Share of the views that must be on the decision's side, or the window abstains
    #[arg(long, value_name = "SHARE", default_value_t = 0.75)]
    view_agreement: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sensors {
    Both,
    Optical,
    Radar,
}

fn jitter(text: &str) -> Result<Jitter, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some(&[gain, offset]) if [gain, offset].iter().all(|n| (0.0..1.0).contains(n)) => Ok(Jitter { gain, offset }),
        _ => Err("write two numbers from 0 to less than 1 as 0.05,0.05".into()),
    }
}

impl MethodArguments {
    /// The members, from 1.
    fn members(&self) -> Result<Vec<usize>> {
        if let Some(stranger) = self.members.iter().find(|&&member| member > self.folds) {
            return Err(Error::usage(format!("--members {stranger}: there are {} folds", self.folds)));
        }
        let all = (1..=self.folds).filter(|member| self.members.is_empty() || self.members.contains(member));
        Ok(all.map(|member| member as usize).collect())
    }

    fn recipe(&self, member: usize) -> Result<Recipe> {
        check_shares(&[("--label-smoothing", self.label_smoothing), ("--sensor-dropout", self.sensor_dropout)])?;
        if self.label_smoothing == 1.0 {
            return Err(Error::usage("--label-smoothing 1: all labels would be alike; give less than 1"));
        }
        if !(self.positive_weight.is_finite() && self.positive_weight > 0.0) {
            return Err(Error::usage(format!("--positive-weight {}: give a number above 0", self.positive_weight)));
        }
        let method = ensemble::Method {
            member,
            folds: self.folds as usize,
            positive_weight: self.positive_weight,
            label_smoothing: self.label_smoothing,
            symmetries: !self.no_symmetries,
            jitter: self.jitter,
            sensor_dropout: self.sensor_dropout,
        };
        let mut schedule = self.schedule.schedule(self.batch)?;
        // Members that begin alike would err alike.
        schedule.seed = schedule.seed * (MEMBERS_MAX + 1) + member as u64;
        Ok(Recipe { schedule, method: Method::Members(method) })
    }
}

impl ShapeArguments {
    fn channels(&self) -> Result<Channels> {
        let Channels { optical, radar } = Channels::read(&self.channels)?;
        let seen = match self.sensors {
            Sensors::Both => Channels { optical, radar },
            Sensors::Optical => Channels { optical, ..Channels::default() },
            Sensors::Radar => Channels { radar, ..Channels::default() },
        };
        match seen.count() {
            0 => Err(Error::usage(format!("{}: has no channel of these --sensors", self.channels.display()))),
            _ => Ok(seen),
        }
    }

    fn architecture(&self, channels: &Channels) -> Result<Architecture> {
        if self.width == 0 {
            return Err(Error::usage("--width 0: give at least 1"));
        }
        if self.classes.len() != 2 {
            return Err(Error::usage("--classes: give two, the negative one first"));
        }
        Ok(Architecture {
            family: Family::TwoBranch { first: channels.optical.len() },
            width: self.width,
            stem_stride: 2,
            pooling: Pooling::Gem,
            bands: channels.count(),
            outputs: 1,
        })
    }
}

/// What a training is made of.
struct Plan {
    manifest: Manifest,
    architecture: Architecture,
    machine: Machine,
    patches: Patches,
    scaling: Scaling,
    /// Fold of every patch, from 0.
    folds: Vec<usize>,
    /// Channels of the first branch.
    optical: usize,
}

impl Ensemble {
    pub fn run(&self) -> Result<()> {
        let members = self.method.members()?;
        let plan = self.plan()?;
        let mut trained = Vec::with_capacity(members.len());
        for member in members {
            trained.push(self.train(&plan, member)?);
        }
        if let Some(path) = &self.out_of_fold {
            table::write(path, &outcome::out_of_fold(&trained, &plan.patches))?;
        }
        self.write(&plan, &trained)
    }

    fn plan(&self) -> Result<Plan> {
        let machine = self.machine.machine()?;
        let name = self.folders.check()?;
        check_shares(&[("--view-agreement", self.shape.view_agreement)])?;
        self.method.recipe(1)?;
        let channels = self.shape.channels()?;
        let architecture = self.shape.architecture(&channels)?;
        let table = Labelled::read_manifest(&self.patches, &Labels::binary(), &Bounds::default())?;
        let table = table.filtered(|row| row.split.as_deref() == Some(&self.split));
        if table.rows.is_empty() {
            return Err(Error::usage(format!("{}: no patch of split `{}`", self.patches.display(), self.split)));
        }
        let purpose = Purpose {
            description: "Whether a patch shows what the positive patches show, by several networks of two sensors.",
            architecture,
            bands: channels.bands().map_err(|e| e.context(self.shape.channels.display()))?,
            classes: self.shape.classes.clone(),
            ignored_classes: Vec::new(),
            head: Head::Binary,
            tile_px: self.shape.tile_px,
            tta: self.shape.tta,
            minimum_valid_share: MINIMUM_VALID_SHARE,
            overlap_px: 0,
            padding: Padding::Refuse,
            places: &mut table.rows.iter().filter_map(|row| row.longitude_latitude),
        };
        let mut manifest = self.model.manifest(name, purpose);
        manifest.units = channels.units();
        // Now, not after hours of training.
        manifest.validate().map_err(|e| e.with_kind(Kind::Usage).context("the model as the flags describe it"))?;
        let patches = Patches::read(&table, &manifest)?;
        manifest.bands = pixels::with_statistics(&manifest.bands, |channel| patches.channel(channel))?;
        let sites: Vec<&str> = patches.sites.iter().map(String::as_str).collect();
        let folds = folds(&sites, &patches.positives, self.method.folds as usize, self.method.recipe(1)?.schedule.seed)
            .map_err(|e| e.context(self.patches.display()))?;
        let scaling = Scaling::of(&manifest);
        Ok(Plan { manifest, architecture, machine, patches, scaling, folds, optical: channels.optical.len() })
    }

    fn train(&self, plan: &Plan, member: usize) -> Result<Trained> {
        let recipe = self.method.recipe(member)?;
        let Method::Members(method) = &recipe.method else { return Err(Error::usage("no recipe of members")) };
        let deviations = plan.manifest.bands[..plan.optical].iter().map(|band| band.standard_deviation).collect();
        let of = (&plan.patches, &plan.scaling);
        let task = Member::new(of, &plan.folds, deviations, &recipe.schedule, method);
        let name = outcome::name(member);
        let what = (plan.architecture, &recipe, plan.machine);
        tracing::info!("{name}: {} patches held out", task.held_out().len());
        let fitted =
            self.session.run(&self.folders.checkpoints.join(&name), &plan.manifest, what, &task, |_| Ok(()))?;
        let trained = Trained::of((member, &task), fitted, of, plan.manifest.tta, plan.machine)?;
        tracing::info!("{name}: F1 {:.3} of its own fold at a score of {:.3}", trained.f1, trained.score_threshold());
        Ok(trained)
    }

    fn write(&self, plan: &Plan, trained: &[Trained]) -> Result<()> {
        let mut manifest = plan.manifest.clone();
        let member =
            |of: &Trained| manifest::Member { model: outcome::name(of.member), threshold: of.score_threshold() };
        manifest.members = trained.iter().map(member).collect();
        manifest.view_agreement_minimum = Some(self.shape.view_agreement);
        let parameters: Vec<&Parameters> = trained.iter().map(|of| &of.fitted.parameters).collect();
        manifest.about.total_parameters = Some(parameters.iter().map(|of| of.count() as u64).sum());
        let mut words = in_words(&plan.architecture, &self.method.recipe(1)?, plan.machine);
        words.retain(|(name, _)| name != "member" && name != "seed");
        for (name, value) in &words {
            manifest.about.hyperparameters.insert(name.clone(), value.clone().into());
        }
        let story = Story {
            about: self.model.about()?,
            command: command(),
            recipe: words,
            data: outcome::table(trained, &plan.patches),
            ..Story::default()
        };
        let written = folder::write(&self.folders.out, &manifest, &parameters, &plan.golden(), &story)?;
        tracing::info!("wrote {} ({}, {} members)", self.folders.out.display(), written.sha256, trained.len());
        Ok(())
    }
}

impl Plan {
    /// A positive and a negative, as the network sees them.
    fn golden(&self) -> Tensor {
        let first = |wanted| self.patches.positives.iter().position(|&positive| positive == wanted);
        let patches: Vec<usize> = [true, false].into_iter().filter_map(first).collect();
        let values: Vec<f32> = patches.iter().flat_map(|&patch| self.patches.input(patch, &self.scaling)).collect();
        let side = self.patches.side_px as i64;
        Tensor::from_slice(&values).view([-1, self.patches.channels as i64, side, side])
    }
}
