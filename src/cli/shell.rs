//! Completions and the manual page, made from the command line's own definition.

use std::io::Write;

use clap_complete::Shell;
use s2infer::{Error, Kind, Result};

/// `s2infer completions SHELL`
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn run(&self, command: &mut clap::Command) -> Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "s2infer", &mut script);
        print(&script)
    }
}

/// Prints the manual page.
pub fn man(command: clap::Command) -> Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Error::output)?;
    print(&page)
}

/// Writes to standard output and succeeds.
pub fn print(text: &[u8]) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text).and_then(|()| out.flush());
    written.map(|()| 0).map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::BrokenPipe { Kind::BrokenPipe } else { Kind::Output };
        Error::new(kind, format!("standard output: {error}"))
    })
}
