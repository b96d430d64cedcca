//! The budgets.

use std::borrow::Cow;

use super::finding::{BudgetFinding, Measure};

/// What one kind of operator may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorBudget {
    /// Its name on the command line and in `dotctl.toml`.
    pub kind: Cow<'static, str>,
    /// What its entries are.
    pub entries_are: Cow<'static, str>,
    /// Bytes of its state as JSON.
    pub raw_bytes: u64,
    /// Bytes of its checkpoint.
    pub compressed_bytes: u64,
    /// Its entries.
    pub entries: u64,
}

/// What one object may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectBudget {
    /// The configuration's name.
    pub configuration: Cow<'static, str>,
    /// Operators in it.
    pub operators: u64,
    /// Bytes of all their state as JSON.
    pub raw_bytes: u64,
    /// Bytes of all their checkpoints.
    pub compressed_bytes: u64,
}

const MB: u64 = 1_000_000;

const fn operator(
    kind: &'static str,
    entries_are: &'static str,
    raw_mb: u64,
    compressed_mb: u64,
    entries: u64,
) -> OperatorBudget {
    OperatorBudget {
        kind: Cow::Borrowed(kind),
        entries_are: Cow::Borrowed(entries_are),
        raw_bytes: raw_mb * MB,
        compressed_bytes: compressed_mb * MB,
        entries,
    }
}

const fn object(
    configuration: &'static str,
    operators: u64,
    raw_mb: u64,
    compressed_mb: u64,
) -> ObjectBudget {
    ObjectBudget {
        configuration: Cow::Borrowed(configuration),
        operators,
        raw_bytes: raw_mb * MB,
        compressed_bytes: compressed_mb * MB,
    }
}

/// The spike's table "Per-Operator Budget".
pub static OPERATORS: [OperatorBudget; 4] = [
    operator("counters", "entries", 10, 1, 10_000),
    operator("windowed", "windows", 50, 5, 5_000),
    operator("join", "pairs", 100, 10, 50_000),
    operator("pattern", "patterns", 20, 2, 1_000),
];

/// The spike's table "Per-DO Budget", the smallest first.
pub static OBJECTS: [ObjectBudget; 3] =
    [object("light", 5, 100, 10), object("standard", 10, 500, 50), object("heavy", 20, 2_000, 200)];

/// What an operator or an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Entries of an operator; operators of an object.
    pub count: u64,
    /// Bytes of the state as JSON.
    pub raw_bytes: u64,
    /// Bytes of the checkpoint.
    pub compressed_bytes: u64,
}

fn sizes(used: Used, raw_bytes: u64, compressed_bytes: u64, near_percent: u64) -> [BudgetFinding; 2] {
    [
        BudgetFinding::new(Measure::Raw, used.raw_bytes, raw_bytes, near_percent),
        BudgetFinding::new(Measure::Compressed, used.compressed_bytes, compressed_bytes, near_percent),
    ]
}

impl OperatorBudget {
    /// What `used` takes of it.
    pub fn findings(&self, used: Used, near_percent: u64) -> Vec<BudgetFinding> {
        let mut findings = sizes(used, self.raw_bytes, self.compressed_bytes, near_percent).to_vec();
        findings.push(BudgetFinding::new(Measure::Entries, used.count, self.entries, near_percent));
        findings
    }
}

impl ObjectBudget {
    /// What `used` takes of it.
    pub fn findings(&self, used: Used, near_percent: u64) -> Vec<BudgetFinding> {
        let mut findings = sizes(used, self.raw_bytes, self.compressed_bytes, near_percent).to_vec();
        findings.push(BudgetFinding::new(Measure::Operators, used.count, self.operators, near_percent));
        findings
    }

    fn holds(&self, used: Used) -> bool {
        used.count <= self.operators
            && used.raw_bytes <= self.raw_bytes
            && used.compressed_bytes <= self.compressed_bytes
    }
}

/// The smallest of the spike's configurations that `used` fits into; `None` if it fits into none.
pub fn smallest_object(used: Used) -> Option<&'static ObjectBudget> {
    OBJECTS.iter().find(|budget| budget.holds(used))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::budget::worst;
    use crate::limits::LimitStatus;

    #[test]
    fn the_smallest_configuration_that_fits() {
        let used = |count, raw_mb: u64, compressed_mb: u64| Used {
            count,
            raw_bytes: raw_mb * MB,
            compressed_bytes: compressed_mb * MB,
        };
        let name = |used| smallest_object(used).map(|budget| budget.configuration.as_ref());
        assert_eq!(name(used(5, 100, 10)), Some("light"));
        assert_eq!(name(used(6, 1, 1)), Some("standard"));
        assert_eq!(name(used(1, 501, 1)), Some("heavy"));
        assert_eq!(name(used(1, 1, 201)), None);
    }

    #[test]
    fn each_number_is_judged() {
        let counters = OPERATORS.first().unwrap();
        let full = Used { count: 10_000, raw_bytes: 10 * MB, compressed_bytes: MB };
        assert_eq!(worst(&counters.findings(full, 80)), LimitStatus::Warn);
        for over in [
            Used { count: 10_001, ..full },
            Used { raw_bytes: 10 * MB + 1, ..full },
            Used { compressed_bytes: MB + 1, ..full },
        ] {
            assert_eq!(worst(&counters.findings(over, 80)), LimitStatus::Exceeded);
        }
    }
}
