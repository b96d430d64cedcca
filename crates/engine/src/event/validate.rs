//! What every entity must be, as `validateState` of the recovery checks it.

use super::text::{Value, each_member};
use crate::state::{Scanner, Token};

/// What is wrong with the entity `data` that is kept under `id`; JSON that was checked.
pub fn validate_entity(id: &[u8], data: &[u8]) -> Vec<&'static str> {
    let (mut own_id, mut own_type, mut version) = (None, None, None);
    each_member(&mut Scanner::new(), data, |member| {
        let value = Value { text: member.value, token: member.token };
        match member.key() {
            b"$id" => own_id = Some(value),
            b"$type" => own_type = Some(value),
            b"$version" => version = Some(value),
            _ => {}
        }
    });
    let mut wrong = Vec::new();
    let is_filled = |value: &Option<Value<'_>>| match value {
        None => false,
        Some(Value { text, token: Token::String { .. } }) => text.len() > 2,
        Some(Value { text, token: Token::Number | Token::Literal }) => {
            !matches!(*text, b"0" | b"-0" | b"null" | b"false")
        }
        Some(_) => true,
    };
    if !is_filled(&own_id) {
        wrong.push("it has no $id");
    } else if own_id.and_then(|own| own.string()).as_deref() != Some(id) {
        wrong.push("its $id is not the one that it is kept under");
    }
    if !is_filled(&own_type) {
        wrong.push("it has no $type");
    }
    let number = version
        .filter(|version| version.token == Token::Number)
        .and_then(|version| std::str::from_utf8(version.text).ok()?.parse::<f64>().ok());
    if !number.is_some_and(|number| number >= 1.0) {
        wrong.push("its $version is no number from 1 on");
    }
    wrong
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
