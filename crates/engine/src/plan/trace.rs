//! A real log of events through a model of the lazy checkpointer and of the actor cache.
//!
//! The checkpointer is that of "Unified Storage": a timer, a number of dirty entries, and their bytes. The
//! cache is the one that the notes on workerd describe: flushed 2 s after the first unwritten write, at the
//! dirty limit, evicting clean entries past the soft limit, resetting the isolate past the hard one. A log is
//! gone through once, whatever its length; many settings of the checkpointer are tried side by side.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use serde::Serialize;

use super::design::DAYS_PER_MONTH;
use super::profiles::{CHECKPOINT_PROFILES, SECONDS_PER_DAY};
use crate::limits::CacheLimits;
use crate::prices::ROWS_WRITTEN;

/// A write, as the model knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceEvent {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The hash of the entity's name.
    pub key: u64,
    /// Bytes of the key and the value.
    pub bytes: u64,
}

/// When a lazy checkpoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Thresholds {
    /// Milliseconds between two looks of the timer.
    pub interval_ms: u64,
    /// Dirty entries.
    pub dirty_count: u64,
    /// Bytes of the dirty entries.
    pub dirty_bytes: u64,
}

/// What one setting of the checkpointer came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outcome {
    /// The setting.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// The guide's profile of these numbers, if it has one.
    pub profile: Option<&'static str>,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Of those, made by the timer.
    pub by_timer: u64,
    /// Rows that they wrote: one for each dirty entry.
    pub rows_written: u64,
    /// The same for a month of this load, less what is free, in US dollars.
    pub usd_per_month: f64,
    /// Most bytes that were dirty at once.
    pub dirty_bytes_max: u64,
    /// Most events that a stop at the worst moment would have lost, with nothing else to keep them.
    pub events_at_risk_max: u64,
    /// The oldest of those, in milliseconds.
    pub recovery_point_ms: u64,
}

/// What the actor cache came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CacheOutcome {
    /// Which limits.
    pub limits: &'static str,
    /// Flushes.
    pub flushes: u64,
    /// Of those, because too much was dirty: writers wait for them.
    pub stalls: u64,
    /// Entries that flushes wrote.
    pub rows_written: u64,
    /// Entries evicted.
    pub evictions: u64,
    /// Operations refused, since one alone was too large.
    pub refused: u64,
    /// Times that the isolate was reset.
    pub resets: u64,
    /// Most bytes in the cache.
    pub bytes_max: u64,
    /// Most bytes of it dirty.
    pub dirty_bytes_max: u64,
}

/// What a log came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TraceReport {
    /// Events.
    pub events: u64,
    /// Distinct entities, at least: of very many not all are told apart.
    pub keys: u64,
    /// Whether there were more.
    pub keys_are_more: bool,
    /// Bytes of all events.
    pub bytes: u64,
    /// From the first to the last event.
    pub span_ms: u64,
    /// Events whose time is before that of one before them; they count at its time.
    pub out_of_order: u64,
    /// Events a second.
    pub events_per_second: f64,
    /// Most events in one second.
    pub events_per_second_max: u64,
    /// Bytes of the newest value of every entity: what is held in memory.
    pub state_bytes_max: u64,
    /// What every write to SQLite would cost in a month of this load, less what is free, in US dollars.
    pub every_write_usd_per_month: f64,
    /// Each setting that was tried, the cheapest first.
    pub outcomes: Vec<Outcome>,
    /// The setting to take: the cheapest within the recovery point and the memory asked for.
    pub best: Option<Outcome>,
    /// What the actor cache came to.
    pub cache: CacheOutcome,
}

/// What the setting that is chosen must keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Most milliseconds that a stop may lose.
    pub recovery_point_ms: u64,
    /// Most bytes that may be dirty.
    pub dirty_bytes_max: u64,
}

/// Entities told apart; each takes some 40 bytes.
const KEYS_MAX: usize = 400_000;

/// Settings that are tried, beside those that use up what the target allows.
const INTERVALS_MS: [u64; 7] = [500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];
const DIRTY_COUNTS: [u64; 3] = [100, 1_000, 10_000];
const DIRTY_BYTES: [u64; 3] = [1 << 20, 10 << 20, 50 << 20];

/// Keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type ByKey<T> = HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// A checkpointer at work.
struct Checkpointer {
    outcome: Outcome,
    /// Dirty entries and the bytes of their newest values.
    dirty: ByKey<u64>,
    dirty_bytes: u64,
    events: u64,
    first_ms: i64,
    timer_ms: i64,
}

impl Checkpointer {
    fn new(thresholds: Thresholds, start_ms: i64) -> Self {
        let is = |profile: &&super::CheckpointProfile| {
            (profile.interval_ms, profile.events, profile.bytes)
                == (thresholds.interval_ms, thresholds.dirty_count, thresholds.dirty_bytes)
        };
        Checkpointer {
            outcome: Outcome {
                thresholds,
                profile: CHECKPOINT_PROFILES.iter().find(is).map(|profile| profile.name),
                checkpoints: 0,
                by_timer: 0,
                rows_written: 0,
                usd_per_month: 0.0,
                dirty_bytes_max: 0,
                events_at_risk_max: 0,
                recovery_point_ms: 0,
            },
            dirty: ByKey::default(),
            dirty_bytes: 0,
            events: 0,
            first_ms: 0,
            timer_ms: start_ms.saturating_add_unsigned(thresholds.interval_ms),
        }
    }

    /// The timer's looks up to `now_ms`: only the first can find anything.
    fn pass(&mut self, now_ms: i64) {
        if now_ms < self.timer_ms {
            return;
        }
        let interval_ms = self.outcome.thresholds.interval_ms.max(1);
        if !self.dirty.is_empty() {
            self.write(self.timer_ms);
            self.outcome.by_timer += 1;
        }
        let looks = now_ms.abs_diff(self.timer_ms) / interval_ms + 1;
        self.timer_ms = self.timer_ms.saturating_add_unsigned(looks.saturating_mul(interval_ms));
    }

    fn see(&mut self, event: TraceEvent) {
        self.pass(event.time_ms);
        if self.events == 0 {
            self.first_ms = event.time_ms;
        }
        self.events += 1;
        let old = self.dirty.insert(event.key, event.bytes).unwrap_or(0);
        self.dirty_bytes = self.dirty_bytes.saturating_add(event.bytes).saturating_sub(old);
        self.outcome.dirty_bytes_max = self.outcome.dirty_bytes_max.max(self.dirty_bytes);
        self.outcome.events_at_risk_max = self.outcome.events_at_risk_max.max(self.events);
        let Thresholds { dirty_count, dirty_bytes, .. } = self.outcome.thresholds;
        if self.dirty.len() as u64 >= dirty_count || self.dirty_bytes >= dirty_bytes {
            self.write(event.time_ms);
        }
    }

    fn write(&mut self, now_ms: i64) {
        let age_ms = now_ms.abs_diff(self.first_ms);
        self.outcome.recovery_point_ms = self.outcome.recovery_point_ms.max(age_ms);
        self.outcome.checkpoints += 1;
        self.outcome.rows_written += self.dirty.len() as u64;
        self.dirty.clear();
        self.dirty_bytes = 0;
        self.events = 0;
    }
}

/// An entry in the cache.
struct Cached {
    bytes: u64,
    used: u64,
    is_dirty: bool,
}

/// The actor cache at work.
struct Cache {
    limits: CacheLimits,
    entries: ByKey<Cached>,
    /// Entries by when they were last used.
    order: BTreeMap<u64, u64>,
    dirty: HashSet<u64>,
    clock: u64,
    bytes: u64,
    dirty_bytes: u64,
    dirty_since_ms: i64,
    outcome: CacheOutcome,
}

impl Cache {
    fn new(limits: CacheLimits) -> Self {
        Cache {
            limits,
            entries: ByKey::default(),
            order: BTreeMap::new(),
            dirty: HashSet::new(),
            clock: 0,
            bytes: 0,
            dirty_bytes: 0,
            dirty_since_ms: 0,
            outcome: CacheOutcome {
                limits: limits.name,
                flushes: 0,
                stalls: 0,
                rows_written: 0,
                evictions: 0,
                refused: 0,
                resets: 0,
                bytes_max: 0,
                dirty_bytes_max: 0,
            },
        }
    }

