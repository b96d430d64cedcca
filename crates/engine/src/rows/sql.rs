//! How a value is spelled in SQL, so that any SQLite stores it to the last bit.

use std::fmt::Write as _;

use super::line::Value;

/// Appends `name`, quoted as SQL quotes names.
pub fn push_name(name: &str, into: &mut String) {
    into.push('"');
    into.push_str(&name.replace('"', "\"\""));
    into.push('"');
}

/// Appends an expression that is `value`.
pub fn push_sql_value(value: &Value<'_>, into: &mut String) {
    match value {
        Value::Null => into.push_str("NULL"),
        Value::Integer(number) => {
            let _ = write!(into, "{number}");
        }
        Value::Real(number) => push_real(*number, into),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => push_text(text, into),
            // Only a database in UTF-8 has texts that are not.
            Err(_) => {
                into.push_str("CAST(");
                push_hex(bytes, into);
                into.push_str(" AS TEXT)");
            }
        },
        Value::Blob(bytes) => push_hex(bytes, into),
    }
}

fn push_hex(bytes: &[u8], into: &mut String) {
    into.push_str("X'");
    for byte in bytes {
        let _ = write!(into, "{byte:02x}");
    }
    into.push('\'');
}

/// Parts that are joined by `||`: each joins deeper, and SQLite reads no expression deeper than 1,000.
const JOINED_MAX: usize = 100;

/// A text; SQL itself ends at U+0000.
fn push_text(text: &str, into: &mut String) {
    if text.split('\0').nth(JOINED_MAX).is_some() {
        // A character that the text has not stands for it: no text has all of them in a million bytes.
        if let Some(other) = ('\u{1}'..=char::MAX).find(|other| *other != '\'' && !text.contains(*other)) {
            let text = text.replace('\'', "''").replace('\0', other.encode_utf8(&mut [0; 4]));
            let _ = write!(into, "replace('{text}',char({}),char(0))", u32::from(other));
            return;
        }
    }
    for (position, part) in text.split('\0').enumerate() {
        if position > 0 {
            into.push_str("||char(0)||");
        }
        into.push('\'');
        into.push_str(&part.replace('\'', "''"));
        into.push('\'');
    }
}

/// The largest power of two that is an integer for SQLite, by its exponent.
const FACTOR_BITS: i32 = 62;

/// A real. SQLite's reading of decimal digits is off by a bit now and then, another in each version; its
/// arithmetic with integers and powers of two is exact.
fn push_real(number: f64, into: &mut String) {
    if number.is_infinite() {
        into.push_str(if number > 0.0 { "9e999" } else { "-9e999" });
        return;
    }
    // Whole, and so few digits that they are read as an integer first.
    if number.fract() == 0.0 && number.abs() < 1e15 {
        let _ = write!(into, "{number:.1}");
        return;
    }
    let bits = number.to_bits();
    let exponent_bits = (bits >> 52 & 0x7ff) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mut mantissa, mut exponent) = match exponent_bits {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent_bits - 1075),
    };
    let zeros = mantissa.trailing_zeros();
    mantissa >>= zeros;
    exponent += zeros as i32;
    let _ = write!(into, "({}{mantissa}*1.0", if number.is_sign_negative() { "-" } else { "" });
    let sign = if exponent < 0 { '/' } else { '*' };
    let mut left = exponent.abs();
    while left > 0 {
        let step = left.min(FACTOR_BITS);
        let _ = write!(into, "{sign}{}", 1_u64 << step);
        left -= step;
    }
    let _ = write!(into, " /*{number:?}*/)");
}

