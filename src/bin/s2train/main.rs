//! `s2train`: from labelled patches to a model folder that `s2infer` runs.

mod prepare;
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Train a ResNet-18 on labelled patches and write a model folder for s2infer
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// Say more: every training step
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    PrepareEurosat(prepare::Arguments),
    Train(train::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.verbose { tracing::Level::DEBUG } else { tracing::Level::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr).init();
    let outcome = match arguments.command {
        Command::PrepareEurosat(arguments) => prepare::run(arguments),
        Command::Train(arguments) => train::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("s2train: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
