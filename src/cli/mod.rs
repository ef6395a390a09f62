//! The command line: one file per subcommand, each a clap struct and its resolution into a plan.

mod bench;
mod calibrate;
mod calibration;
mod claims;
mod clouds;
mod decode_jp2;
mod drift;
mod dry_run;
mod evaluate;
mod flags;
mod foreign;
mod inputs;
mod inspect;
mod logging;
mod new_folder;
mod predict;
mod prefilter;
mod quantize;
mod scoring;
mod seal;
mod shell;
mod simulate;
mod stac;
mod tables;
mod values;
mod watch;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use s2infer::output::signal;
use s2infer::raster::end_jp2_decoders;
use s2infer::{Error, Kind};

const EXAMPLES: &str = "\
Examples:
  s2infer tiles/*.tif --threshold-profile winter
  s2infer 'tiles/**/*.tif' --output sites.geojson --record run.json
  find new -name '*.tif' | s2infer --files-from - --metadata tiles.csv --format ndjson
  s2infer S2B_MSIL2A_20240615T101559_N0510_R065_T32UPU_20240615T134512.SAFE --output sites.geojson
  s2infer watch incoming --state state --output results --once
  s2infer tiles --model models/my-model --profile my-profile.json --tta d4
  s2infer inspect tiles/a.tif --format json
  s2infer scene.tif --model roads.onnx --model-bands B04,B03,B02 --model-scale 0-1:0.3 --model-level L2A --masks maps
  s2infer calibrate --scores scores.csv --target-recall 0.8 --confidence 0.9 --out profile.json
  s2infer evaluate --manifest tiles.csv --model models/new --baseline models/old --out report
  s2infer quantize construction --precision int8 --manifest tiles.csv --out models/construction-int8
  s2infer drift --reference construction --scores run.csv
  s2infer bench construction --engine ort,tract --from-memory
  s2infer simulate --profile small --out coasts

Exit codes:
  0 all done        1 some tiles failed        2 usage            3 nothing could run (engine, device)
  4 model or profile refused, or drift with --fail-on-drift     5 output failed     75 another run holds the lock     130/143 stopped";

/// Sentinel-2 tiles in, decisions at thresholds calibrated per season and sky out.
///
/// Every tile is decided at the threshold of its season and cloudiness, at which a stated share of the real
/// positives is caught. Rows go to standard output or --output in the order of the input; logs and the progress bar
/// go to standard error.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    predict: predict::Predict,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decide tiles: the same as giving tiles without a subcommand.
    Predict(Box<predict::Predict>),
    /// Show what a model or a tile is, and what a model would be fed.
    Inspect(inspect::Inspect),
    /// Make a model folder of another's ONNX file or STAC-MLM item.
    Seal(seal::Seal),
    /// Turn labelled scores into a threshold profile with a guarantee.
    Calibrate(Box<calibrate::Calibrate>),
    /// Measure a model, and compare it with another, on labelled tiles: a report with a verdict.
    Evaluate(Box<evaluate::Evaluate>),
    /// Put a model into 8 bits or half precision, with a profile of its own, if it loses no more than it may.
    Quantize(Box<quantize::Quantize>),
    /// Compare scores with a model's reference, make references, and follow audited labels.
    Drift(drift::Drift),
    /// Measure how fast models and engines run here, side by side.
    Bench(Box<bench::Bench>),
    /// Decide the new and changed scenes of a folder, once or for ever.
    Watch(Box<watch::Watch>),
    /// Write simulated tiles of coasts with and without construction.
    Simulate(simulate::Simulate),
    /// Print a completion script for a shell.
    Completions(shell::Completions),
    /// Print the manual page (roff).
    Man,
    /// Decode JPEG 2000 for another process of this program, on a socket that is standard input.
    #[command(name = s2infer::raster::DECODER_COMMAND, hide = true)]
    DecodeJp2,
}

/// Options that every subcommand takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Say less: errors only, no progress bar.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Form of the log on standard error.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: logging::LogFormat,
    /// Colours in logs and help.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: logging::Color,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        None if cli.predict.names_subcommand(&Cli::command()) => {
            Err(Error::usage("a subcommand comes first, before all flags; write ./NAME for a tile of that name"))
        }
        None if cli.predict.is_empty() => {
            Err(Error::usage("no tiles: give files, folders or quoted globs, or --files-from FILE; see --help"))
        }
        None => cli.predict.run(),
        Some(Command::Predict(predict)) => predict.run(),
        Some(Command::Inspect(inspect)) => inspect.run(),
        Some(Command::Seal(seal)) => seal.run(),
        Some(Command::Calibrate(calibrate)) => calibrate.run(),
        Some(Command::Evaluate(evaluate)) => evaluate.run(),
        Some(Command::Quantize(quantize)) => quantize.run(),
        Some(Command::Drift(drift)) => drift.run(),
        Some(Command::Bench(bench)) => bench.run(),
        Some(Command::Watch(watch)) => watch.run(),
        Some(Command::Simulate(simulate)) => simulate.run(),
        Some(Command::Completions(completions)) => completions.run(&mut Cli::command()),
        Some(Command::DecodeJp2) => decode_jp2::run(),
        Some(Command::Man) => shell::man(Cli::command()),
    };
    end_jp2_decoders();
    let code = match result {
        Ok(code) => code,
        // Whoever closed the pipe has seen enough.
        Err(error) if error.kind() == Kind::BrokenPipe => 0,
        Err(error) => {
            eprintln!("s2infer: {error}");
            error.exit_code()
        }
    };
    match signal::stop_requested() {
        // An engine may still be at work in another thread, and its library's clean-up must not race with it.
        Some(number) => signal_hook::low_level::exit(128 + number),
        None => ExitCode::from(code),
    }
}
