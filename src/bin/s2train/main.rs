//! `s2train`: from labelled patches to a model folder that `s2infer` runs.

mod clean_masks;
mod ensemble;
mod ladder;
mod machine;
mod model;
mod patch_model;
mod prefilter;
mod prepare;
mod progress;
mod recipe;
mod render;
mod render_clouds;
mod report;
mod report_classes;
mod schedule;
mod segment;
mod session;
mod temperature;
mod tracking;
mod train;
mod watch;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
The way from patches to a measured model, which scripts/reproduce.sh goes:
  s2train prepare-eurosat --index eurosat-rgb-index.csv --out data/patches.csv
  s2train render --patches data/patches.csv --as-is train --split select --out data/training
  s2train train --patches data/training/tiles.csv --checkpoints data/checkpoints --out models/construction
  s2train render --patches data/patches.csv --split calibration --out data/calibration
  s2infer data/calibration --model models/construction --threshold 0.5 --output data/calibration.csv
  s2train scores …; s2infer calibrate …; s2infer evaluate …";

/// Train a network on labelled patches and write a model folder for s2infer
#[derive(Debug, Parser)]
#[command(name = "s2train", version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    /// Say more: the loss of every training step
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    PrepareEurosat(prepare::Arguments),
    Train(train::Train),
    Segment(segment::Segment),
    Ensemble(ensemble::Ensemble),
    Statistics(prefilter::Statistics),
    Gate(prefilter::Gate),
    Export(train::Export),
    Render(render::Arguments),
    RenderClouds(render_clouds::Arguments),
    CleanMasks(clean_masks::Arguments),
    Scores(report::Scores),
    Temperature(temperature::Temperature),
    Report(report::Report),
    ReportClasses(report_classes::ReportClasses),
    Ladder(ladder::Ladder),
}

/// Keeps freed memory: activations of tens of megabytes come and go with every step, and glibc would give each back to
/// the system and have it zeroed again, which took a seventh of a training's time.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn keep_freed_memory() {
    // SAFETY: called before any thread is started; the values only move glibc's own limits.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 256 << 20);
    }
}

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    keep_freed_memory();
    s2infer::infer::engine::forbid_telemetry();
    let arguments = Arguments::parse();
    let level = if arguments.verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .init();
    let outcome = match arguments.command {
        Command::PrepareEurosat(arguments) => prepare::run(&arguments),
        Command::Train(arguments) => arguments.run(),
        Command::Segment(arguments) => arguments.run(),
        Command::Ensemble(arguments) => arguments.run(),
        Command::Statistics(arguments) => arguments.run(),
        Command::Gate(arguments) => arguments.run(),
        Command::Export(arguments) => arguments.run(),
        Command::Render(arguments) => render::run(&arguments),
        Command::RenderClouds(arguments) => render_clouds::run(&arguments),
        Command::CleanMasks(arguments) => clean_masks::run(&arguments),
        Command::Scores(arguments) => arguments.run(),
        Command::Temperature(arguments) => arguments.run(),
        Command::Report(arguments) => arguments.run(),
        Command::ReportClasses(arguments) => arguments.run(),
        Command::Ladder(arguments) => arguments.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("s2train: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
