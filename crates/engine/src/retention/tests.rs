#![allow(clippy::unwrap_used)]
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::id::{Hash, Namespace};

fn candidate(namespace: &str, sequence: u64, created_at: &str) -> Candidate {
    let key = ManifestKey {
        namespace: Namespace::new(namespace).unwrap(),
        sequence,
        id: Hash::of(format!("{namespace} {sequence}").as_bytes()),
    };
    Candidate { key, created_at: created_at.parse().unwrap(), tags: Vec::new() }
}

fn now() -> Time {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The sequences that are kept, with their reasons.
fn kept(candidates: &[Candidate], policy: &RetentionPolicy) -> Vec<(u64, Vec<&'static str>)> {
    let reasons = reasons(candidates, policy, now());
    let all = candidates.iter().zip(reasons).filter(|(_, reasons)| !reasons.is_empty());
    all.map(|(candidate, reasons)| (candidate.key.sequence, reasons.into_iter().map(Reason::name).collect()))
        .collect()
}

#[test]
fn each_period_keeps_its_newest() {
    let times = [
        "2026-10-31T23:59:59.999Z", // a Saturday, the last moment of a month
        "2026-11-01T00:00:00Z",     // a Sunday, of the same week
        "2026-11-02T08:00:00Z",     // a Monday
        "2026-11-02T08:59:00Z",
        "2026-11-02T09:00:00Z",
    ];
    let all: Vec<_> = (1..).zip(times).map(|(sequence, at)| candidate("a", sequence, at)).collect();
    let none = RetentionPolicy::default();
    assert!(none.is_empty());
    assert_eq!(kept(&all, &none), [(5, vec!["newest"])]);
    let keeps = |policy: RetentionPolicy| kept(&all, &policy).iter().map(|kept| kept.0).collect::<Vec<_>>();
    assert_eq!(keeps(RetentionPolicy { last: 2, ..none.clone() }), [4, 5]);
    assert_eq!(keeps(RetentionPolicy { hourly: 3, ..none.clone() }), [2, 4, 5]);
    assert_eq!(keeps(RetentionPolicy { daily: 9, ..none.clone() }), [1, 2, 5]);
    assert_eq!(keeps(RetentionPolicy { weekly: 2, ..none.clone() }), [2, 5]);
    assert_eq!(keeps(RetentionPolicy { monthly: 2, ..none.clone() }), [1, 5]);
    let day = RetentionPolicy { within_ms: Some(86_400_000), ..none.clone() };
    assert_eq!(keeps(day.clone()), [3, 4, 5]);
    assert_eq!(kept(&all, &day)[0], (3, vec!["within"]));
    let mut tagged = all.clone();
    tagged[1].tags = vec![Tag::new("release").unwrap(), Tag::new("other").unwrap()];
    let policy = RetentionPolicy { tags: vec![Tag::new("release").unwrap()], ..none };
    assert_eq!(kept(&tagged, &policy), [(2, vec!["tag"]), (5, vec!["newest"])]);
}

/// A chain and what it is being compacted to: whichever a prune removed, the other would go as its twin.
#[test]
fn twins_stay_or_go_together() {
    let at = "2026-11-02T08:00:00Z";
    let other = |sequence: u64, name: &str| {
        let mut twin = candidate("a", sequence, at);
        twin.key.id = Hash::of(name.as_bytes());
        twin
    };
    let mut tagged = other(1, "tagged");
    tagged.tags = vec![Tag::new("release").unwrap()];
    let all =
        [candidate("a", 1, at), tagged, candidate("a", 2, at), other(2, "x"), other(3, "y"), other(3, "z")];
    let tags = vec![Tag::new("release").unwrap()];
    let policy = RetentionPolicy { last: 1, tags, ..RetentionPolicy::default() };
    let found = reasons(&all, &policy, now());
    let kept: Vec<bool> = found.iter().map(|reasons| !reasons.is_empty()).collect();
    assert_eq!(kept, [true, true, false, false, true, true]);
    assert_eq!((&found[0], &found[4]), (&found[1], &found[5]));
    let two = RetentionPolicy { last: 2, ..RetentionPolicy::default() };
    let kept: Vec<bool> = reasons(&all, &two, now()).iter().map(|reasons| !reasons.is_empty()).collect();
    assert_eq!(kept, [false, false, true, true, true, true]);
}

#[test]
fn a_clock_that_jumps_removes_nothing_new() {
    // The third was made while the clock was far ahead, the last after it was set back.
    let times = [
        "2026-11-19T00:00:00Z",
        "2026-11-20T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "2026-11-21T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ];
    let all: Vec<_> = (1..).zip(times).map(|(sequence, at)| candidate("a", sequence, at)).collect();
    let keeps = |all: &[Candidate], policy: &RetentionPolicy| {
        kept(all, policy).iter().map(|kept| kept.0).collect::<Vec<_>>()
    };
    let last = RetentionPolicy { last: 1, ..RetentionPolicy::default() };
    assert_eq!(keeps(&all, &last), [5]);
    // The newest one's clock is behind: nothing counts as old.
    let day = RetentionPolicy { within_ms: Some(86_400_000), ..RetentionPolicy::default() };
    assert_eq!(keeps(&all, &day), [1, 2, 3, 4, 5]);
    // The newest one's clock is ahead: old is what is old now.
    assert_eq!(keeps(&all[..3], &day), [3]);
    let two_days = RetentionPolicy { within_ms: Some(2 * 86_400_000), ..RetentionPolicy::default() };
    assert_eq!(keeps(&all[..3], &two_days), [2, 3]);
    let daily = RetentionPolicy { daily: 4, ..RetentionPolicy::default() };
    assert_eq!(keeps(&all, &daily), [2, 3, 4, 5]);
}

fn policies() -> impl Strategy<Value = RetentionPolicy> {
    let count = || prop_oneof![Just(0_u32), 0..5_u32, Just(u32::MAX)];
    let within = prop_oneof![Just(None), (0..40 * DAY_MS as u64).prop_map(Some), Just(Some(u64::MAX))];
    (count(), count(), count(), count(), count(), within, any::<bool>()).prop_map(
        |(last, hourly, daily, weekly, monthly, within_ms, tagged)| {
            let tags = if tagged { vec![Tag::new("t").unwrap()] } else { Vec::new() };
            RetentionPolicy { last, hourly, daily, weekly, monthly, within_ms, tags }
        },
    )
}

/// Checkpoints of two namespaces whose clocks go anywhere.
fn stores() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (any::<bool>(), 0..60 * DAY_MS, 0..4_u8);
    vec(one, 0..40).prop_map(|all| {
        let made = |(number, (other, ms, tagged)): (usize, (bool, i64, u8))| {
            let mut made = candidate(if other { "b" } else { "a" }, number as u64 + 1, "0");
            made.created_at = Time::from_unix_ms(1_790_000_000_000 + ms).unwrap();
            made.tags = if tagged == 0 { vec![Tag::new("t").unwrap()] } else { Vec::new() };
            made
        };
        all.into_iter().enumerate().map(made).collect()
    })
}