/// `sql` with its semicolon, if it is one statement that begins with CREATE, so that it may stand among
/// others: whoever made the database may have put anything there. The statements of a trigger end with
/// `; END`.
pub fn definition_statement(sql: &str) -> Option<String> {
    let mut tokens = Tokens::of(sql);
    if !tokens.next().is_some_and(|first| first.eq_ignore_ascii_case("CREATE")) {
        return None;
    }
    let mut is_trigger = false;
    let mut before = "CREATE";
    for (position, token) in tokens.by_ref().enumerate() {
        let is = |word: &str| token.eq_ignore_ascii_case(word);
        // CREATE TRIGGER, CREATE TEMP TRIGGER
        is_trigger |= is("TRIGGER") && (position == 0 || position == 1 && is_temporary(before));
        if before == "; END" && token != ";" {
            // The END of a CASE behind an empty statement, which is none.
            before = "";
        }
        match (is_trigger, before, token) {
            (false, _, ";") | (_, "; END", ";") => return None,
            (true, ";", _) if is("END") => before = "; END",
            _ => before = token,
        }
    }
    if tokens.is_unterminated {
        return None;
    }
    let end = if tokens.in_comment { "\n;" } else { ";" };
    (!is_trigger || before == "; END").then(|| format!("{sql}{end}"))
}

fn is_temporary(word: &str) -> bool {
    word.eq_ignore_ascii_case("TEMP") || word.eq_ignore_ascii_case("TEMPORARY")
}

