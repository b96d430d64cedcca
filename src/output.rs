//! Where words go: the result to stdout, conversation to stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use dotctl_engine::{Error, ErrorKind, Result};

use crate::cli::{Format, Global, When};
use crate::error::say;
use crate::render::Look;

/// How this run talks.
pub struct Output {
    pub format: Format,
    pub quiet: bool,
    pub progress: bool,
    pub verbose: bool,
    pub look: Look,
}

impl Output {
    pub fn new(global: &Global, no_color: bool, unicode: bool) -> Self {
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => !no_color && io::stdout().is_terminal(),
        };
        Output {
            format: global.format,
            quiet: global.quiet,
            progress: !global.no_progress && !global.quiet && io::stderr().is_terminal(),
            verbose: global.verbose > 0 && !global.quiet,
            look: Look { color, unicode },
        }
    }

    /// Prints the result: `document` as one JSON object, or what `human` makes for people.
    pub fn result(&self, document: &impl Serialize, human: impl FnOnce() -> String) -> Result<()> {
        let mut text = match self.format {
            Format::Json => serde_json::to_string(document)
                .map_err(|error| Error::malformed(format!("the result is not JSON: {error}")))?,
            _ => human(),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        print(text.as_bytes())
    }

    /// Says something that matters and is no failure.
    pub fn warn(&self, message: &str) {
        if !self.quiet {
            say(format_args!("warning: {message}"));
        }
    }

    /// Says what is being done, to those who asked.
    pub fn explain(&self, message: impl FnOnce() -> String) {
        if self.verbose {
            say(message());
        }
    }
}

/// Writes to stdout. A reader that went away is no failure of ours.
pub fn print(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Io, format!("cannot write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}
