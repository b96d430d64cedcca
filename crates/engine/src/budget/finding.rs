//! What is counted against what.

use serde::Serialize;

use crate::limits::LimitStatus;

/// From this share of a budget on, a finding warns.
pub const NEAR_PERCENT: u64 = 80;

/// What a budget's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Bytes of the state as JSON.
    Raw,
    /// Bytes of its checkpoint.
    Compressed,
    /// Entries, windows, pairs or patterns.
    Entries,
    /// Operators in an object.
    Operators,
}

/// One number and what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BudgetFinding {
    /// What is counted.
    pub measure: Measure,
    /// The budget, where it is one of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_bytes: Option<u64>,
    /// What there is, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_bytes: Option<u64>,
    /// The budget, where it counts things.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_count: Option<u64>,
    /// What there is, counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_count: Option<u64>,
    /// What is used of the budget, in percent, rounded down.
    pub used_percent: u64,
    /// How near it is.
    pub status: LimitStatus,
}

impl BudgetFinding {
    /// `actual` against `budget`; near from `near_percent` of it on.
    pub fn new(measure: Measure, actual: u64, budget: u64, near_percent: u64) -> Self {
        let used = u128::from(actual) * 100;
        let status = if actual > budget {
            LimitStatus::Exceeded
        } else if used >= u128::from(budget) * u128::from(near_percent) {
            LimitStatus::Warn
        } else {
            LimitStatus::Ok
        };
        let is_bytes = matches!(measure, Measure::Raw | Measure::Compressed);
        let bytes = |number| is_bytes.then_some(number);
        let count = |number| (!is_bytes).then_some(number);
        BudgetFinding {
            measure,
            budget_bytes: bytes(budget),
            actual_bytes: bytes(actual),
            budget_count: count(budget),
            actual_count: count(actual),
            used_percent: u64::try_from(used / u128::from(budget.max(1))).unwrap_or(u64::MAX),
            status: if actual == 0 { LimitStatus::Ok } else { status },
        }
    }

    /// The budget's number.
    pub fn budget(&self) -> u64 {
        self.budget_bytes.or(self.budget_count).unwrap_or(0)
    }

    /// The number that there is.
    pub fn actual(&self) -> u64 {
        self.actual_bytes.or(self.actual_count).unwrap_or(0)
    }
}

/// The worst status of all; fine where there is none.
pub fn worst<'a>(findings: impl IntoIterator<Item = &'a BudgetFinding>) -> LimitStatus {
    findings.into_iter().map(|finding| finding.status).max().unwrap_or(LimitStatus::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn status_changes_at_the_borders() {
        let status = |actual| BudgetFinding::new(Measure::Entries, actual, 1000, 80).status;
        assert_eq!(
            [0, 799, 800, 1000, 1001].map(status),
            [LimitStatus::Ok, LimitStatus::Ok, LimitStatus::Warn, LimitStatus::Warn, LimitStatus::Exceeded]
        );
        let nothing = BudgetFinding::new(Measure::Raw, 0, 0, 80);
        assert_eq!((nothing.status, nothing.used_percent), (LimitStatus::Ok, 0));
    }

    proptest! {
        #[test]
        fn nothing_overflows(actual: u64, budget: u64, near in 0..=1_000_u64) {
            let finding = BudgetFinding::new(Measure::Raw, actual, budget, near);
            prop_assert_eq!(finding.status == LimitStatus::Exceeded, actual > budget);
        }
    }
}
