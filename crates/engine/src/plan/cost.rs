//! What the alternatives cost in a month, item by item, as the platform bills.

use serde::Serialize;

use super::design::{DAYS_PER_MONTH, Design};
use super::profiles::SECONDS_PER_DAY;
use crate::limits::{MEMORY, OBJECT, ROW};
use crate::placement::PlacementPolicy;
use crate::prices::{
    OBJECT_DURATION, OBJECT_REQUESTS, OBJECT_STORAGE, PIPELINE_INGRESS, PIPELINE_JSON, Price, R2_CLASS_A,
    R2_STORAGE, ROWS_READ, ROWS_WRITTEN,
};

/// Bytes of a chunk of a checkpoint in the object.
const CHUNK_BYTES: f64 = 1_048_576.0;

/// Items of a collection from which it is a row for each, not one for all: `columnarThreshold` of
/// `UnifiedStoreConfig` ("Unified Storage" of the spike).
pub const COLUMNAR_THRESHOLD: u64 = 1_000;

/// What the emitter before a Pipeline holds back at most: `flushInterval`, `batchSize` and `batchBytes` of
/// `PipelineEmitterConfig` ("Unified Storage" of the spike).
const EMITTER_INTERVAL_MS: f64 = 60_000.0;
const EMITTER_EVENTS: f64 = 1_000.0;
const EMITTER_BYTES: f64 = 1_048_576.0;

/// One line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// What is paid for.
    pub item: &'static str,
    /// How much there is in a month: rows, requests, bytes or gigabyte-seconds.
    pub amount: u128,
    /// How much of it is free.
    pub included: u64,
    /// Whole units that are billed.
    pub billed_units: u128,
    /// How a unit is called.
    pub unit: &'static str,
    /// How much makes a unit.
    pub unit_amount: u64,
    /// What a unit costs, in US dollars.
    pub usd_per_unit: f64,
    /// What all of them cost.
    pub usd: f64,
}

/// One way to keep the fleet's state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alternative {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// The bill.
    pub items: Vec<Item>,
    /// The sum.
    pub usd_per_month: f64,
    /// Rows that one object writes in a day.
    pub rows_per_day: u128,
    /// Checkpoints that one object makes in a day.
    pub checkpoints_per_day: f64,
    /// What an object that dies now loses at most, in milliseconds.
    pub recovery_point_ms: f64,
    /// The same in words.
    pub loses: &'static str,
    /// Why this is not possible; `null` if it is.
    pub impossible: Option<String>,
}

fn item(price: &Price, amount: f64) -> Item {
    // A cast of a float stops at the ends of the integer's range.
    let amount = amount.ceil() as u128;
    let usd = price.billed_micro_usd(amount) as f64 / 1e6;
    Item {
        item: price.name,
        amount,
        included: price.included_amount,
        billed_units: price.billed_units(amount),
        unit: price.unit,
        unit_amount: price.unit_amount,
        usd_per_unit: price.micro_usd_per_unit as f64 / 1e6,
        usd,
    }
}

/// What an alternative does in a month, of the whole fleet.
#[derive(Default)]
struct Month {
    rows_written: f64,
    rows_read: f64,
    object_bytes: f64,
    is_in_r2: bool,
    r2_bytes: f64,
    r2_writes: f64,
    pipeline_bytes: f64,
}

/// What alternatives share.
struct Common<'a> {
    design: &'a Design,
    objects: f64,
    checkpoints_per_day: f64,
    changed: f64,
}

const NOTHING_ACKNOWLEDGED: &str = "nothing that was acknowledged: the output gate waits for the write";
const EMITTER: &str = "what the emitter has not sent to the Pipeline yet; the rest is replayed from there";

