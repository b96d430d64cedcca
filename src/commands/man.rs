//! `dotctl man`: manual pages in roff.

use clap::CommandFactory;

use dotctl_engine::{Error, ErrorKind, Result};

use crate::cli::{Cli, ManArgs};
use crate::error::Exit;
use crate::output::print;

pub fn run(args: &ManArgs) -> Result<Exit> {
    let mut root = Cli::command();
    root.build();
    let page = match &args.command {
        None => root,
        Some(name) => {
            let unknown = || {
                Error::malformed(format!("there is no command `{name}`"))
                    .hint("`dotctl --help` lists the commands")
            };
            let command = root.find_subcommand(name).ok_or_else(unknown)?.clone();
            command.name(format!("dotctl-{name}"))
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut roff)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot write the manual page: {error}")))?;
    print(&roff)?;
    Ok(Exit::Done)
}