    fn see(&mut self, event: TraceEvent) {
        let waited = event.time_ms.abs_diff(self.dirty_since_ms);
        if !self.dirty.is_empty() && waited >= self.limits.flush_ms {
            self.flush();
        }
        if event.bytes > self.limits.operation_bytes {
            self.outcome.refused += 1;
            return;
        }
        if self.dirty.is_empty() {
            self.dirty_since_ms = event.time_ms;
        }
        self.clock += 1;
        let fresh = Cached { bytes: event.bytes, used: self.clock, is_dirty: true };
        if let Some(old) = self.entries.insert(event.key, fresh) {
            self.order.remove(&old.used);
            self.bytes = self.bytes.saturating_sub(old.bytes);
            if old.is_dirty {
                self.dirty_bytes = self.dirty_bytes.saturating_sub(old.bytes);
            }
        }
        self.order.insert(self.clock, event.key);
        self.dirty.insert(event.key);
        self.bytes = self.bytes.saturating_add(event.bytes);
        self.dirty_bytes = self.dirty_bytes.saturating_add(event.bytes);
        self.evict();
        self.outcome.bytes_max = self.outcome.bytes_max.max(self.bytes);
        self.outcome.dirty_bytes_max = self.outcome.dirty_bytes_max.max(self.dirty_bytes);
        if self.bytes > self.limits.hard_bytes {
            self.outcome.resets += 1;
            self.entries.clear();
            self.order.clear();
            self.dirty.clear();
            (self.bytes, self.dirty_bytes) = (0, 0);
        } else if self.dirty_bytes > self.limits.dirty_bytes {
            self.outcome.stalls += 1;
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.outcome.flushes += 1;
        self.outcome.rows_written += self.dirty.len() as u64;
        for key in self.dirty.drain() {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.is_dirty = false;
            }
        }
        self.dirty_bytes = 0;
        self.evict();
    }

    /// Past the soft limit clean entries go, the longest unused first.
    fn evict(&mut self) {
        let mut kept = Vec::new();
        while self.bytes > self.limits.soft_bytes && self.bytes > self.dirty_bytes {
            let Some((used, key)) = self.order.pop_first() else { break };
            match self.entries.get(&key) {
                Some(entry) if entry.is_dirty => kept.push((used, key)),
                _ => {
                    let bytes = self.entries.remove(&key).map_or(0, |entry| entry.bytes);
                    self.bytes = self.bytes.saturating_sub(bytes);
                    self.outcome.evictions += 1;
                }
            }
        }
        self.order.extend(kept);
    }
}

