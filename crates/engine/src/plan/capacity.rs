//! When a growing object meets a limit.

use serde::Serialize;

use super::design::Design;
use super::partition::{READS_PER_SECOND, WRITES_PER_SECOND_MAX, WRITES_PER_SECOND_MIN};
use crate::limits::{LimitStatus, MEMORY, OBJECT, RESTORE_WINDOW, ROW, WARN_PERCENT};
use crate::placement::PlacementPolicy;

/// One limit and the day on which it is met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// The limit's name.
    pub limit: &'static str,
    /// What counts against it.
    pub what: &'static str,
    /// What happens past it.
    pub then: &'static str,
    /// Its number, where it is one of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<u64>,
    /// What there is today, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_bytes: Option<u64>,
    /// Its number, where it is a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
    /// What it takes today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_ms: Option<u64>,
    /// Its number, where it is a rate of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_per_second: Option<f64>,
    /// The rate today.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_per_second: Option<f64>,
    /// Days until it is passed; 0 if it is, `null` if it never is.
    pub days: Option<f64>,
    /// How near it is today.
    pub status: LimitStatus,
}

/// What a number of a forecast counts.
enum Kind {
    Bytes,
    Milliseconds,
    Rate,
}

/// `actual` today, and what every further entry adds to it.
struct Line {
    limit: &'static str,
    what: &'static str,
    then: &'static str,
    kind: Kind,
    /// Whether it is passed as soon as it is met.
    is_end: bool,
    allowed: f64,
    actual: f64,
    per_day: f64,
}

impl Line {
    fn forecast(&self) -> Forecast {
        let is_passed = self.actual > self.allowed || (self.is_end && self.actual == self.allowed);
        let days = if is_passed {
            Some(0.0)
        } else if self.per_day > 0.0 {
            let days = (self.allowed - self.actual) / self.per_day;
            Some((days * 10.0).floor() / 10.0).filter(|days| days.is_finite())
        } else {
            None
        };
        let status = if is_passed {
            LimitStatus::Exceeded
        } else if self.actual * 100.0 >= self.allowed * WARN_PERCENT as f64 && self.actual > 0.0 {
            LimitStatus::Warn
        } else {
            LimitStatus::Ok
        };
        let (is_bytes, is_time) = (matches!(self.kind, Kind::Bytes), matches!(self.kind, Kind::Milliseconds));
        let is_rate = matches!(self.kind, Kind::Rate);
        Forecast {
            limit: self.limit,
            what: self.what,
            then: self.then,
            limit_bytes: is_bytes.then_some(self.allowed as u64),
            actual_bytes: is_bytes.then_some(self.actual.ceil() as u64),
            limit_ms: is_time.then_some(self.allowed as u64),
            actual_ms: is_time.then_some(self.actual.ceil() as u64),
            limit_per_second: is_rate.then_some(self.allowed),
            actual_per_second: is_rate.then_some(self.actual),
            days,
            status,
        }
    }
}

