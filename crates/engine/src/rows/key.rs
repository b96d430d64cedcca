//! Keys of rows: they order the lines of a database, and say what each line is.

use std::borrow::Cow;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::line::Value;
use crate::error::{Error, Result};
use crate::id::Hash;

/// Bytes of a place that are spelled out; longer ones are told by their hash.
const PLACE_BYTES_MAX: usize = 4096;

const DATABASE: &str = "database";
const DEFINE: &str = "define/";
const ROW: &str = "row/";

/// Ends a column's value where another column follows, and what stands for it and for [`ESCAPE`] inside.
const END: char = '\t';
const ESCAPE: char = '\u{1}';

/// What a line is about, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKey<'a> {
    /// The database as a whole.
    Database,
    /// An entry of the schema: its type (`table`, `index`, `view`, `trigger`) and its name.
    Definition(&'a str, &'a str),
    /// A row: its table's name, and its place in the table.
    Row(Cow<'a, str>, &'a str),
}

/// What tells a row from the others of its table.
#[derive(Debug, Clone, Copy)]
pub enum RowPlace<'a> {
    /// Its rowid.
    Rowid(i64),
    /// The values of its primary key, in a table WITHOUT ROWID.
    Key(&'a [Value<'a>]),
}

impl<'a> RowKey<'a> {
    /// Reads a key.
    ///
    /// # Errors
    /// Corrupt where it is none of a row.
    pub fn parse(key: &'a [u8]) -> Result<Self> {
        let wrong =
            || Error::corrupt(format!("a checkpoint of rows has the key {}", crate::state::shown_key(key)));
        let key = std::str::from_utf8(key).map_err(|_| wrong())?;
        if key == DATABASE {
            return Ok(RowKey::Database);
        }
        if let Some((kind, name)) = key.strip_prefix(DEFINE).and_then(|rest| rest.split_once('/')) {
            return Ok(RowKey::Definition(kind, name));
        }
        let (table, place) = key.strip_prefix(ROW).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        Ok(RowKey::Row(unescape_name(table), place))
    }

    /// The key of the line about the database as a whole.
    pub fn database() -> Vec<u8> {
        DATABASE.into()
    }

    /// The key of a schema entry.
    pub fn definition(kind: &str, name: &str) -> Vec<u8> {
        format!("{DEFINE}{kind}/{name}").into()
    }
}

/// What the keys of a table's rows begin with.
pub fn table_prefix(table: &str) -> String {
    // Only the slash ends a name.
    format!("{ROW}{}/", table.replace('~', "~0").replace('/', "~1"))
}

fn unescape_name(name: &str) -> Cow<'_, str> {
    match name.contains('~') {
        true => name.replace("~1", "/").replace("~0", "~").into(),
        false => name.into(),
    }
}

/// Appends the place of a row behind its table's prefix.
pub fn push_place(place: RowPlace<'_>, into: &mut String) {
    let begin = into.len();
    match place {
        RowPlace::Rowid(rowid) => {
            into.push('#');
            push_rowid(rowid, into);
        }
        RowPlace::Key(values) => {
            for (position, value) in values.iter().enumerate() {
                push_column(value, position + 1 < values.len(), into);
            }
        }
    }
    let spelled = into.get(begin..).unwrap_or_default();
    if spelled.len() > PLACE_BYTES_MAX {
        let hash = Hash::finish(Sha256::new_with_prefix(spelled));
        into.truncate(begin);
        let _ = write!(into, "~{hash}");
    }
}

/// A value so that texts sort nearly as SQLite sorts the values; no two have the same.
fn push_column(value: &Value<'_>, is_followed: bool, into: &mut String) {
    match value {
        Value::Null => into.push('!'),
        Value::Integer(number) => {
            into.push('#');
            push_rowid(*number, into);
        }
        Value::Real(number) => {
            // Of two with the same sign the bits sort as the numbers do.
            let bits = number.to_bits();
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            let _ = write!(into, "%{ordered:016x}");
        }
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => {
                into.push(':');
                if !is_followed {
                    into.push_str(text);
                    return;
                }
                for character in text.chars() {
                    match character {
                        END => into.extend([ESCAPE, 't']),
                        ESCAPE => into.extend([ESCAPE, ESCAPE]),
                        other => into.push(other),
                    }
                }
            }
            Err(_) => push_hex(';', bytes, into),
        },
        Value::Blob(bytes) => push_hex('@', bytes, into),
    }
    if is_followed {
        into.push(END);
    }
}

fn push_hex(tag: char, bytes: &[u8], into: &mut String) {
    into.push(tag);
    for byte in bytes {
        let _ = write!(into, "{byte:02x}");
    }
}

