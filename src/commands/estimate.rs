//! `dotctl estimate`: how large a checkpoint will be, and where it will go.

use std::path::Path;

use serde::Serialize;

use dotctl_engine::budget::{BudgetFinding, Used, smallest_object, worst};
use dotctl_engine::chunk::ChunkSize;
use dotctl_engine::codec::Codec;
use dotctl_engine::estimate::{Backend, DEFAULT_COMPRESSION_RATIO, Estimate, Shape, Sizes};
use dotctl_engine::limits::{LimitStatus, SPIKE_PROFILE};
use dotctl_engine::placement::PlacementPolicy;
use dotctl_engine::prices::{OBJECT_STORAGE, R2_CLASS_A, R2_STORAGE, ROWS_WRITTEN};
use dotctl_engine::{Error, Result};
use dotctl_stores::drive::{CodecReport, SampleReport};

use super::sample::{SampleSize, codecs_to_try, sample};

use crate::cli::{EstimateArgs, ObjectBackend};
use crate::config::{Budgets, Config, suggestion};
use crate::error::Exit;
use crate::output::Output;
use crate::render;

/// What `estimate` says of a budget.
#[derive(Debug, Serialize)]
pub struct BudgetDocument {
    /// The operator's, if one was named; else the smallest object's that this fits into.
    pub status: LimitStatus,
    /// The kind of operator, if one was named.
    pub operator: Option<String>,
    /// What it takes of the operator's budget.
    pub findings: Vec<BudgetFinding>,
    /// The smallest configuration of objects that it fits into; `null` if it fits into none.
    pub object: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    estimate: &'a Estimate,
    /// Where the formula comes from.
    profile: &'static str,
    compression_ratio: f64,
    budget: &'a BudgetDocument,
}

/// What a sample adds.
#[derive(Serialize)]
struct SampleDocument<'a> {
    #[serde(flatten)]
    estimate: &'a Estimate,
    /// The true size is between these, 19 times of 20.
    interval: Interval,
    sample: &'a SampleReport,
    /// Entries that the source has.
    source_entries: u64,
    codecs: &'a [CodecCost],
    best: Best,
    budget: &'a BudgetDocument,
}

#[derive(Serialize)]
struct Interval {
    low_bytes: u64,
    high_bytes: u64,
    confidence: f64,
}

#[derive(Serialize)]
struct Best {
    codec: Codec,
    level: i32,
}

/// One codec and what its checkpoint costs, in US dollars without what is free each month.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CodecCost {
    #[serde(flatten)]
    pub report: CodecReport,
    /// Compressed bytes by raw ones.
    pub ratio: f64,
    /// To keep one for a month in the object.
    pub object_usd_per_month: f64,
    /// To keep one for a month in R2.
    pub r2_usd_per_month: f64,
    /// To write one into the object, in rows of 1 MiB and one more.
    pub object_write_usd: f64,
    /// To write one into R2, in packs of about 8 MiB and a manifest.
    pub r2_write_usd: f64,
}

pub fn run(args: &EstimateArgs, output: &Output) -> Result<Exit> {
    let config = Config::load(args.config.as_deref())?;
    let policy = config.as_ref().map_or(PlacementPolicy::BUDGET, |config| config.placement);
    let budgets = config.map(|config| config.budgets).unwrap_or_default();
    if let Some(path) = &args.sample {
        return run_sample(args, path, &policy, &budgets, output);
    }
    let (Some(entries), Some(key_bytes), Some(value_bytes)) =
        (args.entries, args.key_bytes, args.value_bytes)
    else {
        return Err(Error::malformed(
            "without --sample an estimate needs --entries, --key-bytes and --value-bytes",
        ));
    };
    let compression_ratio = args.compression_ratio.unwrap_or(DEFAULT_COMPRESSION_RATIO);
    let shape = Shape::new(entries, key_bytes, value_bytes, compression_ratio)?;
    let entry_bytes = (key_bytes.ceil() as u64, value_bytes.ceil() as u64);
    let estimate = Estimate::new(entries, shape.sizes(), entry_bytes, backend(args.backend), &policy);
    warn_of_the_end(&estimate, output);
    let budget = budget(args.operator.as_deref(), &estimate, &budgets)?;
    let document =
        Document { estimate: &estimate, profile: SPIKE_PROFILE, compression_ratio, budget: &budget };
    output.result(&document, || render::estimate::show(&estimate, &budget, &policy, output.look))?;
    Ok(exit(&budget))
}

