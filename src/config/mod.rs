//! `dotctl.toml`: what a project says about its checkpoints, its budgets and its plans. `docs/CI.md`
//! shows one.

mod budget;
mod document;
mod placement;
mod plan;
mod snapshot;

use std::path::{Path, PathBuf};

use dotctl_engine::checkpoint::ChainPolicy;
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::{Error, ErrorKind, Result};

use crate::cli::PlacementRule;

pub use budget::{Budgets, Measured, ObjectDeclaration, OperatorDeclaration};
pub use document::{Problem, Spot, suggestion};
use document::{Reporter, Section, failure, read_document, read_text};
pub use plan::PlanDeclaration;

/// Where the file is if nobody names another.
pub const DEFAULT_PATH: &str = "dotctl.toml";

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file itself.
    pub path: PathBuf,
    /// What decides where checkpoints go.
    pub placement: PlacementPolicy,
    /// What operators and objects may have.
    pub budgets: Budgets,
    /// What they have.
    pub objects: Vec<ObjectDeclaration>,
    /// What is to be planned.
    pub plan: PlanDeclaration,
}

/// Why a file is no configuration.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be read.
    Unread(Error),
    /// It says what it may not say.
    Problems(PathBuf, Vec<Problem>),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Unread(error) => error,
            Refusal::Problems(path, problems) => failure(&path, &problems),
        }
    }
}

impl Config {
    /// The file at `path`, or `./dotctl.toml`; `None` where nobody named a file and there is none.
    ///
    /// # Errors
    /// All problems of the file at once.
    pub fn load(path: Option<&Path>) -> std::result::Result<Option<Config>, Refusal> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let Some(text) = read_text(file, path.is_some()).map_err(Refusal::Unread)? else {
            return Ok(None);
        };
        match Config::parse(file, &text) {
            Ok(config) => Ok(Some(config)),
            Err(problems) => Err(Refusal::Problems(file.to_owned(), problems)),
        }
    }

    fn parse(path: &Path, text: &str) -> std::result::Result<Config, Vec<Problem>> {
        read_document(text, |root| {
            let budgets = Budgets::read(&root.section("budget"));
            // Only `snapshot` needs its numbers; that they are wrong is told by all.
            snapshot::read(&root.section("snapshot"));
            Config {
                path: path.to_owned(),
                placement: placement::read(&root.section("placement"), None),
                objects: budget::read_objects(root, &budgets),
                budgets,
                plan: PlanDeclaration::read(&root.section("plan")),
            }
        })
    }

    /// What a path in the file means: beside the file.
    pub fn resolve(&self, path: &str) -> PathBuf {
        match self.path.parent() {
            Some(folder) if path != "-" => folder.join(path),
            _ => PathBuf::from(path),
        }
    }
}

/// The failure of a command that needs a configuration and found none.
pub fn missing() -> Error {
    Error::new(ErrorKind::Missing, format!("there is no {DEFAULT_PATH} here"))
        .hint("write one as docs/CI.md shows, or name it with --config FILE")
}

/// The second store, if one is named, with the policy that decides what goes there.
pub fn overflow<'s>(
    store: Option<&'s str>,
    path: Option<&Path>,
    rule: Option<PlacementRule>,
) -> Result<Option<(&'s str, PlacementPolicy)>> {
    store.map(|store| Ok((store, placement(path, rule)?))).transpose()
}

/// The policy that decides where checkpoints go: `rule` if it is given, else that of the file at
/// `path`, else the budget's; with the file's numbers in place of the rule's own.
fn placement(path: Option<&Path>, rule: Option<PlacementRule>) -> Result<PlacementPolicy> {
    table(path, "placement", |section| placement::read(section, rule))
}

/// How far a chain may grow: what is given, else what the file at `path` says, else the default.
///
/// # Errors
/// All problems of the file's table `snapshot`.
pub fn chain(path: Option<&Path>, share: Option<f64>, runs: Option<u8>) -> Result<ChainPolicy> {
    let policy = table(path, "snapshot", snapshot::read)?;
    Ok(ChainPolicy {
        delta_millionths_max: share.map_or(policy.delta_millionths_max, snapshot::millionths),
        delta_runs_max: runs.map_or(policy.delta_runs_max, usize::from),
    })
}

