//! The order of an entity's events.
//!
//! By sequence within a namespace; else by time, then by sequence or version, then by place in the
//! log. So that events with and without a sequence have one order together, a numbered event's time
//! counts as at least that of those numbered before it.

use super::record::EventRecord;

/// What an image remembers of an entity's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// The last event's time, in the sense of the order.
    pub time_ms: i64,
    /// The last event's sequence, or [`u64::MAX`].
    pub sequence: u64,
    /// The hash of the last event's namespace.
    pub namespace: u32,
    /// Events that were applied in all.
    pub count: u32,
}

impl Last {
    /// Whether `event`, of the namespace that hashes to `namespace`, certainly comes after it.
    pub fn is_before(&self, event: &EventRecord<'_>, namespace: u32) -> bool {
        match event.sequence {
            // Behind an event without a number, or of another namespace, others may have been numbered later,
            // and a number in between changes where they stand.
            Some(sequence) => {
                self.sequence != u64::MAX && self.namespace == namespace && sequence > self.sequence
            }
            None => event.time_ms > self.time_ms,
        }
    }
}

/// A version as the number that orders events of the same time.
fn version(event: &EventRecord<'_>) -> u64 {
    std::str::from_utf8(event.version).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Puts an entity's events into their order and gives the last one's time in the sense of it.
pub fn sort_events(events: &mut [EventRecord<'_>]) -> i64 {
    let [first, rest @ ..] = events else {
        return i64::MIN;
    };
    if rest.is_empty() {
        return first.time_ms;
    }
    let (namespace, numbered) = (first.namespace, first.sequence.is_some());
    let alike = rest.iter().all(|event| event.namespace == namespace && event.sequence.is_some() == numbered);
    if alike && numbered {
        events.sort_by_key(|event| (event.sequence, event.time_ms, event.position));
        return events.iter().map(|event| event.time_ms).max().unwrap_or(i64::MIN);
    }
    if alike {
        events.sort_by_key(|event| (event.time_ms, version(event), event.position));
        return events.last().map_or(i64::MIN, |event| event.time_ms);
    }
    sort_mixed(events)
}

/// The same for numbered and other events, or those of several namespaces, together.
fn sort_mixed(events: &mut [EventRecord<'_>]) -> i64 {
    events.sort_by_key(|event| (event.namespace, event.sequence.is_none(), event.sequence, event.time_ms));
    let mut keyed: Vec<(i64, u64, u64, u64, EventRecord<'_>)> = Vec::with_capacity(events.len());
    let (mut namespace, mut latest) = (None, i64::MIN);
    for event in events.iter() {
        let (time_ms, number) = match event.sequence {
            Some(sequence) => {
                if namespace != Some(event.namespace) {
                    (namespace, latest) = (Some(event.namespace), i64::MIN);
                }
                latest = latest.max(event.time_ms);
                (latest, sequence)
            }
            None => (event.time_ms, u64::MAX),
        };
        keyed.push((time_ms, number, version(event), event.position, *event));
    }
    keyed.sort_by_key(|(time_ms, number, version, position, _)| (*time_ms, *number, *version, *position));
    let last = keyed.last().map_or(i64::MIN, |(time_ms, ..)| *time_ms);
    for (into, (.., event)) in events.iter_mut().zip(keyed) {
        *into = event;
    }
    last
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::EventKind;

    fn event(namespace: u32, sequence: Option<u64>, time_ms: i64, position: u64) -> EventRecord<'static> {
        EventRecord {
            kind: EventKind::Created,
            namespace,
            position,
            time_ms,
            sequence,
            transaction: 0,
            id: b"a",
            entity_type: b"T",
            time_text: b"",
            version: b"",
            payload: b"{}",
        }
    }

    fn order(mut events: Vec<EventRecord<'static>>) -> Vec<u64> {
        sort_events(&mut events);
        events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn the_sequence_counts_before_the_clock() {
        assert_eq!(order(vec![event(0, Some(2), 5, 0), event(0, Some(1), 9, 1)]), [1, 0]);
        assert_eq!(order(vec![event(0, None, 9, 0), event(0, None, 5, 1), event(0, None, 9, 2)]), [1, 0, 2]);
    }

    #[test]
    fn mixed_events_have_one_order_however_they_came() {
        // The second is numbered after the first, which was later by the clock.
        let events = [
            event(0, Some(1), 10, 0),
            event(0, Some(2), 5, 1),
            event(0, None, 7, 2),
            event(0, None, 12, 3),
            event(1, Some(1), 10, 4),
        ];
        let expected = [2, 0, 4, 1, 3];
        for turn in 0..events.len() {
            let mut turned = events.to_vec();
            turned.rotate_left(turn);
            assert_eq!(order(turned), expected);
        }
    }
}
