//! An entity's events, in order, become its state.

use std::borrow::Cow;
use std::collections::HashMap;

use super::parse::EventKind;
use super::record::EventRecord;
use super::text::{Member, each_member, push_string};
use super::validate::faults;
use crate::state::Scanner;

/// Members up to which a name is looked for one by one.
const SEARCHED_MAX: usize = 48;

/// What became of the events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FoldCount {
    /// Events that changed something.
    pub applied: u64,
    /// Updates and deletes of an entity that was not there.
    pub orphans: u64,
}

/// Members by name, each once, where it first appeared.
#[derive(Default)]
struct Members<'a> {
    list: Vec<Member<'a>>,
    /// Places by name, once there are many.
    places: HashMap<Box<[u8]>, usize>,
}

impl<'a> Members<'a> {
    fn clear(&mut self) {
        self.list.clear();
        self.places.clear();
    }

    fn set(&mut self, member: Member<'a>) {
        let place = if self.list.len() <= SEARCHED_MAX {
            // Names of one length mostly differ in their first letter.
            let (first, key) = (member.key().first(), member.key());
            self.list.iter().position(|known| known.key().first() == first && known.key() == key)
        } else {
            if self.places.is_empty() {
                let places = self.list.iter().enumerate();
                self.places = places.map(|(place, known)| (known.key().into(), place)).collect();
            }
            self.places.get(member.key()).copied()
        };
        match place.and_then(|place| self.list.get_mut(place)) {
            Some(known) => known.value = member.value,
            None => {
                if !self.places.is_empty() {
                    self.places.insert(member.key().into(), self.list.len());
                }
                self.list.push(member);
            }
        }
    }
}

/// One entity on its way through its events. Used again for the next one, whose texts live as long.
pub struct Fold<'a> {
    scanner: Scanner,
    live: bool,
    /// JSON texts of the five members that the system keeps; empty for what is not there.
    id: Cow<'a, [u8]>,
    entity_type: Cow<'a, [u8]>,
    version: Cow<'a, [u8]>,
    created: &'a [u8],
    updated: &'a [u8],
    /// The type as the image's column has it.
    type_name: Cow<'a, [u8]>,
    rest: Members<'a>,
    count: FoldCount,
}

impl Default for Fold<'_> {
    fn default() -> Self {
        Fold {
            scanner: Scanner::new(),
            live: false,
            id: Cow::Borrowed(&[]),
            entity_type: Cow::Borrowed(&[]),
            version: Cow::Borrowed(&[]),
            created: &[],
            updated: &[],
            type_name: Cow::Borrowed(&[]),
            rest: Members::default(),
            count: FoldCount::default(),
        }
    }
}

impl<'a> Fold<'a> {
    /// Begins with the next entity; `base` is its type and data if it is there already.
    pub fn begin(&mut self, base: Option<(&'a [u8], &'a [u8])>) {
        self.live = false;
        self.rest.clear();
        self.count = FoldCount::default();
        let Some((type_name, data)) = base else {
            return;
        };
        self.live = true;
        self.type_name = Cow::Borrowed(type_name);
        self.clear_system();
        let (rest, mut system) = (&mut self.rest, [&[][..]; 5]);
        each_member(&mut self.scanner, data, |member| match system_place(member.key()) {
            Some(place) => {
                if let Some(known) = system.get_mut(place) {
                    *known = member.value;
                }
            }
            None => rest.set(member),
        });
        self.set_system(system);
    }

    fn clear_system(&mut self) {
        self.set_system([&[]; 5]);
    }

