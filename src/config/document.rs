//! A TOML document that is read to its end whatever is wrong in it: every problem is noted with its
//! place, and told at once.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use dotctl_engine::{Error, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::size::parse_size;

/// Where something stands: line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Spot {
    pub line: usize,
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub spot: Spot,
    pub message: String,
}

/// A value and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Located<T> {
    pub value: T,
    pub spot: Spot,
}

/// Notes problems while a document is read.
pub struct Reporter<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Reporter<'t> {
    pub fn new(text: &'t str) -> Self {
        Reporter { text, problems: RefCell::default() }
    }

    /// The document's table; what is no TOML is noted and passed over.
    pub fn parse(&self) -> Spanned<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.note(error.span().unwrap_or_default(), error.message().to_owned());
        }
        table
    }

    pub fn spot(&self, span: &Range<usize>) -> Spot {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Spot { line: before.matches('\n').count() + 1, column }
    }

    pub fn note(&self, span: Range<usize>, message: impl Into<String>) {
        self.note_at(self.spot(&span), message);
    }

    pub fn note_at(&self, spot: Spot, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem { spot, message: message.into() });
    }

    /// The problems, in the order of the document.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.spot);
        problems
    }
}

/// All problems of the file at `path` as one failure.
pub fn failure(path: &Path, problems: &[Problem]) -> Error {
    let name = path.display();
    let place =
        |problem: &Problem| format!("{name}, line {}, column {}", problem.spot.line, problem.spot.column);
    let error = match problems {
        [only] => Error::malformed(only.message.clone()).at(place(only)),
        all => {
            let lines: String =
                all.iter().map(|problem| format!("\n  {}: {}", place(problem), problem.message)).collect();
            Error::malformed(format!("{name} has {} problems:{lines}", all.len()))
        }
    };
    error.hint("docs/CI.md tells what dotctl.toml may say")
}

/// A table of the document. Names that nobody asked for are problems.
pub struct Section<'d, 't> {
    reporter: &'d Reporter<'t>,
    table: Option<&'d DeTable<'t>>,
    /// Where its name stands.
    spot: Spot,
    known: RefCell<Vec<&'static str>>,
}

impl<'d, 't> Section<'d, 't> {
    pub fn new(reporter: &'d Reporter<'t>, table: &'d DeTable<'t>, spot: Spot) -> Self {
        Section { reporter, table: Some(table), spot, known: RefCell::default() }
    }

    /// Where the section's name stands.
    pub fn spot(&self) -> Spot {
        self.spot
    }

