//! `dotctl completions`: the script for a shell.

use clap::CommandFactory;

use dotctl_engine::Result;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::Exit;
use crate::output::print;

pub fn run(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dotctl", &mut script);
    print(&script)?;
    Ok(Exit::Done)
}