impl Common<'_> {
    fn emitter_ms(&self) -> f64 {
        let writes = self.design.writes_per_second;
        if writes <= 0.0 {
            return 0.0;
        }
        let by_count = EMITTER_EVENTS / writes * 1000.0;
        let by_bytes = EMITTER_BYTES / (writes * self.design.event_bytes()).max(f64::MIN_POSITIVE) * 1000.0;
        EMITTER_INTERVAL_MS.min(by_count).min(by_bytes).round()
    }

    fn alternative(
        &self,
        (name, title): (&'static str, &'static str),
        month: &Month,
        is_pipeline: bool,
        impossible: Option<String>,
    ) -> Alternative {
        let design = self.design;
        let seconds = SECONDS_PER_DAY * DAYS_PER_MONTH * design.active_percent / 100.0 * self.objects;
        let requests = (design.writes_per_second + design.reads_per_second) * seconds;
        let gb_seconds = seconds * MEMORY.amount as f64 / 1e9;
        let mut items = vec![
            item(&ROWS_WRITTEN, month.rows_written),
            item(&ROWS_READ, month.rows_read),
            item(&OBJECT_STORAGE, month.object_bytes),
            item(&OBJECT_REQUESTS, requests),
            item(&OBJECT_DURATION, gb_seconds),
        ];
        if is_pipeline {
            items.push(item(&PIPELINE_INGRESS, month.pipeline_bytes));
            items.push(item(&PIPELINE_JSON, month.pipeline_bytes));
        }
        if month.is_in_r2 {
            items.push(item(&R2_STORAGE, month.r2_bytes));
            items.push(item(&R2_CLASS_A, month.r2_writes));
        }
        let micro_usd: f64 = items.iter().map(|item| item.usd).sum();
        Alternative {
            name,
            title,
            usd_per_month: cents(micro_usd),
            items,
            rows_per_day: (month.rows_written / self.objects.max(1.0) / DAYS_PER_MONTH).round() as u128,
            checkpoints_per_day: if is_pipeline { self.checkpoints_per_day } else { 0.0 },
            recovery_point_ms: if is_pipeline { self.emitter_ms() } else { 0.0 },
            loses: if is_pipeline { EMITTER } else { NOTHING_ACKNOWLEDGED },
            impossible,
        }
    }

    /// A day's amount of an object, for the month and the fleet.
    fn monthly(&self, per_day: f64) -> f64 {
        per_day * DAYS_PER_MONTH * self.objects
    }
}

/// Rounded to cents, as a bill is.
fn cents(usd: f64) -> f64 {
    (usd * 100.0).round() / 100.0
}

