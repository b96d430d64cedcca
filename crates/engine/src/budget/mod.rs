//! How much state an operator and an object may have: the spike's numbers, or a project's own.
//!
//! The numbers are the tables "Per-Operator Budget" and "Per-DO Budget" of the research spike
//! "Checkpoint Size Limits in DO Storage" of 2026-01-13. Its MB and GB are taken as decimal here, as
//! the platform's limits are; the thresholds of [`crate::placement`], which the spike wrote as products of
//! 1,024, are binary.

mod finding;
mod growth;
mod table;

pub use finding::{BudgetFinding, Measure, NEAR_PERCENT, worst};
pub use growth::{Growth, growth};
pub use table::{OBJECTS, OPERATORS, ObjectBudget, OperatorBudget, Used, smallest_object};