fn keeps(candidates: &[Candidate], policy: &RetentionPolicy, now: Time) -> HashSet<Hash> {
    let reasons = reasons(candidates, policy, now);
    let kept = candidates.iter().zip(reasons).filter(|(_, reasons)| !reasons.is_empty());
    kept.map(|(candidate, _)| candidate.key.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_by_sequence_is_kept(all in stores(), policy in policies(), now in 0..4_000_000_000_000_i64) {
        let kept = keeps(&all, &policy, Time::from_unix_ms(now).unwrap());
        for namespace in ["a", "b"] {
            let of_namespace = all.iter().filter(|one| one.key.namespace.as_str() == namespace);
            let mut by_age: Vec<_> = of_namespace.collect();
            by_age.sort_by_key(|one| Reverse(one.key.sequence));
            let always = policy.last.max(1) as usize;
            for one in by_age.iter().take(always) {
                prop_assert!(kept.contains(&one.key.id));
            }
            // Those with the tag, and never more than all rules together can keep.
            let tag_keeps = |one: &&Candidate| {
                one.tags.is_empty() || policy.tags.is_empty() || kept.contains(&one.key.id)
            };
            prop_assert!(by_age.iter().all(tag_keeps));
            let counts = [policy.hourly, policy.daily, policy.weekly, policy.monthly, policy.last];
            let most = counts.into_iter().fold(1_u64, |sum, count| sum + u64::from(count));
            if policy.within_ms.is_none() && policy.tags.is_empty() {
                let count = by_age.iter().filter(|one| kept.contains(&one.key.id)).count();
                prop_assert!(count as u64 <= most);
            }
        }
    }

    /// What was kept would be kept again: pruning twice at one moment is pruning once.
    #[test]
    fn pruning_again_removes_nothing(all in stores(), policy in policies()) {
        let kept = keeps(&all, &policy, now());
        let left: Vec<_> = all.iter().filter(|one| kept.contains(&one.key.id)).cloned().collect();
        prop_assert_eq!(keeps(&left, &policy, now()), kept);
    }

    /// Another namespace, the order of the listing and a more generous policy take nothing away.
    #[test]
    fn keeping_is_monotone(all in stores(), policy in policies(), more in 1..3_u32) {
        let kept = keeps(&all, &policy, now());
        let mut reversed = all.clone();
        reversed.reverse();
        prop_assert_eq!(&keeps(&reversed, &policy, now()), &kept);
        let of_a: Vec<_> = all.iter().filter(|one| one.key.namespace.as_str() == "a").cloned().collect();
        let kept_of_a = keeps(&of_a, &policy, now());
        let expected: HashSet<_> =
            of_a.iter().map(|one| one.key.id).filter(|id| kept.contains(id)).collect();
        prop_assert_eq!(kept_of_a, expected);
        let generous = RetentionPolicy {
            last: policy.last.saturating_add(more),
            daily: policy.daily.saturating_add(more),
            monthly: policy.monthly.saturating_add(more),
            ..policy
        };
        prop_assert!(kept.is_subset(&keeps(&all, &generous, now())));
    }
}