/// Every alternative for `design`, in the order in which they are best explained.
pub fn alternatives(design: &Design, policy: &PlacementPolicy) -> Vec<Alternative> {
    let sizes = design.sizes_after(0.0);
    let common = Common {
        design,
        objects: design.objects as f64,
        checkpoints_per_day: design.lazy_checkpoints_per_day(),
        changed: design.changed_entries(),
    };
    let (raw, compressed) = (sizes.raw_bytes as f64, sizes.compressed_bytes as f64);
    let objects = common.objects;
    let checkpoints = common.checkpoints_per_day;
    let pipeline_bytes = common.monthly(design.writes_per_day() * design.event_bytes());
    let delta = (common.changed * design.event_bytes() * design.compression_ratio).min(compressed);
    let deltas = design.compaction.files_min as f64;
    let held_in_memory = (raw > MEMORY.amount as f64)
        .then(|| "the state is held in memory, and is more than the 128 MB of an isolate".to_owned());
    let rejected = (sizes.raw_bytes >= policy.raw_bytes_end)
        .then(|| format!("state of {} bytes or more has no checkpoint", policy.raw_bytes_end));
    let in_object = (sizes.raw_bytes >= policy.overflow_raw_bytes)
        .then(|| format!("state of {} bytes or more goes to R2", policy.overflow_raw_bytes));
    let rows = |bytes: f64| (bytes / CHUNK_BYTES).ceil().max(1.0);
    let packs = |bytes: f64| (bytes / design.pack_bytes as f64).ceil().max(1.0);
    let mut found = Vec::new();

    let every = Month {
        rows_written: common.monthly(design.writes_per_day()),
        rows_read: common.monthly(design.reads_per_second * SECONDS_PER_DAY * design.active_percent / 100.0),
        object_bytes: raw * objects,
        ..Month::default()
    };
    found.push(common.alternative(("every-write", "every write to SQLite"), &every, false, None));

    let lazy = Month {
        rows_written: common.monthly(checkpoints * common.changed),
        object_bytes: raw * objects,
        pipeline_bytes,
        ..Month::default()
    };
    let title = "Pipeline, lazy checkpoints, a row for each changed entry";
    found.push(common.alternative(("lazy-rows", title), &lazy, true, held_in_memory.clone()));

    let collections = design.operators.max(1) as f64;
    let columnar = Month {
        rows_written: common.monthly(checkpoints * collections.min(common.changed.ceil())),
        object_bytes: raw * objects,
        pipeline_bytes,
        ..Month::default()
    };
    let per_collection = design.entries / design.operators.max(1);
    let too_many = (per_collection >= COLUMNAR_THRESHOLD)
        .then(|| format!("collections of {COLUMNAR_THRESHOLD} entries or more have a row for each"));
    let too_large =
        (raw / collections > ROW.amount as f64).then(|| "a collection is more than a row's 2 MB".to_owned());
    let title = "Pipeline, lazy checkpoints, a row for each collection";
    found.push(common.alternative(
        ("lazy-columnar", title),
        &columnar,
        true,
        too_many.or(too_large).or(held_in_memory.clone()),
    ));

    // What is kept for its retention, beside the newest checkpoint and the one that is being made.
    let kept = design.checkpoints_per_day * design.retention_days;
    let kept_bytes = compressed * (2.0 + kept);
    let no_room = |bytes: f64| {
        (bytes > OBJECT.amount as f64).then(|| {
            "the state and the checkpoints that are kept are more than the object's 10 GB".to_owned()
        })
    };
    let not_in_object = rejected.clone().or(in_object).or(held_in_memory.clone());
    // Each row is written, and deleted some day: a delete is a row written too.
    let in_rows = |checkpoint_rows: f64| Month {
        rows_written: common.monthly(checkpoints * 2.0 * checkpoint_rows),
        object_bytes: kept_bytes * objects,
        pipeline_bytes,
        ..Month::default()
    };
    let full_not_possible = not_in_object.clone().or(no_room(kept_bytes));
    let too_large_for_a_row = if sizes.compressed_bytes >= policy.row_bytes_end {
        Some(format!("what compresses to {} bytes or more is chunks", policy.row_bytes_end))
    } else {
        (sizes.raw_bytes >= policy.chunk_bytes)
            .then(|| format!("state of {} bytes or more is chunks", policy.chunk_bytes))
    };
    let title = "Pipeline, full checkpoints in the object, one row each";
    let impossible = too_large_for_a_row.or(full_not_possible.clone());
    found.push(common.alternative(("object-row", title), &in_rows(1.0), true, impossible));

    // A row tells which chunks there are.
    let chunk_rows = rows(compressed) + 1.0;
    let title = "Pipeline, full checkpoints in the object, in chunks";
    found.push(common.alternative(("object-chunks", title), &in_rows(chunk_rows), true, full_not_possible));

    let kept_delta = compressed * design.changed_percent / 100.0;
    let deltas_bytes = 2.0 * compressed + deltas * delta + kept * kept_delta;
    let delta_rows = rows(delta) + 1.0;
    let incremental = Month {
        rows_written: common.monthly(checkpoints * 2.0 * (delta_rows + chunk_rows / deltas)),
        object_bytes: deltas_bytes * objects,
        pipeline_bytes,
        ..Month::default()
    };
    let title = "Pipeline, incremental checkpoints in the object";
    found.push(common.alternative(
        ("object-incremental", title),
        &incremental,
        true,
        not_in_object.or(no_room(deltas_bytes)),
    ));

    let in_r2 = rejected.or(held_in_memory);
    let full_r2 = Month {
        rows_written: common.monthly(checkpoints),
        is_in_r2: true,
        r2_bytes: kept_bytes * objects,
        r2_writes: common.monthly(checkpoints * (packs(compressed) + 1.0)),
        pipeline_bytes,
        ..Month::default()
    };
    let title = "Pipeline, full checkpoints in R2";
    found.push(common.alternative(("r2-full", title), &full_r2, true, in_r2.clone()));

    let incremental_r2 = Month {
        rows_written: common.monthly(checkpoints),
        is_in_r2: true,
        r2_bytes: deltas_bytes * objects,
        r2_writes: common.monthly(checkpoints * (packs(delta) + 1.0 + (packs(compressed) + 1.0) / deltas)),
        pipeline_bytes,
        ..Month::default()
    };
    let title = "Pipeline, incremental checkpoints in R2";
    found.push(common.alternative(("r2-incremental", title), &incremental_r2, true, in_r2));
    found
}

