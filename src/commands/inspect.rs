//! `dotctl inspect`: what is there and how near its limits.

use dotctl_engine::{Error, Result};

use crate::cli::InspectArgs;
use crate::error::Exit;
use crate::open::{self, Source};
use crate::output::Output;

pub fn run(args: &InspectArgs, output: &Output) -> Result<Exit> {
    match open::source(&args.target)? {
        Source::Database(path) => {
            let report = dotctl_stores::drive::inspect_database(&path, open::now()?.unix_ms())?;
            output.result(&report, || format!("{report:#?}"))?;
        }
        _ => return Err(Error::unsupported("not yet")),
    }
    Ok(Exit::Done)
}
