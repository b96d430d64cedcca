//! A budget check, for people, for a workflow and for a pull request.

use std::path::Path;

use dotctl_engine::budget::{BudgetFinding, Growth};
use dotctl_engine::limits::LimitStatus;

use super::entries::counted;
use super::estimate::{amount, measure, painted, status};
use super::look::{Look, Tone};
use super::name::escape;
use super::table::{Align, fitted};
use crate::commands::{BudgetReport, Growths, ObjectReport};
use crate::config::Problem;
use crate::size::{show_count, show_size};

/// One row of the table: something that has a budget.
struct Row<'a> {
    name: String,
    budget: String,
    line: usize,
    column: usize,
    finding: &'a BudgetFinding,
    growth: Option<&'a Growth>,
}

fn rows(report: &BudgetReport) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    for object in &report.objects {
        for operator in &object.operators {
            rows.extend(operator.findings.iter().map(|finding| Row {
                name: format!("{}.{}", object.name, operator.name),
                budget: operator.kind.clone(),
                line: operator.line,
                column: operator.column,
                finding,
                growth: growth_of(operator.growth.as_ref(), finding),
            }));
        }
        rows.extend(object.findings.iter().map(|finding| Row {
            name: object.name.clone(),
            budget: object.configuration.clone().unwrap_or_default(),
            line: object.line,
            column: object.column,
            finding,
            growth: growth_of(object.growth.as_ref(), finding),
        }));
    }
    rows
}

fn growth_of<'a>(growths: Option<&'a Growths>, finding: &BudgetFinding) -> Option<&'a Growth> {
    let growths = growths?;
    Some(match measure(finding.measure) {
        "raw" => &growths.raw_bytes,
        "compressed" => &growths.compressed_bytes,
        _ => &growths.count,
    })
}

/// How much something grew, in a word or two.
fn grown(growth: Option<&Growth>) -> String {
    match growth {
        None => "new".to_owned(),
        Some(Growth { before: 0, now: 0, .. }) => "same".to_owned(),
        Some(Growth { percent: None, .. }) => "new".to_owned(),
        Some(Growth { percent: Some(percent), is_excess, .. }) => {
            let mark = if *is_excess { " !" } else { "" };
            if *percent == 0.0 { "same".to_owned() } else { format!("{percent:+.1} %{mark}") }
        }
    }
}

fn is_bad(row: &Row<'_>) -> bool {
    row.finding.status == LimitStatus::Exceeded || row.growth.is_some_and(|growth| growth.is_excess)
}

/// The table for a terminal, and a sentence.
pub fn show(report: &BudgetReport, look: Look) -> String {
    let rows = rows(report);
    let has_baseline = report.baseline.is_some();
    let mut columns = vec![("OPERATOR", Align::Left)];
    // The line is full with what grew.
    if !has_baseline {
        columns.push(("BUDGET OF", Align::Left));
    }
    columns.extend([
        ("MEASURE", Align::Left),
        ("ACTUAL", Align::Right),
        ("BUDGET", Align::Right),
        ("USED", Align::Right),
        ("STATUS", Align::Left),
    ]);
    if has_baseline {
        columns.push(("GREW", Align::Right));
    }
    let cells = rows.iter().map(|row| {
        let finding = row.finding;
        let mut cells = vec![escape(&row.name)];
        if !has_baseline {
            cells.push(escape(&row.budget));
        }
        cells.extend([
            measure(finding.measure).to_owned(),
            amount(finding, finding.actual()),
            amount(finding, finding.budget()),
            format!("{} %", finding.used_percent),
            status(finding.status).to_owned(),
        ]);
        if has_baseline {
            cells.push(grown(row.growth));
        }
        cells
    });
    let table = fitted(&columns, cells.collect(), 0);
    let mut text = String::new();
    for (line, shown) in table.lines().enumerate() {
        let row = line.checked_sub(1).and_then(|row| rows.get(row));
        let tone = match row {
            Some(row) if is_bad(row) => LimitStatus::Exceeded,
            Some(row) => row.finding.status,
            None => LimitStatus::Ok,
        };
        text += &painted(look, tone, shown);
        text.push('\n');
    }
    for object in report.objects.iter().filter(|object| object.configuration.is_none()) {
        text += &format!(
            "{}: {}; no `configuration`, so no budget of its own\n",
            escape(&object.name),
            sums(object)
        );
    }
    let verdict = verdict(report);
    text + "\n" + &if report.ok { verdict } else { look.paint(Tone::Alarm, &verdict) } + "\n"
}

/// What an object's operators come to, and how much that grew where no row of the table tells.
fn sums(object: &ObjectReport) -> String {
    let growth = object.growth.as_ref().filter(|_| object.findings.is_empty());
    let since = |of: fn(&Growths) -> &Growth| {
        growth.map(|growths| format!(" ({})", grown(Some(of(growths))))).unwrap_or_default()
    };
    format!(
        "{}{}, raw {}{}, compressed {}{}",
        counted(object.operator_count, "operator"),
        since(|growths| &growths.count),
        show_size(object.raw_bytes),
        since(|growths| &growths.raw_bytes),
        show_size(object.compressed_bytes),
        since(|growths| &growths.compressed_bytes)
    )
}

/// What came out, in a sentence.
fn verdict(report: &BudgetReport) -> String {
    let mut parts = Vec::new();
    if report.exceeded_count > 0 {
        parts.push(format!("{} over budget", report.exceeded_count));
    }
    if report.growth_excess_count > 0 {
        let allowed = report.growth_percent_max.unwrap_or(0.0);
        parts.push(format!("{} grew by more than {allowed} %", report.growth_excess_count));
    }
    if report.near_count > 0 {
        parts.push(format!("{} near their budgets", report.near_count));
    }
    match parts.is_empty() {
        true => "all within budget".to_owned(),
        false => parts.join(", "),
    }
}