/// Appends an integer so that texts sort as the numbers do: a letter for the sign and the number of
/// digits, then the digits; a negative number's are each taken from 9. So 7 is `a7`, 42 `b42`, -1 `S8`.
pub fn push_rowid(number: i64, into: &mut String) {
    let begin = into.len();
    let _ = write!(into, " {}", number.unsigned_abs());
    let mut digits: Vec<u8> = into.get(begin + 1..).unwrap_or_default().into();
    into.truncate(begin);
    // At most 19, so the letters are those from `a` to `s`.
    let length = digits.len() as u8;
    if number < 0 {
        digits.iter_mut().for_each(|digit| *digit = b'0' + b'9' - *digit);
    }
    let letter = if number < 0 { b'T' - length } else { b'`' + length };
    into.push(char::from(letter));
    into.extend(digits.iter().map(|digit| char::from(*digit)));
}

/// The rowid of a row by its place, where that has one.
pub fn rowid_of(place: &str) -> Option<i64> {
    let text = place.strip_prefix('#')?;
    let letter = *text.as_bytes().first()?;
    let digits = text.get(1..)?;
    let (length, is_negative) = match letter {
        b'a'..=b's' => (letter - b'`', false),
        b'A'..=b'S' => (b'T' - letter, true),
        _ => return None,
    };
    if digits.len() != usize::from(length) {
        return None;
    }
    let mut number = 0_i64;
    for byte in digits.bytes() {
        let digit = i64::from(byte.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        let digit = if is_negative { digit - 9 } else { digit };
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    let mut again = String::from("#");
    push_rowid(number, &mut again);
    (again == place).then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn rowid(number: i64) -> String {
        let mut text = String::from("#");
        push_rowid(number, &mut text);
        text
    }

    fn place(values: &[Value<'_>]) -> String {
        let mut text = String::new();
        push_place(RowPlace::Key(values), &mut text);
        text
    }

    #[test]
    fn rowids() {
        for (number, text) in [
            (0, "#a0"),
            (7, "#a7"),
            (42, "#b42"),
            (-1, "#S8"),
            (-10, "#R89"),
            (i64::MAX, "#s9223372036854775807"),
            (i64::MIN, "#A0776627963145224191"),
        ] {
            assert_eq!(rowid(number), text);
            assert_eq!(rowid_of(text), Some(number), "{text}");
        }
        for wrong in
            ["", "#", "a0", "#a", "#a00", "#b7", "#b07", "#S9", "#t1", "#aé", "#s9223372036854775808"]
        {
            assert_eq!(rowid_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_say_what_lines_are() {
        assert_eq!(RowKey::parse(&RowKey::database()).unwrap(), RowKey::Database);
        let key = RowKey::definition("table", "a/b~c");
        assert_eq!(key, b"define/table/a/b~c");
        assert_eq!(RowKey::parse(&key).unwrap(), RowKey::Definition("table", "a/b~c"));
        let key = format!("{}#a7", table_prefix("a/b~c~1"));
        assert_eq!(key, "row/a~1b~0c~01/#a7");
        assert_eq!(RowKey::parse(key.as_bytes()).unwrap(), RowKey::Row("a/b~c~1".into(), "#a7"));
        for wrong in ["", "row", "row/t", "define/table", "counter:1"] {
            assert!(RowKey::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(RowKey::parse(b"row/t/\xff").is_err());
    }

    #[test]
    fn places_of_keys() {
        assert_eq!(place(&[Value::Text(b"counter:42".into())]), ":counter:42");
        assert_eq!(place(&[Value::Text(b"a\tb".into()), Value::Integer(7)]), ":a\u{1}tb\t#a7");
        assert_eq!(place(&[Value::Blob(b"\x00\xff".into())]), "@00ff");
        assert_eq!(place(&[Value::Text(b"\xff".into())]), ";ff");
        assert_eq!(place(&[Value::Null, Value::Real(1.0)]), "!\t%bff0000000000000");
        let long = place(&[Value::Text(vec![b'x'; 5000].into())]);
        assert_eq!(long.len(), 65, "{long}");
        assert!(long.starts_with('~'));
    }

    proptest! {
        #[test]
        fn rowids_sort_as_numbers(one in any::<i64>(), other in any::<i64>()) {
            prop_assert_eq!(rowid(one).cmp(&rowid(other)), one.cmp(&other));
            prop_assert_eq!(rowid_of(&rowid(one)), Some(one));
        }

        #[test]
        fn reals_sort_as_numbers(one in any::<f64>(), other in any::<f64>()) {
            prop_assume!(!one.is_nan() && !other.is_nan() && one != other);
            let place = |number| place(&[Value::Real(number)]);
            prop_assert_eq!(place(one).cmp(&place(other)), one.partial_cmp(&other).unwrap());
        }

        #[test]
        fn different_keys_have_different_places(
            one in ("[a\t\u{1}t]{0,3}", "[a\t\u{1}t]{0,3}"),
            other in ("[a\t\u{1}t]{0,3}", "[a\t\u{1}t]{0,3}"),
        ) {
            let place = |(first, second): &(String, String)| place(&[
                Value::Text(first.as_bytes().into()),
                Value::Text(second.as_bytes().into()),
            ]);
            prop_assert_eq!(place(&one) == place(&other), one == other);
        }
    }
}
