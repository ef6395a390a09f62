//! What can go wrong, and the one table that maps it to exit codes.

use std::fmt::Display;

/// The kind of an [`Error`]: who has to act, and which exit code the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line, a configuration or a side table is wrong.
    Usage,
    /// An input file contradicts its own format.
    Malformed,
    /// An input file is valid, but this program does not read its like.
    Unsupported,
    /// An input asks for more than a named limit allows.
    Limit,
    /// The operating system failed to read.
    Io,
    /// An engine, device or run-time library is missing or failed.
    Engine,
    /// The device ran out of memory: the only engine error that is retried, with a smaller batch.
    OutOfMemory,
    /// A model folder or threshold profile was refused.
    Refused,
    /// A result could not be written.
    Output,
    /// Whoever read the results on standard output has closed it: they have what they wanted.
    BrokenPipe,
    /// Another run holds the output's lock.
    Locked,
    /// A signal asked the run to stop; holds the signal's number.
    Interrupted(i32),
}

/// An error with its kind and a message that names the file or flag and, where there is one, the remedy.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {$(
        #[doc = concat!("An error of [`Kind::", stringify!($kind), "`].")]
        pub fn $name(message: impl Display) -> Self {
            Self::new(Kind::$kind, message)
        }
    )*};
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string() }
    }

    constructors! {
        usage => Usage, malformed => Malformed, unsupported => Unsupported, limit => Limit, io => Io,
        engine => Engine, out_of_memory => OutOfMemory, refused => Refused, output => Output, locked => Locked,
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The same error with `what` (usually a path) and a colon in front of its message.
    pub fn context(self, what: impl Display) -> Self {
        Self { kind: self.kind, message: format!("{what}: {}", self.message) }
    }

    /// The same error without the `what` that [`Self::context`] put in front, where something else names it already.
    pub fn without_context(self, what: impl Display) -> Self {
        let rest = self.message.strip_prefix(&format!("{what}: ")).map(str::to_owned);
        Self { message: rest.unwrap_or(self.message), ..self }
    }

    /// The same message under another kind: a model that is malformed is *refused*, for one.
    pub fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The exit code of a process that ends with this error; the table stands in the README as well.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Malformed | Kind::Unsupported | Kind::Limit | Kind::Io => 1,
            Kind::BrokenPipe => 0,
            Kind::Usage => 2,
            Kind::Engine | Kind::OutOfMemory => 3,
            Kind::Refused => 4,
            Kind::Output => 5,
            Kind::Locked => 75,
            Kind::Interrupted(signal) => 128 + signal as u8,
        }
    }
}
