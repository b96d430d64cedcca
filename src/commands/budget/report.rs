//! What there is, judged.

use serde::Serialize;

use dotctl_engine::budget::{BudgetFinding, Growth, Used, worst};
use dotctl_engine::limits::LimitStatus;

use super::is_over;
use super::measure::Measurement;
use crate::config::Config;

/// The whole check.
#[derive(Debug, Serialize)]
pub struct BudgetReport {
    /// Whether nothing is over and nothing grew by more than it may.
    pub ok: bool,
    /// The configuration's path.
    pub config: String,
    /// Numbers over their budgets.
    pub exceeded_count: u64,
    /// Numbers near their budgets.
    pub near_count: u64,
    /// Numbers that grew by more than they may.
    pub growth_excess_count: u64,
    /// What this is compared with.
    pub baseline: Option<String>,
    /// By how much anything may grow, in percent.
    pub growth_percent_max: Option<f64>,
    pub objects: Vec<ObjectReport>,
    pub duration_ms: u64,
}

/// One kind of object.
#[derive(Debug, Serialize)]
pub struct ObjectReport {
    pub name: String,
    /// Where the configuration has it.
    pub line: usize,
    pub column: usize,
    /// The budget it is under, if any.
    pub configuration: Option<String>,
    pub status: LimitStatus,
    pub operator_count: u64,
    pub raw_bytes: u64,
    pub compressed_bytes: u64,
    pub findings: Vec<BudgetFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growths>,
    pub operators: Vec<OperatorReport>,
}

/// One operator.
#[derive(Debug, Serialize)]
pub struct OperatorReport {
    pub name: String,
    /// Where the configuration has it.
    pub line: usize,
    pub column: usize,
    pub kind: String,
    /// Where its numbers come from.
    pub source: &'static str,
    /// The namespace of the checkpoint, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub status: LimitStatus,
    pub entries: u64,
    pub raw_bytes: u64,
    pub compressed_bytes: u64,
    pub findings: Vec<BudgetFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growths>,
}

/// How much each number grew since the baseline.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Growths {
    /// Entries of an operator, operators of an object.
    pub count: Growth,
    pub raw_bytes: Growth,
    pub compressed_bytes: Growth,
}

impl Growths {
    /// The growths, with what each counts.
    pub fn each(&self) -> [(&'static str, &Growth); 3] {
        [("count", &self.count), ("raw", &self.raw_bytes), ("compressed", &self.compressed_bytes)]
    }
}

impl BudgetReport {
    /// Counts what was found, and says whether all is well.
    pub fn settle(&mut self) {
        let findings = self.objects.iter().flat_map(|object| {
            object.findings.iter().chain(object.operators.iter().flat_map(|operator| &operator.findings))
        });
        let (mut exceeded, mut near) = (0, 0);
        for finding in findings {
            exceeded += u64::from(is_over(finding.status));
            near += u64::from(finding.status == LimitStatus::Warn);
        }
        let growths = self.objects.iter().flat_map(|object| {
            object.growth.iter().chain(object.operators.iter().flat_map(|operator| &operator.growth))
        });
        let excess: usize =
            growths.map(|growths| growths.each().iter().filter(|(_, growth)| growth.is_excess).count()).sum();
        self.exceeded_count = exceeded;
        self.near_count = near;
        self.growth_excess_count = excess as u64;
        self.ok = exceeded == 0 && excess == 0;
    }
}

/// Judges what was measured, which is in the order of the configuration.
pub fn judge(config: &Config, measured: &[Vec<Measurement>]) -> BudgetReport {
    let budgets = &config.budgets;
    let near = budgets.near_percent;
    let objects = config.objects.iter().zip(measured).map(|(object, of_operators)| {
        let mut total = Used::default();
        let operators: Vec<OperatorReport> = object
            .operators
            .iter()
            .zip(of_operators)
            .map(|(operator, Measurement { used, source, namespace })| {
                total.count += 1;
                total.raw_bytes = total.raw_bytes.saturating_add(used.raw_bytes);
                total.compressed_bytes = total.compressed_bytes.saturating_add(used.compressed_bytes);
                let budget = budgets.operator(&operator.kind);
                let findings = budget.map(|budget| budget.findings(*used, near)).unwrap_or_default();
                OperatorReport {
                    name: operator.name.clone(),
                    line: operator.spot.line,
                    column: operator.spot.column,
                    kind: operator.kind.clone(),
                    source,
                    namespace: namespace.clone(),
                    status: worst(&findings),
                    entries: used.count,
                    raw_bytes: used.raw_bytes,
                    compressed_bytes: used.compressed_bytes,
                    findings,
                    growth: None,
                }
            })
            .collect();
        let budget = object.configuration.as_deref().and_then(|name| budgets.object(name));
        let findings = budget.map(|budget| budget.findings(total, near)).unwrap_or_default();
        ObjectReport {
            name: object.name.clone(),
            line: object.spot.line,
            column: object.spot.column,
            configuration: object.configuration.clone(),
            status: worst(&findings),
            operator_count: total.count,
            raw_bytes: total.raw_bytes,
            compressed_bytes: total.compressed_bytes,
            findings,
            growth: None,
            operators,
        }
    });
    let mut report = BudgetReport {
        ok: true,
        config: config.path.display().to_string(),
        exceeded_count: 0,
        near_count: 0,
        growth_excess_count: 0,
        baseline: None,
        growth_percent_max: None,
        objects: objects.collect(),
        duration_ms: 0,
    };
    report.settle();
    report
}