/// The words and signs of a statement; strings and comments are no words.
pub(super) struct Tokens<'a> {
    /// What was not read yet.
    pub rest: &'a str,
    /// Whether the text has ended in a comment that goes on to the line's end.
    in_comment: bool,
    /// Whether the text has ended in a string, a name or a comment, which what follows would end.
    is_unterminated: bool,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(sql: &'a str) -> Self {
        Tokens { rest: sql, in_comment: false, is_unterminated: false }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            let behind = |begin: usize, end: &str| {
                let rest = self.rest.get(begin..).unwrap_or_default();
                rest.find(end).map(|at| begin + at + end.len())
            };
            let whole = self.rest.len();
            let (length, is_comment) = match first {
                '-' if self.rest.starts_with("--") => (Some(behind(2, "\n").unwrap_or(whole)), true),
                '/' if self.rest.starts_with("/*") => (behind(2, "*/"), true),
                '\'' | '"' | '`' => (behind(1, first.encode_utf8(&mut [0; 4])), false),
                '[' => (behind(1, "]"), false),
                _ => {
                    let is_part =
                        |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter > '\x7f';
                    let word = self.rest.find(|letter| !is_part(letter)).unwrap_or(self.rest.len());
                    (Some(word.max(first.len_utf8())), false)
                }
            };
            self.is_unterminated |= length.is_none();
            let (token, rest) = self.rest.split_at_checked(length.unwrap_or(whole))?;
            self.in_comment = token.starts_with("--") && !token.ends_with('\n');
            self.rest = rest;
            if !is_comment {
                return Some(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::ValueRef;

    fn sql(value: &Value<'_>) -> String {
        let mut text = String::new();
        push_sql_value(value, &mut text);
        text
    }

    /// What SQLite makes of it, with reals as their bits.
    fn read_back(connection: &Connection, value: &Value<'_>) -> String {
        let text = sql(value);
        connection
            .query_row(&format!("SELECT {text}"), [], |row| {
                Ok(match row.get_ref(0)? {
                    ValueRef::Null => shown(&Value::Null),
                    ValueRef::Integer(number) => shown(&Value::Integer(number)),
                    ValueRef::Real(number) => shown(&Value::Real(number)),
                    ValueRef::Text(bytes) => shown(&Value::Text(bytes.to_vec().into())),
                    ValueRef::Blob(bytes) => shown(&Value::Blob(bytes.to_vec().into())),
                })
            })
            .unwrap()
    }

    fn shown(value: &Value<'_>) -> String {
        match value {
            Value::Real(number) => format!("real {:x}", number.to_bits()),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn spelled_as_people_would_where_that_is_exact() {
        assert_eq!(sql(&Value::Real(3.0)), "3.0");
        assert_eq!(sql(&Value::Real(-0.0)), "-0.0");
        assert_eq!(sql(&Value::Real(0.5)), "(1*1.0/2 /*0.5*/)");
        assert_eq!(sql(&Value::Integer(i64::MIN)), "-9223372036854775808");
        assert_eq!(sql(&Value::Text(b"it's".into())), "'it''s'");
        assert_eq!(sql(&Value::Text(b"a\0b".into())), "'a'||char(0)||'b'");
        assert_eq!(sql(&Value::Text(b"\xff".into())), "CAST(X'ff' AS TEXT)");
        assert_eq!(sql(&Value::Blob(b"\x00\xff".into())), "X'00ff'");
        let mut name = String::new();
        push_name("a\"b", &mut name);
        assert_eq!(name, "\"a\"\"b\"");
    }

    #[test]
    fn definitions_are_one_statement() {
        for sql in [
            "CREATE TABLE t(a, b DEFAULT ';')",
            "create view v as select 1 -- ; DROP TABLE t",
            "CREATE /* ; */ INDEX \"a;b\" ON [c;d](`e;f`)",
            "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'x;y')",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM t; END",
            "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;END",
            "CREATE TRIGGER \"trigger\" AFTER INSERT ON t BEGIN SELECT 'it''s; END;'; END",
        ] {
            let end = if sql.contains("--") { "\n;" } else { ";" };
            assert_eq!(definition_statement(sql), Some(format!("{sql}{end}")));
        }
        for sql in [
            "",
            "DROP TABLE t",
            "CREATE TABLE t(a); DROP TABLE u",
            "CREATE TABLE t(a);",
            "CREATE VIEW v AS SELECT 1; DELETE FROM t; END",
            "CREATE TABLE trigger(a); DELETE FROM t; END",
            "CREATE VIEW trigger AS SELECT 1; DELETE FROM t; END",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t; SELECT 1; END",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END; DROP TABLE t",
            "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1;",
            "CREATE TABLE t(a) /* */ ; DROP TABLE u",
            // What follows would end these.
            "CREATE VIEW a AS SELECT 1 /* x",
            "CREATE VIEW a AS SELECT 1 'x",
            "CREATE VIEW a AS SELECT 1 \"x",
            "CREATE VIEW a AS SELECT 1 [x",
        ] {
            assert_eq!(definition_statement(sql), None);
        }
    }

    #[test]
    fn a_text_of_many_zeros_comes_back() {
        let connection = Connection::open_in_memory().unwrap();
        for text in ["\0".repeat(3_000), "'\0\u{1}a".repeat(2_000), "\0".repeat(JOINED_MAX)] {
            let value = Value::Text(text.as_bytes().into());
            let read = connection
                .query_row(&format!("SELECT {}", sql(&value)), [], |row| row.get::<_, String>(0))
                .unwrap();
            assert!(read == text);
        }
    }

    #[test]
    fn numbers_at_the_edges_come_back() {
        let connection = Connection::open_in_memory().unwrap();
        for number in [
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -5e-324,
            1e15,
            1e15 - 1.0,
            0.1,
            1e300,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
        ] {
            let value = Value::Real(number);
            assert_eq!(read_back(&connection, &value), shown(&value), "{number:?}");
        }
        for number in [i64::MIN, i64::MAX, 0, -1] {
            let value = Value::Integer(number);
            assert_eq!(read_back(&connection, &value), shown(&value), "{number}");
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back(
            real in any::<u64>().prop_map(f64::from_bits),
            integer in any::<i64>(),
            text in any::<String>(),
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let connection = Connection::open_in_memory().unwrap();
            let mut values = vec![
                Value::Integer(integer),
                Value::Text(text.into_bytes().into()),
                Value::Text(bytes.clone().into()),
                Value::Blob(bytes.into()),
            ];
            values.extend((!real.is_nan()).then_some(Value::Real(real)));
            for value in values {
                prop_assert_eq!(read_back(&connection, &value), shown(&value), "{:?}", value);
            }
        }
    }
}