    fn set_system(&mut self, [id, entity_type, version, created, updated]: [&'a [u8]; 5]) {
        self.id = Cow::Borrowed(id);
        self.entity_type = Cow::Borrowed(entity_type);
        self.version = Cow::Borrowed(version);
        (self.created, self.updated) = (created, updated);
    }

    /// Applies the next event.
    pub fn apply(&mut self, event: &EventRecord<'a>) {
        match event.kind {
            EventKind::Created => self.create(event),
            EventKind::Updated { .. } | EventKind::Deleted if !self.live => {
                self.count.orphans += 1;
                return;
            }
            EventKind::Updated { merge } => self.update(event, merge),
            EventKind::Deleted => self.live = false,
            _ => return,
        }
        self.count.applied += 1;
    }

    /// What the payload says comes before what the event says, and that before the defaults. The id
    /// alone is always the event's.
    fn create(&mut self, event: &EventRecord<'a>) {
        self.live = true;
        self.rest.clear();
        let rest = &mut self.rest;
        let mut system: [&'a [u8]; 5] = [&[], &[], event.version, event.time_text, event.time_text];
        each_member(&mut self.scanner, event.payload, |member| match system_place(member.key()) {
            Some(place) => {
                if let Some(known) = system.get_mut(place) {
                    *known = member.value;
                }
            }
            None => rest.set(member),
        });
        self.set_system(system);
        // By another name nobody would find it.
        if self.id.get(1..self.id.len().saturating_sub(1)) != Some(event.id) {
            self.id = Cow::Owned(string(event.id));
        }
        if self.entity_type.is_empty() {
            self.entity_type = Cow::Owned(string(event.entity_type));
        }
        if self.version.is_empty() {
            self.version = Cow::Borrowed(b"1");
        }
        self.type_name = Cow::Borrowed(event.entity_type);
    }

    fn update(&mut self, event: &EventRecord<'a>, merge: bool) {
        if !merge {
            self.rest.clear();
        }
        let rest = &mut self.rest;
        each_member(&mut self.scanner, event.payload, |member| {
            if system_place(member.key()).is_none() {
                rest.set(member);
            }
        });
        self.version =
            if event.version.is_empty() { next_version(&self.version) } else { Cow::Borrowed(event.version) };
        if !event.time_text.is_empty() {
            self.updated = event.time_text;
        }
    }

    /// Whether the entity is there.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The type under which the entity is kept.
    pub fn type_name(&self) -> &[u8] {
        &self.type_name
    }

    /// What became of the events since [`Fold::begin`].
    pub fn count(&self) -> FoldCount {
        self.count
    }

    /// What `validateState` of the recovery would say of the entity.
    pub fn faults(&self) -> Vec<&'static str> {
        faults(Some(&self.entity_type), Some(&self.version))
    }

    /// Appends the entity's state as a JSON object.
    pub fn write(&self, into: &mut Vec<u8>) {
        into.push(b'{');
        let mut begun = false;
        let mut member = |name: &[u8], value: &[u8]| {
            if std::mem::replace(&mut begun, true) {
                into.push(b',');
            }
            into.push(b'"');
            into.extend_from_slice(name);
            into.extend_from_slice(b"\":");
            into.extend_from_slice(value);
        };
        for (name, value) in [
            (&b"$id"[..], &*self.id),
            (b"$type", &*self.entity_type),
            (b"$version", &*self.version),
            (b"$createdAt", self.created),
            (b"$updatedAt", self.updated),
        ] {
            if !value.is_empty() {
                member(name, value);
            }
        }
        for known in &self.rest.list {
            member(known.name, known.value);
        }
        into.push(b'}');
    }
}

/// Which of the five members that the system keeps `name` is.
fn system_place(name: &[u8]) -> Option<usize> {
    if name.first() != Some(&b'$') {
        return None;
    }
    [&b"$id"[..], b"$type", b"$version", b"$createdAt", b"$updatedAt"].iter().position(|known| *known == name)
}

fn string(text: &[u8]) -> Vec<u8> {
    let mut string = Vec::with_capacity(text.len() + 2);
    push_string(text, &mut string);
    string
}

/// The version after `version`; 1 after what is no whole number.
fn next_version<'a>(version: &[u8]) -> Cow<'a, [u8]> {
    let number = std::str::from_utf8(version).ok().and_then(|text| text.parse::<u64>().ok());
    let next = number.and_then(|number| number.checked_add(1)).unwrap_or(1);
    Cow::Owned(next.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event<'a>(kind: EventKind, time: &'a str, payload: &'a str) -> EventRecord<'a> {
        EventRecord {
            kind,
            namespace: 0,
            position: 0,
            time_ms: 0,
            sequence: None,
            transaction: 0,
            id: b"a",
            entity_type: b"T",
            time_text: time.as_bytes(),
            version: b"",
            payload: payload.as_bytes(),
        }
    }

    fn state(base: Option<&str>, events: &[EventRecord<'_>]) -> (String, FoldCount) {
        let mut fold = Fold::default();
        fold.begin(base.map(|data| (&b"T"[..], data.as_bytes())));
        for event in events {
            fold.apply(event);
        }
        let mut text = Vec::new();
        if fold.is_live() {
            fold.write(&mut text);
        }
        (String::from_utf8(text).unwrap(), fold.count())
    }

    const MERGE: EventKind = EventKind::Updated { merge: true };
    const WHOLE: EventKind = EventKind::Updated { merge: false };

    #[test]
    fn created_then_updated() {
        let created = event(EventKind::Created, "1", r#"{"$id":"a","n":1,"m":2}"#);
        let expected = r#"{"$id":"a","$type":"T","$version":1,"$createdAt":1,"$updatedAt":1,"n":1,"m":2}"#;
        assert_eq!(state(None, &[created]).0, expected);
        let delta = event(MERGE, "2", r#"{"$id":"z","$type":"U","$createdAt":9,"$version":9,"m":3,"o":4}"#);
        let expected =
            r#"{"$id":"a","$type":"T","$version":2,"$createdAt":1,"$updatedAt":2,"n":1,"m":3,"o":4}"#;
        assert_eq!(state(None, &[created, delta]).0, expected);
        let whole = event(WHOLE, "3", r#"{"m":5}"#);
        let expected = r#"{"$id":"a","$type":"T","$version":3,"$createdAt":1,"$updatedAt":3,"m":5}"#;
        assert_eq!(state(None, &[created, delta, whole]).0, expected);
        assert_eq!(state(Some(&state(None, &[created, delta]).0), &[whole]).0, expected);
    }

    #[test]
    fn the_payload_counts_before_the_defaults() {
        let created = event(
            EventKind::Created,
            "1",
            r#"{"$version":7,"$createdAt":"then","$updatedAt":null,"$type":"U"}"#,
        );
        let expected = r#"{"$id":"a","$type":"U","$version":7,"$createdAt":"then","$updatedAt":null}"#;
        assert_eq!(state(None, &[created]).0, expected);
    }

    #[test]
    fn what_was_not_there() {
        let created = event(EventKind::Created, "2", "{}");
        let delta = event(MERGE, "1", r#"{"n":1}"#);
        let deleted = event(EventKind::Deleted, "1", "");
        for early in [delta, deleted] {
            assert_eq!(state(None, &[early]), (String::new(), FoldCount { applied: 0, orphans: 1 }));
            let (text, count) = state(None, &[early, created]);
            assert_eq!(text, r#"{"$id":"a","$type":"T","$version":1,"$createdAt":2,"$updatedAt":2}"#);
            assert_eq!(count, FoldCount { applied: 1, orphans: 1 });
        }
        let again = event(EventKind::Created, "3", r#"{"m":1}"#);
        let (text, count) =
            state(None, &[event(EventKind::Created, "0", r#"{"n":1}"#), delta, deleted, again]);
        assert_eq!(text, r#"{"$id":"a","$type":"T","$version":1,"$createdAt":3,"$updatedAt":3,"m":1}"#);
        assert_eq!(count.applied, 4);
    }

    #[test]
    fn names_that_repeat_or_look_special() {
        let payload = r#"{"n":1,"__proto__":{"x":1},"\u006e":2,"constructor":3,"n":9007199254740993}"#;
        let text = state(None, &[event(EventKind::Created, "1", payload)]).0;
        assert!(text.ends_with(r#""n":9007199254740993,"__proto__":{"x":1},"constructor":3}"#), "{text}");
        let many: Vec<String> = (0..200).map(|n| format!("\"k{}\":{n}", n % 120)).collect();
        let text = state(None, &[event(EventKind::Created, "1", &format!("{{{}}}", many.join(",")))]).0;
        assert_eq!(text.matches("\"k").count(), 120);
        assert!(text.contains("\"k79\":199,\"k80\":80"), "{text}");
    }
}