/// What a pack size costs where full checkpoints go to R2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PackChoice {
    /// Bytes of a pack.
    pub pack_bytes: u64,
    /// Packs of one checkpoint.
    pub packs: u64,
    /// Writes to R2 in a month, billed or not.
    pub class_a_per_month: u128,
    /// What those cost.
    pub usd_per_month: f64,
    /// Bytes that reading one entry fetches at most, besides an index.
    pub reads_bytes_at_most: u64,
}

/// The pack sizes side by side.
pub fn pack_choices(design: &Design) -> Vec<PackChoice> {
    let compressed = design.sizes_after(0.0).compressed_bytes;
    let mut sizes = vec![1 << 20, 8 << 20, 64 << 20, design.pack_bytes.max(1)];
    sizes.sort_unstable();
    sizes.dedup();
    let choice = |pack_bytes: u64| {
        let packs = compressed.div_ceil(pack_bytes).max(1);
        let writes =
            design.lazy_checkpoints_per_day() * DAYS_PER_MONTH * design.objects as f64 * (packs as f64 + 1.0);
        let amount = writes.ceil() as u128;
        PackChoice {
            pack_bytes,
            packs,
            class_a_per_month: amount,
            usd_per_month: cents(R2_CLASS_A.billed_micro_usd(amount) as f64 / 1e6),
            // A chunk is read by its range, whatever the pack.
            reads_bytes_at_most: compressed.min(pack_bytes).min(1 << 20),
        }
    };
    sizes.into_iter().map(choice).collect()
}