/// The settings to try for `target`, each once.
fn settings(target: Target) -> Vec<Thresholds> {
    let with = |usual: &[u64], own: &[u64]| {
        let mut all: Vec<u64> = usual.iter().chain(own).copied().filter(|number| *number > 0).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let intervals = with(&INTERVALS_MS, &[target.recovery_point_ms]);
    // The event that reaches the bytes may pass them, so a setting with some room is tried too.
    let memory_bytes = target.dirty_bytes_max;
    let bytes = with(&DIRTY_BYTES, &[memory_bytes, memory_bytes / 10 * 9, memory_bytes / 2]);
    let mut settings = Vec::new();
    for interval_ms in &intervals {
        for dirty_count in DIRTY_COUNTS {
            let of = |dirty_bytes: &u64| Thresholds {
                interval_ms: *interval_ms,
                dirty_count,
                dirty_bytes: *dirty_bytes,
            };
            settings.extend(bytes.iter().map(of));
        }
    }
    // Every event at once: nothing is ever lost.
    let [interval_ms, ..] = INTERVALS_MS;
    let [dirty_bytes, ..] = DIRTY_BYTES;
    settings.push(Thresholds { interval_ms, dirty_count: 1, dirty_bytes });
    settings
}

/// Goes through a log.
pub struct Trace {
    target: Target,
    cache: Cache,
    checkpointers: Vec<Checkpointer>,
    values: ByKey<u64>,
    report: TraceReport,
    first_ms: Option<i64>,
    last_ms: i64,
    second: (i64, u64),
    state_bytes: u64,
}

impl Trace {
    /// A model with these limits of the cache, that looks for a setting within `target`.
    pub fn new(cache: CacheLimits, target: Target) -> Self {
        let cache = Cache::new(cache);
        let report = TraceReport {
            events: 0,
            keys: 0,
            keys_are_more: false,
            bytes: 0,
            span_ms: 0,
            out_of_order: 0,
            events_per_second: 0.0,
            events_per_second_max: 0,
            state_bytes_max: 0,
            every_write_usd_per_month: 0.0,
            outcomes: Vec::new(),
            best: None,
            cache: cache.outcome,
        };
        Trace {
            target,
            cache,
            checkpointers: Vec::new(),
            values: ByKey::default(),
            report,
            first_ms: None,
            last_ms: i64::MIN,
            second: (i64::MIN, 0),
            state_bytes: 0,
        }
    }

    /// The next event of the log.
    pub fn see(&mut self, mut event: TraceEvent) {
        let report = &mut self.report;
        if event.time_ms < self.last_ms {
            report.out_of_order += 1;
            event.time_ms = self.last_ms;
        }
        if self.first_ms.is_none() {
            self.first_ms = Some(event.time_ms);
            let new = |thresholds| Checkpointer::new(thresholds, event.time_ms);
            self.checkpointers = settings(self.target).into_iter().map(new).collect();
        }
        self.last_ms = event.time_ms;
        report.events += 1;
        report.bytes = report.bytes.saturating_add(event.bytes);
        let second = event.time_ms.div_euclid(1_000);
        if second != self.second.0 {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        report.events_per_second_max = report.events_per_second_max.max(self.second.1);
        if self.values.len() < KEYS_MAX || self.values.contains_key(&event.key) {
            let old = self.values.insert(event.key, event.bytes).unwrap_or(0);
            self.state_bytes = self.state_bytes.saturating_add(event.bytes).saturating_sub(old);
        } else {
            report.keys_are_more = true;
            self.state_bytes = self.state_bytes.saturating_add(event.bytes);
        }
        report.state_bytes_max = report.state_bytes_max.max(self.state_bytes);
        for checkpointer in &mut self.checkpointers {
            checkpointer.see(event);
        }
        self.cache.see(event);
    }

    /// What it came to, and the setting to take.
    pub fn finish(mut self) -> TraceReport {
        let target = self.target;
        let last_ms = self.last_ms;
        let span_ms = self.first_ms.map_or(0, |first_ms| last_ms.abs_diff(first_ms));
        // A log of a moment is taken for one of a second.
        let seconds = (span_ms as f64 / 1000.0).max(1.0);
        let per_month = |rows: u64| rows as f64 / seconds * SECONDS_PER_DAY * DAYS_PER_MONTH;
        let usd = |rows: u64| ROWS_WRITTEN.billed_micro_usd(per_month(rows).ceil() as u128) as f64 / 1e6;
        if !self.cache.dirty.is_empty() {
            self.cache.flush();
        }
        let mut outcomes: Vec<Outcome> = self
            .checkpointers
            .into_iter()
            .map(|mut checkpointer| {
                if !checkpointer.dirty.is_empty() {
                    checkpointer.write(last_ms);
                }
                let rows = checkpointer.outcome.rows_written;
                Outcome { usd_per_month: usd(rows), ..checkpointer.outcome }
            })
            .collect();
        // Equal rows: the one that loses less.
        outcomes.sort_by_key(|outcome| {
            let Thresholds { interval_ms, dirty_count, dirty_bytes } = outcome.thresholds;
            (outcome.rows_written, outcome.recovery_point_ms, interval_ms, dirty_count, dirty_bytes)
        });
        let is_allowed = |outcome: &&Outcome| {
            outcome.recovery_point_ms <= target.recovery_point_ms
                && outcome.dirty_bytes_max <= target.dirty_bytes_max
        };
        TraceReport {
            keys: self.values.len() as u64,
            span_ms,
            events_per_second: self.report.events as f64 / seconds,
            every_write_usd_per_month: usd(self.report.events),
            best: outcomes.iter().find(is_allowed).copied(),
            outcomes,
            cache: self.cache.outcome,
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::{SERVER_CACHE, SPIKE_CACHE};
    use proptest::prelude::*;

    const TARGET: Target = Target { recovery_point_ms: 5_000, dirty_bytes_max: 64 << 20 };

    fn run(cache: CacheLimits, events: impl Iterator<Item = (i64, u64, u64)>) -> TraceReport {
        let mut trace = Trace::new(cache, TARGET);
        for (time_ms, key, bytes) in events {
            trace.see(TraceEvent { time_ms, key, bytes });
        }
        trace.finish()
    }

    fn of(report: &TraceReport, interval_ms: u64, dirty_count: u64) -> Outcome {
        let is = |outcome: &&Outcome| {
            outcome.thresholds == Thresholds { interval_ms, dirty_count, dirty_bytes: 10 << 20 }
        };
        *report.outcomes.iter().find(is).unwrap()
    }

    #[test]
    fn ten_keys_a_hundred_times_a_second() {
        // 60 s of 100 events a second over 10 keys.
        let report = run(SPIKE_CACHE, (0..6_000).map(|number| (number * 10, (number % 10) as u64, 100)));
        assert_eq!((report.events, report.keys, report.state_bytes_max), (6_000, 10, 1_000));
        assert_eq!((report.span_ms, report.events_per_second_max), (59_990, 100));
        let balanced = of(&report, 5_000, 1_000);
        assert_eq!(balanced.profile, Some("balanced"));
        // Eleven looks of the timer and what is left at the end, ten rows each.
        assert_eq!((balanced.checkpoints, balanced.by_timer, balanced.rows_written), (12, 11, 120));
        assert_eq!((balanced.recovery_point_ms, balanced.events_at_risk_max), (5_000, 500));
        // Flushed 2 s after the first write of each batch.
        assert_eq!((report.cache.flushes, report.cache.rows_written, report.cache.stalls), (30, 300, 0));
        assert_eq!(report.best.unwrap().thresholds.interval_ms, 5_000);
    }

    #[test]
    fn counts_and_bytes_make_checkpoints_too() {
        let report = run(SPIKE_CACHE, (0..1_000).map(|number| (0, number, 100_000)));
        let by_count = of(&report, 60_000, 100);
        assert_eq!((by_count.checkpoints, by_count.by_timer), (10, 0));
        // 10 MiB are 105 entries of 100,000 bytes.
        let by_bytes = of(&report, 60_000, 10_000);
        assert_eq!(by_bytes.checkpoints, 10);
        assert_eq!(by_bytes.dirty_bytes_max, 10_500_000);
        // 8 MiB are full with 84 entries: writers wait; past 32 MiB clean entries go.
        assert_eq!(report.cache.stalls, 11);
        assert!(report.cache.evictions > 600, "{:?}", report.cache);
        assert!(report.cache.bytes_max <= SPIKE_CACHE.soft_bytes + SPIKE_CACHE.dirty_bytes + 100_000);
        assert_eq!(report.cache.resets, 0);
    }

    #[test]
    fn what_is_too_large_is_refused_or_resets() {
        let report = run(SPIKE_CACHE, [(0, 1, 17 << 20), (0, 2, 16 << 20)].into_iter());
        assert_eq!((report.cache.refused, report.cache.stalls), (1, 1));
        let tight = CacheLimits { hard_bytes: 10 << 20, ..SERVER_CACHE };
        let report = run(tight, [(0, 1, 11 << 20)].into_iter());
        assert_eq!(report.cache.resets, 1);
    }

    #[test]
    fn the_target_itself_is_tried() {
        let events = || {
            (0..6_000).map(|number| TraceEvent {
                time_ms: number * 10,
                key: (number % 10) as u64,
                bytes: 100,
            })
        };
        let best = |recovery_point_ms, dirty_bytes_max| {
            let mut trace = Trace::new(SPIKE_CACHE, Target { recovery_point_ms, dirty_bytes_max });
            events().for_each(|event| trace.see(event));
            trace.finish().best
        };
        // 59,990 ms in steps of 7 s: eight looks of the timer and what is left, ten rows each.
        let seven = best(7_000, 64 << 20).unwrap();
        assert_eq!((seven.thresholds.interval_ms, seven.rows_written), (7_000, 90));
        // Half of what may wait: each five entries are a checkpoint, as every write is a row then.
        let tight = best(7_000, 1_000).unwrap();
        assert!(tight.dirty_bytes_max <= 1_000 && tight.rows_written >= 90, "{tight:?}");
        let nothing = best(0, 64 << 20).unwrap();
        assert_eq!(
            (nothing.thresholds.dirty_count, nothing.rows_written, nothing.recovery_point_ms),
            (1, 6_000, 0)
        );
    }

    proptest! {
        #[test]
        fn no_log_breaks_it(events in prop::collection::vec((any::<i64>(), 0..50_u64, any::<u64>()), 0..300)) {
            let report = run(SERVER_CACHE, events.iter().copied());
            prop_assert_eq!(report.events, events.len() as u64);
            prop_assert!(report.outcomes.iter().all(|outcome| outcome.rows_written <= report.events));
        }
    }
}
