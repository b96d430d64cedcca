//! Which checkpoints of a store are kept: a pure function of what is there, a policy and the time.
//!
//! Sequences order checkpoints, clocks only label them. So the newest of a namespace is the one with
//! the largest sequence, whatever its clock said, and it is always kept. Hours, days, weeks (from
//! Monday) and months are those of UTC.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde::Serialize;

use crate::format::layout::ManifestKey;
use crate::id::Time;
use crate::tag::Tag;

const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3600 * SECOND_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The first day of 1970 was a Thursday: three days after its week began.
const EPOCH_WEEKDAY: i64 = 3;

/// What is to be kept. Each rule is by itself: a checkpoint that one of them keeps is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the newest so many hours that have one.
    pub hourly: u32,
    /// The same for days.
    pub daily: u32,
    /// The same for weeks.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// All that are at most so many milliseconds older than the newest one, or than now if the
    /// newest one claims to come later.
    pub within_ms: Option<u64>,
    /// All that have one of these tags.
    pub tags: Vec<Tag>,
}

impl RetentionPolicy {
    /// Whether it keeps nothing but the newest of each namespace.
    pub fn is_empty(&self) -> bool {
        *self == RetentionPolicy::default()
    }
}

/// A checkpoint as the policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Whose it is, its sequence and its id.
    pub key: ManifestKey,
    /// What the maker's clock said.
    pub created_at: Time,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// Why a checkpoint is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It is the newest of its namespace.
    Newest,
    /// `last`.
    Last,
    /// `hourly`.
    Hourly,
    /// `daily`.
    Daily,
    /// `weekly`.
    Weekly,
    /// `monthly`.
    Monthly,
    /// `within_ms`.
    Within,
    /// `tags`.
    Tag,
    /// It is the second store's half of a checkpoint that another store names.
    Placed,
}

impl Reason {
    /// The name in JSON and for people.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Newest => "newest",
            Reason::Last => "last",
            Reason::Hourly => "hourly",
            Reason::Daily => "daily",
            Reason::Weekly => "weekly",
            Reason::Monthly => "monthly",
            Reason::Within => "within",
            Reason::Tag => "tag",
            Reason::Placed => "placed",
        }
    }
}

/// Why each of `candidates` is kept, in their order. Without a reason it goes. Those of one sequence and time
/// are one checkpoint, as a chain and what it is being compacted to: they stay or go together.
pub fn reasons(candidates: &[Candidate], policy: &RetentionPolicy, now: Time) -> Vec<Vec<Reason>> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    // By namespace, the newest first.
    order.sort_by_key(|&place| {
        candidates.get(place).map(|candidate| {
            let key = &candidate.key;
            (key.namespace.clone(), Reverse((key.sequence, key.id)))
        })
    });
    let mut groups: Vec<(Candidate, Vec<usize>)> = Vec::new();
    for place in order {
        let Some(candidate) = candidates.get(place) else {
            continue;
        };
        let of_one_place = |(first, _): &&mut (Candidate, Vec<usize>)| {
            (&first.key.namespace, first.key.sequence) == (&candidate.key.namespace, candidate.key.sequence)
        };
        let mut near = groups.iter_mut().rev().take_while(of_one_place);
        match near.find(|(first, _)| first.created_at == candidate.created_at) {
            Some((first, places)) => {
                first.tags.extend(candidate.tags.iter().cloned());
                places.push(place);
            }
            None => groups.push((candidate.clone(), vec![place])),
        }
    }
    let mut all = vec![Vec::new(); candidates.len()];
    let mut rules: Option<Rules<'_>> = None;
    for (candidate, places) in &groups {
        let same = rules.take().filter(|rules| rules.newest.key.namespace == candidate.key.namespace);
        let mut of_namespace = same.unwrap_or_else(|| Rules::new(policy, candidate, now));
        let mut reasons = Vec::new();
        of_namespace.apply(candidate, &mut reasons);
        rules = Some(of_namespace);
        for place in places {
            if let Some(of_one) = all.get_mut(*place) {
                of_one.clone_from(&reasons);
            }
        }
    }
    all
}

/// The rules on their way through one namespace, from the newest to the oldest.
struct Rules<'a> {
    policy: &'a RetentionPolicy,
    newest: &'a Candidate,
    /// The earliest moment that `within_ms` keeps.
    since_ms: Option<i64>,
    last: u32,
    periods: [Period; 4],
}

/// One of the rules that keep a checkpoint for each hour, day, week or month.
struct Period {
    reason: Reason,
    left: u32,
    seen: HashSet<i64>,
}

impl<'a> Rules<'a> {
    fn new(policy: &'a RetentionPolicy, newest: &'a Candidate, now: Time) -> Self {
        let reference_ms = newest.created_at.unix_ms().min(now.unix_ms());
        let since = |within_ms: u64| reference_ms.saturating_sub_unsigned(within_ms);
        let period = |reason, left| Period { reason, left, seen: HashSet::new() };
        Rules {
            policy,
            newest,
            since_ms: policy.within_ms.map(since),
            last: policy.last,
            periods: [
                period(Reason::Hourly, policy.hourly),
                period(Reason::Daily, policy.daily),
                period(Reason::Weekly, policy.weekly),
                period(Reason::Monthly, policy.monthly),
            ],
        }
    }

    fn apply(&mut self, candidate: &Candidate, reasons: &mut Vec<Reason>) {
        if candidate.key == self.newest.key {
            reasons.push(Reason::Newest);
        }
        if self.last > 0 {
            self.last -= 1;
            reasons.push(Reason::Last);
        }
        for period in &mut self.periods {
            // A clock that was set back does not open a period again.
            if period.left > 0 && period.seen.insert(number(candidate.created_at, period.reason)) {
                period.left -= 1;
                reasons.push(period.reason);
            }
        }
        if self.since_ms.is_some_and(|since_ms| candidate.created_at.unix_ms() >= since_ms) {
            reasons.push(Reason::Within);
        }
        if candidate.tags.iter().any(|tag| self.policy.tags.contains(tag)) {
            reasons.push(Reason::Tag);
        }
    }
}

/// Which hour, day, week or month of UTC the moment lies in.
fn number(moment: Time, period: Reason) -> i64 {
    let ms = moment.unix_ms();
    match period {
        Reason::Hourly => ms.div_euclid(HOUR_MS),
        Reason::Weekly => ms.div_euclid(DAY_MS).saturating_add(EPOCH_WEEKDAY).div_euclid(7),
        Reason::Monthly => moment.month_number(),
        _ => ms.div_euclid(DAY_MS),
    }
}

#[cfg(test)]
mod tests;
