//! From a failure to a sentence on stderr and an exit code.

use std::fmt::Display;
use std::io::Write;

use dotctl_engine::{Error, ErrorKind};
use serde_json::json;

use crate::cli::Format;
use crate::open::without_secrets;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; a check found nothing.
    Done,
    /// A check found something.
    Found,
    /// Wrong usage or malformed input.
    Usage,
    /// Could not finish.
    Failed,
    /// Stopped by the user.
    Interrupted,
}

impl Exit {
    /// The code that scripts see.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Found => 1,
            Exit::Usage => 2,
            Exit::Failed => 3,
            Exit::Interrupted => 130,
        }
    }

    /// The one table from kinds of failure to exit codes.
    pub fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Corrupt(_) => Exit::Found,
            ErrorKind::Malformed | ErrorKind::Unsupported => Exit::Usage,
            ErrorKind::Missing | ErrorKind::Exists | ErrorKind::Busy | ErrorKind::Sealed | ErrorKind::Io => {
                Exit::Failed
            }
            ErrorKind::Interrupted => Exit::Interrupted,
        }
    }
}

/// Tells the user of `error`.
pub fn report(format: Format, error: &Error) {
    report_parts(format, error.kind().name(), error, error.next_step());
}

/// Tells the user of a failure that has a kind, a message and maybe a next step.
pub fn report_parts(format: Format, kind: &str, message: impl Display, hint: Option<&str>) {
    match format {
        Format::Json => {
            let message = message.to_string();
            say(json!({"error": {"kind": kind, "message": message, "hint": hint}}));
        }
        _ => {
            say(format_args!("error: {message}"));
            if let Some(hint) = hint {
                say(format_args!("  hint: {hint}"));
            }
        }
    }
}

/// Prints a line to stderr, whole, but for secrets in addresses. Nobody is left to be told where that fails; the exit code still speaks.
pub fn say(line: impl Display) {
    let line = without_secrets(format!("{line}\n"));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
