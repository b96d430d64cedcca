//! `dotctl`, the command line: words in, words out.

mod cli;
mod commands;
mod config;
mod duration;
mod error;
mod open;
mod output;
mod render;
mod size;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Format};
use error::{Exit, report, report_parts, say};
use output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(misused(&error).code()),
    };
    dotctl_stores::guarded::abort_elsewhere();
    dotctl_stores::memory::return_large_buffers();
    let interrupted = ctrlc::set_handler(stop);
    let output = Output::new(&cli.global, open::no_color(), open::speaks_utf8());
    if interrupted.is_err() {
        output.warn("an interruption cannot be caught; the exit code will be the signal's");
    }
    let exit = match commands::run(&cli.command, &output) {
        Ok(exit) => exit,
        Err(error) => {
            report(output.format, &error);
            Exit::of(error.kind())
        }
    };
    ExitCode::from(exit.code())
}

/// Lets the running job clean up after itself, but not for long: it may be waiting for input.
/// Stopping at any point is safe, the next run cleans up too.
fn stop() {
    dotctl_stores::interrupt::request();
    std::thread::sleep(std::time::Duration::from_secs(1));
    std::process::exit(Exit::Interrupted.code().into());
}

/// Help and versions are results, everything else that clap has to say is wrong usage.
fn misused(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A closed pipe is the reader's choice.
        let _ = error.print();
        return Exit::Done;
    }
    let words: Vec<String> = std::env::args().collect();
    let json = words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair == ["--format", "json"]);
    if json {
        let text = error.to_string();
        // The first paragraph says what is wrong; usage and tips follow.
        let words = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect::<Vec<_>>();
        let message = words.join(" ");
        report_parts(Format::Json, "usage", message.trim_start_matches("error: "), Some("dotctl --help"));
    } else {
        let text = error.to_string();
        // Without colours, where it repeats a secret.
        match open::without_secrets(text.clone()) == text {
            true => drop(error.print()),
            false => say(text.trim_end()),
        }
    }
    Exit::Usage
}