/// What `read` makes of one table of the file at `path`, or of `./dotctl.toml`; the others do not count.
fn table<T>(path: Option<&Path>, name: &'static str, read: impl FnOnce(&Section<'_, '_>) -> T) -> Result<T> {
    let file = path.unwrap_or(Path::new(DEFAULT_PATH));
    let text = read_text(file, path.is_some())?.unwrap_or_default();
    let reporter = Reporter::new(&text);
    let document = reporter.parse();
    let root = Section::new(&reporter, document.get_ref(), Spot { line: 1, column: 1 });
    let value = read(&root.section(name));
    drop(root);
    drop(document);
    match reporter.into_problems() {
        problems if problems.is_empty() => Ok(value),
        problems => Err(failure(file, &problems)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn policy(text: &str, rule: Option<PlacementRule>) -> Result<PlacementPolicy> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dotctl.toml");
        std::fs::write(&path, text).unwrap();
        placement(Some(&path), rule)
    }

    #[test]
    fn numbers_take_the_place_of_the_rules_own() {
        assert_eq!(policy("", None).unwrap(), PlacementPolicy::BUDGET);
        assert_eq!(policy("[budget]\nx = 1\n", None).unwrap(), PlacementPolicy::BUDGET);
        assert_eq!(policy("[placement]\nrule = \"hybrid\"\n", None).unwrap(), PlacementPolicy::HYBRID);
        let own = policy(
            "[placement]\noverflow_raw_bytes = \"10MB\"\nrow_bytes_end = 4_096\n",
            Some(PlacementRule::Budget),
        );
        let expected = PlacementPolicy {
            overflow_raw_bytes: 10_000_000,
            row_bytes_end: 4096,
            ..PlacementPolicy::BUDGET
        };
        assert_eq!(own.unwrap(), expected);
    }

    #[test]
    fn chains_grow_as_flags_say_else_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dotctl.toml");
        std::fs::write(&path, "[snapshot]\ncompact_share = 0.25\ncompact_runs = 4\n[budget]\nx = 1\n")
            .unwrap();
        let chain = |share, runs| {
            let policy = chain(Some(&path), share, runs).unwrap();
            (policy.delta_millionths_max, policy.delta_runs_max)
        };
        assert_eq!(chain(None, None), (250_000, 4));
        assert_eq!(chain(Some(2.0), None), (2_000_000, 4));
        assert_eq!(chain(None, Some(16)), (250_000, 16));
        for (text, problem) in [
            (
                "[snapshot]\ncompact_runs = 17\n",
                "line 2, column 16: `compact_runs` is to be a number from 1 to 16, it is 17",
            ),
            (
                "[snapshot]\ncompact_runs = 0\n",
                "line 2, column 16: `compact_runs` is to be a number from 1 to 16, it is 0",
            ),
            (
                "[snapshot]\ncompact_share = -1\n",
                "line 2, column 17: `compact_share` is to be a number of 0 or more, it is -1",
            ),
            (
                "[snapshot]\n\n  compact_shares = 1\n",
                "line 3, column 3: there is no `compact_shares` here; did you mean `compact_share`?",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = super::chain(Some(&path), None, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.to_string().contains(problem), "{error}");
            assert!(Config::parse(&path, text).is_err());
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for text in ["[placement]\nrow_bytes = 1\n", "[placement]\nwarn_bytes = \"much\"\n", "[placement\n"] {
            let error = policy(text, None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.to_string().contains("line "), "{error}");
        }
        assert!(placement(Some(Path::new("/nothing/here.toml")), None).is_err());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text = "\
[placement]
rule = \"hybird\"
[budget]
near_precent = 80
[budget.operator.counters]
raw_bytes = \"10 megs\"
[object.Counter]
configuration = \"lite\"
[object.Counter.operator.clicks]
kind = \"counter\"
entries = -1
key_bytes = 12
value_bytes = 50
[plann]
[plan]
active_percent = 200
pack_bytes = 0
";
        let problems = Config::parse(Path::new("dotctl.toml"), text).unwrap_err();
        let told: Vec<_> = problems
            .iter()
            .map(|problem| (problem.spot.line, problem.spot.column, problem.message.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (2, 8, "`rule` cannot be \"hybird\"; did you mean `hybrid`?"),
                (4, 1, "there is no `near_precent` here; did you mean `near_percent`?"),
                (6, 13, "`raw_bytes` is to be a size such as 4096, \"1MiB\" or \"10MB\", it is \"10 megs\""),
                (8, 17, "`configuration` cannot be \"lite\"; there is heavy, light, standard"),
                (10, 8, "`kind` cannot be \"counter\"; did you mean `counters`?"),
                (11, 11, "`entries` is to be a whole number of 0 or more, it is -1"),
                (14, 2, "there is no `plann` here; did you mean `plan`?"),
                (16, 18, "`active_percent` is to be a number from 0 to 100, it is 200"),
                (17, 14, "`pack_bytes` is to be more than 0"),
            ]
        );
        let error = failure(Path::new("dotctl.toml"), &problems);
        assert_eq!(error.to_string().lines().count(), 10, "{error}");
    }

    #[test]
    fn columns_are_characters() {
        let problems = Config::parse(Path::new("x"), "plan = { \"ö\" = 1, ä = 2 }").unwrap_err();
        assert!(problems.iter().any(|problem| problem.spot == Spot { line: 1, column: 10 }), "{problems:?}");
    }
}