    /// Whether the section is in the document at all.
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }

    pub fn note(&self, message: impl Into<String>) {
        self.reporter.note_at(self.spot, message);
    }

    pub fn note_at(&self, spot: Spot, message: impl Into<String>) {
        self.reporter.note_at(spot, message);
    }

    /// Whether the section says anything under this name, right or wrong.
    pub fn says(&self, name: &str) -> bool {
        self.table.is_some_and(|table| table.keys().any(|key| key.get_ref() == name))
    }

    fn find(&self, name: &'static str) -> Option<(&'d Spanned<DeValue<'t>>, Spot)> {
        self.known.borrow_mut().push(name);
        let (_, value) = self.table?.iter().find(|(key, _)| key.get_ref() == name)?;
        Some((value, self.reporter.spot(&value.span())))
    }

    fn wrong<T>(&self, spot: Spot, name: &str, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        let found = match found {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            other => format!("of type {}", other.type_str()),
        };
        self.reporter.note_at(spot, format!("`{name}` is to be {wanted}, it is {found}"));
        None
    }

    /// A size: a number of bytes, or text with a unit.
    pub fn size(&self, name: &'static str) -> Option<Located<u64>> {
        let (value, spot) = self.find(name)?;
        let wanted = "a size such as 4096, \"1MiB\" or \"10MB\"";
        let parsed = match value.get_ref() {
            DeValue::Integer(_) => whole(value.get_ref()),
            DeValue::String(text) => parse_size(text).ok(),
            _ => None,
        };
        match parsed {
            Some(value) => Some(Located { value, spot }),
            None => self.wrong(spot, name, wanted, value.get_ref()),
        }
    }

    /// A size of a byte or more.
    pub fn size_above_0(&self, name: &'static str) -> Option<Located<u64>> {
        self.size(name).filter(|size| {
            if size.value == 0 {
                self.reporter.note_at(size.spot, format!("`{name}` is to be more than 0"));
            }
            size.value > 0
        })
    }

    /// A number from 0 to 100.
    pub fn percent(&self, name: &'static str) -> Option<Located<f64>> {
        self.number(name).filter(|percent| {
            if percent.value > 100.0 {
                let message = format!("`{name}` is to be a number from 0 to 100, it is {}", percent.value);
                self.reporter.note_at(percent.spot, message);
            }
            percent.value <= 100.0
        })
    }

    /// A whole number of 0 or more.
    pub fn count(&self, name: &'static str) -> Option<Located<u64>> {
        let (value, spot) = self.find(name)?;
        match whole(value.get_ref()) {
            Some(value) => Some(Located { value, spot }),
            None => self.wrong(spot, name, "a whole number of 0 or more", value.get_ref()),
        }
    }

    /// A number of 0 or more.
    pub fn number(&self, name: &'static str) -> Option<Located<f64>> {
        let (value, spot) = self.find(name)?;
        let number = match value.get_ref() {
            DeValue::Integer(_) => whole(value.get_ref()).map(|number| number as f64),
            DeValue::Float(number) => number.as_str().replace('_', "").parse().ok(),
            _ => None,
        };
        match number.filter(|number: &f64| number.is_finite() && *number >= 0.0) {
            Some(value) => Some(Located { value, spot }),
            None => self.wrong(spot, name, "a number of 0 or more", value.get_ref()),
        }
    }

    /// Text.
    pub fn text(&self, name: &'static str) -> Option<Located<&'d str>> {
        let (value, spot) = self.find(name)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Located { value: text.as_ref(), spot }),
            other => self.wrong(spot, name, "text in quotes", other),
        }
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        let (value, spot) = self.find(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.wrong(spot, name, "true or false", other),
        }
    }

    /// One of the names in `choices`.
    pub fn choice(&self, name: &'static str, choices: &[&str]) -> Option<Located<&'d str>> {
        let text = self.text(name)?;
        if choices.contains(&text.value) {
            return Some(text);
        }
        let message = format!("`{name}` cannot be \"{}\"; {}", text.value, suggestion(text.value, choices));
        self.note_at(text.spot, message);
        None
    }

    /// The table `name`, empty if there is none.
    pub fn section(&self, name: &'static str) -> Section<'d, 't> {
        let found = self.find(name);
        let spot = found.map_or(self.spot, |(_, spot)| spot);
        let table = found.and_then(|(value, spot)| match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => self.wrong(spot, name, &format!("a table: [{name}]"), other),
        });
        Section { reporter: self.reporter, table, spot, known: RefCell::default() }
    }

    /// The tables below the table `name`, in the order of the document.
    pub fn named(&self, name: &'static str) -> Vec<(&'d str, Section<'d, 't>)> {
        let group = self.section(name);
        let mut tables: Vec<_> = group
            .table
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| {
                let spot = self.reporter.spot(&key.span());
                let DeValue::Table(table) = value.get_ref() else {
                    let wanted = format!("a table: [{name}.{}]", key.get_ref());
                    return self.wrong(spot, key.get_ref(), &wanted, value.get_ref());
                };
                Some((key.get_ref().as_ref(), Section::new(self.reporter, table, spot)))
            })
            .collect();
        tables.sort_by_key(|(_, section)| section.spot);
        tables
    }

    /// Notes the names that nobody asked for.
    pub fn finish(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            // A name that is not there is told of as no TOML.
            if !name.is_empty() && !known.contains(&name) {
                let message = format!("there is no `{name}` here; {}", suggestion(name, &known));
                self.reporter.note(key.span(), message);
            }
        }
    }
}

/// A whole number, with the digits as TOML lets people write them.
fn whole(value: &DeValue<'_>) -> Option<u64> {
    let DeValue::Integer(number) = value else { return None };
    u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
}

/// The name among `choices` that is most like `name`, or all of them.
pub fn suggestion(name: &str, choices: &[&str]) -> String {
    let lower = name.to_lowercase();
    let nearest = choices
        .iter()
        .map(|choice| (strsim::damerau_levenshtein(&lower, &choice.to_lowercase()), choice))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, choice)| *distance <= choice.chars().count().max(name.chars().count()) / 2);
    let mut sorted = choices.to_vec();
    sorted.sort_unstable();
    match nearest {
        Some((_, choice)) => format!("did you mean `{choice}`?"),
        None => format!("there is {}", sorted.join(", ")),
    }
}

/// What `text` says, read by `read`.
///
/// # Errors
/// All problems of the text.
pub fn read_document<T>(
    text: &str,
    read: impl FnOnce(&Section<'_, '_>) -> T,
) -> std::result::Result<T, Vec<Problem>> {
    let reporter = Reporter::new(text);
    let document = reporter.parse();
    let root = Section::new(&reporter, document.get_ref(), Spot { line: 1, column: 1 });
    let value = read(&root);
    root.finish();
    drop(root);
    match reporter.into_problems() {
        problems if problems.is_empty() => Ok(value),
        problems => Err(problems),
    }
}

/// The text of the file at `path`; `None` where there is none and nobody asked for it by name.
pub fn read_text(path: &Path, is_named: bool) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if !is_named && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::malformed("the file is not UTF-8").at(path.display().to_string()))
        }
        Err(error) => Err(dotctl_stores::io_error("read", path, &error)),
    }
}
