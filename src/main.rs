//! Parse, run, exit code; nothing else.

mod cli;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    s2infer::infer::engine::forbid_telemetry();
    cli::main()
}