/// The comment for a pull request, which is also the summary of a workflow's step.
pub fn markdown(report: &BudgetReport) -> String {
    let sign = match (report.ok, report.near_count) {
        (false, _) => "❌",
        (true, 0) => "✅",
        (true, _) => "⚠️",
    };
    let mut text = format!("### {sign} Checkpoint budget: {}\n\n", verdict(report));
    let grew = report.baseline.is_some();
    text += "| | Operator | Budget of | Measure | Actual | Budget | Used |";
    text += if grew { " Grew |\n" } else { "\n" };
    text += "|---|---|---|---|---:|---:|---:|";
    text += if grew { "---:|\n" } else { "\n" };
    for row in rows(report) {
        let finding = row.finding;
        let mark = match (is_bad(&row), finding.status) {
            (true, _) => "❌",
            (false, LimitStatus::Ok) => "✅",
            (false, _) => "⚠️",
        };
        text += &format!(
            "| {mark} | {} | {} | {} | {} | {} | {} % |",
            cell(&row.name),
            cell(&row.budget),
            measure(finding.measure),
            amount(finding, finding.actual()),
            amount(finding, finding.budget()),
            finding.used_percent
        );
        if grew {
            text += &format!(" {} |", grown(row.growth));
        }
        text.push('\n');
    }
    text.push('\n');
    for object in &report.objects {
        text += &format!("**{}**: {}\n", cell(&object.name), sums(object));
    }
    if let Some(baseline) = &report.baseline {
        text += &format!("\nCompared with {}.\n", code(baseline));
    }
    text
}

/// Text that cannot end its cell or begin markup.
fn cell(text: &str) -> String {
    let mut shown = String::new();
    for letter in escape(text).chars() {
        if matches!(letter, '|' | '*' | '_' | '`' | '<' | '[' | ']' | '\\' | '@') {
            shown.push('\\');
        }
        shown.push(letter);
    }
    shown
}

/// Text as code.
fn code(text: &str) -> String {
    format!("`{}`", escape(text).replace('`', "'"))
}

/// A workflow's annotations: a command a line, each on the line of the configuration at fault.
pub fn annotations(report: &BudgetReport) -> String {
    let mut text = String::new();
    for row in rows(report) {
        let finding = row.finding;
        let word = measure(finding.measure);
        let (actual, budget) = (amount(finding, finding.actual()), amount(finding, finding.budget()));
        let of = format!("{}: {word} {actual} of {budget} that {} may have", row.name, row.budget);
        let said = match finding.status {
            LimitStatus::Exceeded => {
                Some(("error", "over budget", format!("{of}, {} %", finding.used_percent)))
            }
            LimitStatus::Warn => {
                Some(("warning", "near its budget", format!("{of}, {} %", finding.used_percent)))
            }
            LimitStatus::Ok => None,
        };
        if let Some((level, title, message)) = said {
            text += &command(level, &report.config, (row.line, row.column), title, &message);
        }
        if let Some(growth) = row.growth.filter(|growth| growth.is_excess) {
            let before = amount(finding, growth.before);
            text += &grew(
                report,
                &row.name,
                (row.line, row.column),
                &format!("{word} grew from {before} to {actual}"),
            );
        }
    }
    // What has no budget has no row, and may grow all the same.
    for object in report.objects.iter().filter(|object| object.findings.is_empty()) {
        let growths = object.growth.iter().flat_map(Growths::each).filter(|(_, growth)| growth.is_excess);
        for (word, growth) in growths {
            let (word, show): (_, fn(u64) -> String) = match word {
                "count" => ("operators", show_count),
                word => (word, show_size),
            };
            let message = format!("{word} grew from {} to {}", show(growth.before), show(growth.now));
            text += &grew(report, &object.name, (object.line, object.column), &message);
        }
    }
    let summary = format!(
        "{}; {} in {}",
        verdict(report),
        counted(report.objects.iter().map(|object| object.operator_count).sum(), "operator"),
        counted(report.objects.len() as u64, "object")
    );
    // Without a place it is a line of the log and no annotation of a file.
    text + &format!("dotctl budget: {}\n", data(&summary))
}

/// The annotation of what grew by more than it may.
fn grew(report: &BudgetReport, name: &str, spot: (usize, usize), what: &str) -> String {
    let allowed = report.growth_percent_max.unwrap_or(0.0);
    let message = format!("{name}: {what}, {allowed} % or less is allowed");
    command("error", &report.config, spot, "grew too much", &message)
}

/// Annotations for a configuration that cannot be read.
pub fn problem_annotations(path: &Path, problems: &[Problem]) -> String {
    let file = path.display().to_string();
    let one = |problem: &Problem| {
        let spot = (problem.spot.line, problem.spot.column);
        command("error", &file, spot, "configuration", &problem.message)
    };
    problems.iter().map(one).collect()
}

/// A workflow command (GitHub's "Workflow commands for GitHub Actions").
fn command(level: &str, file: &str, (line, column): (usize, usize), title: &str, message: &str) -> String {
    format!(
        "::{level} file={},line={line},col={column},title={}::{}\n",
        property(file.strip_prefix("./").unwrap_or(file)),
        property(title),
        data(message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_ends_no_command() {
        let text = command("error", "a,b:c.toml", (3, 1), "100 %", "one\ntwo, 5 %");
        assert_eq!(text, "::error file=a%2Cb%3Ac.toml,line=3,col=1,title=100 %25::one%0Atwo, 5 %25\n");
        assert_eq!(cell("a|b`c"), "a\\|b\\`c");
    }
}