/// Every limit that an object of `design` may meet, the first to come first; those that never come last.
pub fn forecasts(design: &Design, policy: &PlacementPolicy) -> Vec<Forecast> {
    let today = design.sizes_after(0.0);
    let (raw, compressed) = (today.raw_bytes as f64, today.compressed_bytes as f64);
    let raw_per_day = design.event_bytes() * design.growth_per_day;
    let compressed_per_day = raw_per_day * design.compression_ratio;
    let bytes = |limit, what, then, allowed: u64, actual, per_day| Line {
        limit,
        what,
        then,
        kind: Kind::Bytes,
        is_end: false,
        allowed: allowed as f64,
        actual,
        per_day,
    };
    let rate = |limit, what, then, allowed: u64, actual| Line {
        limit,
        what,
        then,
        kind: Kind::Rate,
        is_end: false,
        allowed: allowed as f64,
        actual,
        per_day: 0.0,
    };
    let cache = design.cache;
    let restore_rate = design.restore_bytes_per_second.max(1) as f64 / 1000.0;
    let dirty = design.writes_per_second * design.event_bytes() * cache.flush_ms as f64 / 1000.0;
    let mut lines = vec![
        Line {
            is_end: true,
            ..bytes(
                "one-row",
                "the checkpoint, compressed",
                "it becomes chunks",
                policy.row_bytes_end,
                compressed,
                compressed_per_day,
            )
        },
        bytes(
            "row",
            "the checkpoint, compressed, in one row",
            "the write is refused",
            ROW.amount,
            compressed,
            compressed_per_day,
        ),
        bytes(
            "object",
            "the state and its newest checkpoint",
            "writes are refused",
            OBJECT.amount,
            raw + compressed,
            raw_per_day + compressed_per_day,
        ),
        bytes(
            "memory",
            "the state, held in memory",
            "the isolate is stopped",
            MEMORY.amount,
            raw,
            raw_per_day,
        ),
        bytes(
            "cache-soft",
            "the state, once read through the actor cache",
            "clean ones are evicted",
            cache.soft_bytes,
            raw,
            raw_per_day,
        ),
        bytes(
            "cache-hard",
            "the state, read in one operation",
            "the isolate is reset",
            cache.hard_bytes,
            raw,
            raw_per_day,
        ),
        bytes(
            "cache-operation",
            "the state, put in one operation",
            "a put is refused",
            cache.operation_bytes,
            raw,
            raw_per_day,
        ),
        bytes(
            "cache-dirty",
            "what is written until the flush",
            "writers wait",
            cache.dirty_bytes,
            dirty,
            0.0,
        ),
        Line {
            limit: RESTORE_WINDOW.name,
            what: "a restore in one piece",
            then: "the start times out",
            kind: Kind::Milliseconds,
            is_end: false,
            allowed: RESTORE_WINDOW.amount as f64,
            actual: raw / restore_rate,
            per_day: raw_per_day / restore_rate,
        },
        rate("writes", "writes", "requests queue", WRITES_PER_SECOND_MAX, design.writes_per_second),
        rate("reads", "reads", "requests queue", READS_PER_SECOND, design.reads_per_second),
    ];
    let thresholds = [
        ("state-warn", "people are warned", policy.warn_bytes),
        ("state-chunks", "it is always chunks", policy.chunk_bytes),
        ("state-r2", "it goes to R2", policy.overflow_raw_bytes),
        ("state-rejected", "it is rejected", policy.raw_bytes_end),
    ];
    for (limit, then, allowed) in thresholds {
        if allowed < u64::MAX {
            let line = bytes(limit, "the state, raw", then, allowed, raw, raw_per_day);
            lines.push(Line { is_end: true, ..line });
        }
    }
    let mut forecasts: Vec<Forecast> = lines.iter().map(Line::forecast).collect();
    let slow = WRITES_PER_SECOND_MIN as f64;
    for forecast in forecasts.iter_mut().filter(|forecast| forecast.limit == "writes") {
        if design.writes_per_second > slow && forecast.status == LimitStatus::Ok {
            forecast.status = LimitStatus::Warn;
        }
    }
    forecasts.sort_by(|a, b| {
        let days = |forecast: &Forecast| forecast.days.unwrap_or(f64::INFINITY);
        days(a).total_cmp(&days(b))
    });
    forecasts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn days(design: &Design, limit: &str) -> Option<f64> {
        let all = forecasts(design, &PlacementPolicy::BUDGET);
        all.iter().find(|forecast| forecast.limit == limit).unwrap().days
    }

    #[test]
    fn days_are_those_of_the_growth() {
        // 134.4 bytes an entry, so 134,400 bytes a day, a tenth of it compressed.
        let design = Design { growth_per_day: 1_000.0, ..Design::default() };
        assert_eq!(
            days(&design, "memory"),
            Some(((128e6 - 1_344_000.0) / 135_000.0_f64 * 10.0).floor() / 10.0)
        );
        assert_eq!(days(&design, "cache-dirty"), None);
        let still = Design::default();
        assert_eq!(days(&still, "object"), None);
        // Further away than anybody plans, and still no never.
        let slow = Design { growth_per_day: 1.0, ..Design::default() };
        assert!(days(&slow, "object").unwrap() > 36_525.0);
        let full = Design { entries: 1_000_000_000, ..Design::default() };
        assert_eq!(days(&full, "object"), Some(0.0));
        // 134.4 GB at 20 MB a second.
        let all = forecasts(&full, &PlacementPolicy::BUDGET);
        let window = all.iter().find(|forecast| forecast.limit == "restore-window").unwrap();
        assert_eq!((window.actual_ms, window.days), (Some(6_720_000), Some(0.0)));
    }

    #[test]
    fn the_first_limit_comes_first() {
        let design = Design { growth_per_day: 50_000.0, ..Design::default() };
        let all = forecasts(&design, &PlacementPolicy::BUDGET);
        assert_eq!(all.first().unwrap().limit, "one-row");
        let met: Vec<f64> = all.iter().filter_map(|forecast| forecast.days).collect();
        assert!(met.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