/// The alternative to take, and why: the cheapest that is possible and loses no more than `recovery_point_ms`.
pub fn recommend(
    alternatives: &[Alternative],
    recovery_point_ms: Option<f64>,
) -> Option<(&Alternative, String)> {
    let possible = || {
        alternatives.iter().filter(|alternative| {
            alternative.impossible.is_none()
                && recovery_point_ms.is_none_or(|allowed| alternative.recovery_point_ms <= allowed)
        })
    };
    let best = possible().min_by(|a, b| a.usd_per_month.total_cmp(&b.usd_per_month))?;
    let dearest = possible().max_by(|a, b| a.usd_per_month.total_cmp(&b.usd_per_month))?;
    let asked = match recovery_point_ms {
        Some(allowed) => format!(" of those that lose {allowed} ms or less"),
        None => String::new(),
    };
    let reason = if dearest.usd_per_month <= best.usd_per_month {
        format!("all that is possible{asked} costs the same; this is the simplest")
    } else {
        format!(
            "the cheapest{asked}: ${:.2} a month, ${:.2} less than {}",
            best.usd_per_month,
            dearest.usd_per_month - best.usd_per_month,
            dearest.name
        )
    };
    Some((best, reason))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn named<'a>(all: &'a [Alternative], name: &str) -> &'a Alternative {
        all.iter().find(|alternative| alternative.name == name).unwrap()
    }

    fn amount(alternative: &Alternative, name: &str) -> u128 {
        alternative.items.iter().find(|item| item.item == name).unwrap().amount
    }

    #[test]
    fn a_thousand_writes_a_second() {
        let design = Design { writes_per_second: 1_000.0, entries: 1_000_000, ..Design::default() };
        let all = alternatives(&design, &PlacementPolicy::BUDGET);
        let every = named(&all, "every-write");
        assert_eq!(every.rows_per_day, 86_400_000);
        assert_eq!(amount(every, "do-rows-written"), 2_592_000_000);
        // 2,592 million less 50 free: 2,542 USD; 2,592 million requests less one: 388.65 USD.
        let usd = |name: &str| every.items.iter().find(|item| item.item == name).unwrap().usd;
        assert_eq!((usd("do-rows-written"), usd("do-requests")), (2_542.0, 388.65));
        // 0.128 GB for 2,592,000 s is 331,776, within the 400,000 that are free.
        assert_eq!((usd("do-duration"), amount(every, "do-duration")), (0.0, 331_776));
        // 134.4 MB is more than an isolate has.
        assert!(named(&all, "lazy-rows").impossible.is_some());
    }

    #[test]
    fn the_cheapest_is_taken_unless_it_loses_too_much() {
        let design = Design { writes_per_second: 100.0, entries: 500, ..Design::default() };
        let all = alternatives(&design, &PlacementPolicy::BUDGET);
        let (best, _) = recommend(&all, None).unwrap();
        assert_ne!(best.name, "every-write");
        let (strict, reason) = recommend(&all, Some(0.0)).unwrap();
        assert_eq!(strict.name, "every-write");
        assert!(reason.contains("lose 0 ms"), "{reason}");
    }

    #[test]
    fn a_row_or_chunks_in_the_object() {
        // 10 writes a second to one object: a checkpoint every 5 s, 518,400 a month, each row of it written and deleted.
        let design = Design { writes_per_second: 10.0, ..Design::default() };
        let all = alternatives(&design, &PlacementPolicy::BUDGET);
        assert_eq!(amount(named(&all, "object-row"), "do-rows-written"), 1_036_800);
        // A chunk and the row that tells of it.
        assert_eq!(amount(named(&all, "object-chunks"), "do-rows-written"), 2_073_600);
        // 24 a day for 7 days, the newest and the next, of 134,400 bytes each.
        assert_eq!(amount(named(&all, "object-row"), "do-storage"), 170 * 134_400);
        assert_eq!(amount(named(&all, "r2-full"), "r2-storage"), 170 * 134_400);
        let large = Design { entries: 900_000, ..design };
        let all = alternatives(&large, &PlacementPolicy::BUDGET);
        assert!(named(&all, "object-row").impossible.is_some());
        assert!(named(&all, "object-chunks").impossible.is_none());
        let many = Design { checkpoints_per_day: 17_280.0, ..large };
        let all = alternatives(&many, &PlacementPolicy::BUDGET);
        assert!(named(&all, "object-chunks").impossible.as_deref().unwrap().contains("10 GB"));
    }

    #[test]
    fn larger_packs_are_fewer_writes() {
        let design = Design { entries: 5_000_000, ..Design::default() };
        let choices = pack_choices(&design);
        assert!(choices.windows(2).all(|pair| pair[0].class_a_per_month >= pair[1].class_a_per_month));
        assert_eq!(choices.len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_overflows_or_is_negative(
            objects in 0..=1_000_000_000_000_000_u64,
            entries in 0..=1_000_000_000_000_000_u64,
            operators in 0..100_u64,
            value in 0.0..1e9_f64,
            writes in 0.0..1e12_f64,
            active in 0.0..=100.0_f64,
            growth in 0.0..1e12_f64,
        ) {
            let design = Design {
                objects, entries, operators, value_bytes: value, writes_per_second: writes,
                active_percent: active, growth_per_day: growth, ..Design::default()
            };
            design.check().unwrap();
            for alternative in alternatives(&design, &PlacementPolicy::BUDGET) {
                prop_assert!(alternative.usd_per_month.is_finite() && alternative.usd_per_month >= 0.0);
                prop_assert!(alternative.recovery_point_ms.is_finite() && alternative.recovery_point_ms >= 0.0);
                prop_assert!(alternative.items.iter().all(|item| item.usd >= 0.0));
            }
            for forecast in super::super::forecasts(&design, &PlacementPolicy::BUDGET) {
                prop_assert!(forecast.days.is_none_or(|days| days >= 0.0 && days.is_finite()));
            }
            prop_assert!(pack_choices(&design).iter().all(|choice| choice.usd_per_month >= 0.0));
        }
    }
}
