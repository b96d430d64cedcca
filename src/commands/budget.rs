//! `dotctl budget`: what a project declares against its budgets.

mod baseline;
mod measure;
mod report;

use std::time::Instant;

use dotctl_engine::limits::LimitStatus;
use dotctl_engine::{Error, Result};

use super::elapsed_ms;
use crate::cli::{BudgetArgs, Format};
use crate::config::{self, Config, Refusal};
use crate::error::Exit;
use crate::open;
use crate::output::Output;
use crate::render;

pub use report::{BudgetReport, Growths, ObjectReport};

pub fn run(args: &BudgetArgs, output: &Output) -> Result<Exit> {
    let begun = Instant::now();
    let config = match Config::load(args.config.as_deref()) {
        Ok(Some(config)) => config,
        Ok(None) => return Err(config::missing()),
        Err(refusal) => {
            if let (Refusal::Problems(path, problems), Format::Github) = (&refusal, output.format) {
                crate::output::print(render::budget::problem_annotations(path, problems).as_bytes())?;
            }
            return Err(refusal.into());
        }
    };
    if config.objects.is_empty() {
        return Err(Error::malformed("it declares no object")
            .at(config.path.display().to_string())
            .hint("add [object.NAME] with [object.NAME.operator.NAME] below it, as docs/CI.md shows"));
    }
    let measured = measure::all(&config, output)?;
    let mut report = report::judge(&config, &measured);
    if let Some(baseline) = &args.baseline {
        let allowed = args.max_growth.or(config.budgets.growth_percent);
        let before = baseline::read(baseline, &args.store, &report)?;
        baseline::compare(&mut report, baseline, &before, allowed);
    }
    report.duration_ms = elapsed_ms(begun);
    match output.format {
        Format::Github => {
            if let Some(path) = open::step_summary() {
                open::append(&path, &render::budget::markdown(&report))?;
            }
            crate::output::print(render::budget::annotations(&report).as_bytes())?;
        }
        Format::Markdown => crate::output::print(render::budget::markdown(&report).as_bytes())?,
        _ => output.result(&report, || render::budget::show(&report, output.look))?,
    }
    Ok(if report.ok { Exit::Done } else { Exit::Found })
}

/// Whether a status is an excess.
fn is_over(status: LimitStatus) -> bool {
    status == LimitStatus::Exceeded
}
