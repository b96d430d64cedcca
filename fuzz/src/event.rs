//! The event parser on any bytes: what it accepts is JSON, and what becomes of an entity is an object
//! with its id.

use dotctl_engine::event::{EventParser, EventRecord, Fold, Item, sort_events, validate_entity};
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Checks everything that must hold for any `data`.
pub fn fuzz(data: &[u8]) {
    let mut parser = EventParser::default();
    let mut stored = Vec::new();
    let mut position = 0;
    let mut at = 0;
    while let Ok(end) = parser.parse(data, at, &mut |item| {
        if let Item::Event(event) = item
            && !event.id.is_empty()
        {
            assert!(
                std::str::from_utf8(&event.id).is_ok() && std::str::from_utf8(&event.entity_type).is_ok()
            );
            if !event.payload.is_empty() {
                let payload: &RawValue = serde_json::from_slice(&event.payload).expect("a payload is JSON");
                assert!(payload.get().starts_with('{'));
            }
            EventRecord::of(&event, 0, position, 0).write(&mut stored);
            position += 1;
        }
    }) {
        assert!(end > at && end <= data.len(), "no progress");
        at = end;
    }
    let mut records = Vec::new();
    let mut rest = stored.as_slice();
    while let Some((record, bytes)) = EventRecord::read(rest) {
        records.push(record);
        rest = &rest[bytes..];
    }
    assert!(rest.is_empty());
    records.sort_by(|one, other| one.id.cmp(other.id));
    for events in records.chunk_by_mut(|one, other| one.id == other.id) {
        sort_events(events);
        let id = events[0].id;
        let mut fold = Fold::default();
        fold.begin(None);
        events.iter().for_each(|event| fold.apply(event));
        if !fold.is_live() {
            continue;
        }
        let mut entity = Vec::new();
        fold.write(&mut entity);
        // Half of a surrogate pair is a member's name for JSON, but not for serde_json.
        if let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(&entity) {
            let found: Option<String> = serde_json::from_str(members["$id"].get()).ok();
            assert_eq!(found.as_deref().map(str::as_bytes), Some(id));
        }
        assert_eq!(validate_entity(id, &entity), fold.faults());
        // What an entity is stays as it is when nothing happens to it.
        let mut again = Fold::default();
        again.begin(Some((fold.type_name(), &entity)));
        let mut text = Vec::new();
        again.write(&mut text);
        assert_eq!(text, entity);
    }
}