fn run_sample(
    args: &EstimateArgs,
    path: &Path,
    policy: &PlacementPolicy,
    budgets: &Budgets,
    output: &Output,
) -> Result<Exit> {
    if !(args.sample_percent > 0.0 && args.sample_percent <= 100.0) {
        return Err(Error::malformed(format!("{} percent cannot be sampled", args.sample_percent))
            .hint("--sample-percent takes a number above 0, up to 100"));
    }
    let size = SampleSize { chunk_size: ChunkSize::new(args.chunk_bytes)?, percent: args.sample_percent };
    let sampled = sample(path, &size, codecs_to_try, output)?;
    let entries = args.entries.unwrap_or(sampled.entries);
    if sampled.entries == 0 && entries > 0 {
        return Err(Error::malformed("there are no entries to learn from").at(path.display().to_string()));
    }
    let report = sampled.report.rescaled(sampled.entries, entries, size.chunk_size);
    let costs: Vec<CodecCost> = report.codecs.iter().map(|codec| cost(codec, report.raw_bytes)).collect();
    let Some(usual) = costs.first().copied() else {
        return Err(Error::malformed("no codec was tried"));
    };
    let best = best(&costs).unwrap_or(usual);
    let bounds = usual.report.bounds;
    let sizes = Sizes { raw_bytes: report.raw_bytes, compressed_bytes: bounds.compressed_bytes };
    let estimate = Estimate::new(entries, sizes, sampled.entry_bytes, backend(args.backend), policy);
    warn_of_the_end(&estimate, output);
    let budget = budget(args.operator.as_deref(), &estimate, budgets)?;
    let document = SampleDocument {
        estimate: &estimate,
        interval: Interval { low_bytes: bounds.low_bytes, high_bytes: bounds.high_bytes, confidence: 0.95 },
        sample: &report,
        source_entries: sampled.entries,
        codecs: &costs,
        best: Best { codec: best.report.codec, level: best.report.level },
        budget: &budget,
    };
    output.result(&document, || {
        let table = render::estimate::codecs(&report, &costs, &best, sampled.entries, output.look);
        format!("{}{table}", render::estimate::show(&estimate, &budget, policy, output.look))
    })?;
    Ok(exit(&budget))
}

fn warn_of_the_end(estimate: &Estimate, output: &Output) {
    if estimate.raw_bytes == u64::MAX {
        output.warn("this is more than 2^64 - 1 bytes, and shown as that many");
    }
}

/// Bytes of a pack in a bucket, about.
const PACK_BYTES: u64 = 8 << 20;

fn cost(report: &CodecReport, raw_bytes: u64) -> CodecCost {
    let bytes = report.bounds.compressed_bytes;
    CodecCost {
        report: *report,
        ratio: (bytes as f64 / raw_bytes.max(1) as f64 * 1e4).round() / 1e4,
        object_usd_per_month: OBJECT_STORAGE.usd(bytes),
        r2_usd_per_month: R2_STORAGE.usd(bytes),
        object_write_usd: ROWS_WRITTEN.usd(bytes.div_ceil(1 << 20) + 1),
        r2_write_usd: R2_CLASS_A.usd(bytes.div_ceil(PACK_BYTES) + 1),
    }
}

/// Sizes within this of the smallest count as equal; then the fastest is best.
const AS_SMALL: f64 = 1.02;

/// The smallest, or what is nearly as small and faster.
fn best(costs: &[CodecCost]) -> Option<CodecCost> {
    let bytes = |cost: &CodecCost| cost.report.bounds.compressed_bytes;
    let least = costs.iter().map(bytes).min()?;
    let nearly = costs.iter().filter(|cost| bytes(cost) as f64 <= least as f64 * AS_SMALL);
    nearly.min_by(|a, b| a.report.compress_ms.total_cmp(&b.report.compress_ms)).copied()
}

pub fn backend(backend: ObjectBackend) -> Backend {
    match backend {
        ObjectBackend::Sqlite => Backend::Sqlite,
        ObjectBackend::Kv => Backend::Kv,
    }
}

fn exit(budget: &BudgetDocument) -> Exit {
    match budget.status {
        LimitStatus::Exceeded if budget.operator.is_some() => Exit::Found,
        _ => Exit::Done,
    }
}

/// What the estimate takes of the budget of `operator`, and into which object it fits.
fn budget(operator: Option<&str>, estimate: &Estimate, budgets: &Budgets) -> Result<BudgetDocument> {
    let used = Used {
        count: estimate.entries,
        raw_bytes: estimate.raw_bytes,
        compressed_bytes: estimate.compressed_bytes,
    };
    let object = smallest_object(Used { count: 1, ..used }).map(|object| object.configuration.to_string());
    let findings = match operator {
        None => Vec::new(),
        Some(kind) => {
            let kinds: Vec<&str> = budgets.operators.iter().map(|budget| &*budget.kind).collect();
            let budget = budgets.operator(kind).ok_or_else(|| {
                Error::malformed(format!("`{kind}` is no kind of operator")).hint(suggestion(kind, &kinds))
            })?;
            budget.findings(used, budgets.near_percent)
        }
    };
    let status = match (operator, &object) {
        (Some(_), _) => worst(&findings),
        (None, Some(_)) => LimitStatus::Ok,
        (None, None) => LimitStatus::Exceeded,
    };
    Ok(BudgetDocument { status, operator: operator.map(str::to_owned), findings, object })
}
