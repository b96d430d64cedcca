//! What every entity must be, as `validateState` of the recovery checks it.

use super::text::{Value, each_member};
use crate::state::{Cursor, Scanner};

/// What is wrong with the entity `data` that is kept under `id`; JSON that was checked.
pub fn validate_entity(id: &[u8], data: &[u8]) -> Vec<&'static str> {
    let (mut own_id, mut own_type, mut version) = (None, None, None);
    each_member(&mut Scanner::new(), data, |member| match member.key() {
        b"$id" => own_id = Some(Value { text: member.value, token: member.token }),
        b"$type" => own_type = Some(member.value),
        b"$version" => version = Some(member.value),
        _ => {}
    });
    let mut wrong = Vec::new();
    if !own_id.is_some_and(|own| is_filled(own.text)) {
        wrong.push("it has no $id");
    } else if own_id.and_then(|own| own.string()).as_deref() != Some(id) {
        wrong.push("its $id is not the one that it is kept under");
    }
    wrong.extend(faults(own_type, version));
    wrong
}

/// What is wrong with an entity whose `$type` and `$version` have these JSON texts.
pub(super) fn faults(entity_type: Option<&[u8]>, version: Option<&[u8]>) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    if !entity_type.is_some_and(is_filled) {
        wrong.push("it has no $type");
    }
    // A string is no number, whatever it says.
    let number = version.and_then(|text| std::str::from_utf8(text).ok()?.parse::<f64>().ok());
    if !number.is_some_and(|number| number >= 1.0) {
        wrong.push("its $version is no number from 1 on");
    }
    wrong
}

/// Whether JavaScript takes the value with this JSON text for true.
fn is_filled(text: &[u8]) -> bool {
    !matches!(text, b"" | b"\"\"" | b"0" | b"-0" | b"null" | b"false")
}

/// The entities of a collection: id and JSON of each. A JSON array, or an object with an entity in each
/// member, as the checkpointer of the seeds writes. `None` if it is something else.
pub fn collection_entities(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if text.first() == Some(&b'{') {
        let mut array = Vec::from(*b"[");
        Scanner::new().value(&mut Cursor::new(text, 0)).ok()?;
        each_member(&mut Scanner::new(), text, |member| {
            if array.len() > 1 {
                array.push(b',');
            }
            array.extend_from_slice(member.value);
        });
        array.push(b']');
        return collection_entities(&array);
    }
    let mut all = Vec::new();
    let mut cursor = Cursor::new(text, 0);
    let mut scanner = Scanner::new();
    let mut is_sound = true;
    let scanned = scanner.elements(&mut cursor, |scanner, cursor| {
        let start = cursor.position();
        is_sound &= cursor.next_token() == b'{';
        scanner.value(cursor)?;
        let data = text.get(start..cursor.position()).unwrap_or_default();
        let mut id = None;
        each_member(&mut Scanner::new(), data, |member| {
            if member.key() == b"$id" {
                id = Value { text: member.value, token: member.token }.string();
            }
        });
        match id {
            Some(id) => all.push((id.into_owned(), data.to_vec())),
            None => is_sound = false,
        }
        Ok(())
    });
    (scanned.is_ok() && is_sound).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_recovery_checks() {
        let sound = br#"{"$id":"a","$type":"T","$version":1}"#;
        assert!(validate_entity(b"a", sound).is_empty());
        assert_eq!(validate_entity(b"b", sound), ["its $id is not the one that it is kept under"]);
        assert_eq!(
            validate_entity(b"a", br#"{"$id":"","$type":null,"$version":"2"}"#),
            ["it has no $id", "it has no $type", "its $version is no number from 1 on"]
        );
        assert_eq!(
            validate_entity(b"a", br#"{"$id":"a","$type":"T","$version":0}"#),
            ["its $version is no number from 1 on"]
        );
    }
}
