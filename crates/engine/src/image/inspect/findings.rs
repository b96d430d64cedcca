//! The damage that a report finds.

use serde::Serialize;

/// Damage described in one report; more is only counted.
pub const MAX_PROBLEMS: usize = 1_000;

/// A part of the database that cannot be what it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The table or index it belongs to; `freelist` for free pages, empty where it is unknown.
    pub table: String,
    /// The page that shows it.
    pub page: u32,
    /// What is wrong.
    pub detail: String,
}

/// Problems in the order found, up to [`MAX_PROBLEMS`].
#[derive(Debug, Clone, Default)]
pub(super) struct Problems {
    pub listed: Vec<Problem>,
    pub count: u64,
}

impl Problems {
    #[cold]
    pub fn add(&mut self, table: &str, page: u32, detail: impl Into<String>) {
        self.count += 1;
        if self.listed.len() < MAX_PROBLEMS {
            self.listed.push(Problem { table: table.to_owned(), page, detail: detail.into() });
        }
    }

    pub fn merge(&mut self, other: Problems) {
        self.count += other.count;
        let room = MAX_PROBLEMS.saturating_sub(self.listed.len());
        self.listed.extend(other.listed.into_iter().take(room));
    }
}
