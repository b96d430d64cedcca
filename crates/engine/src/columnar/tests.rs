#![allow(clippy::unwrap_used)]
//! What was taken apart comes together as it was.

use proptest::prelude::*;

use super::{COLUMNS_IN_ALL_MAX, SLOT, read, tag, write};

/// Bytes of the columns of `raw`, if it was taken apart.
fn back(raw: &[u8]) -> Option<usize> {
    let columns = write(raw)?;
    let mut again = vec![0; raw.len()];
    read(&columns.bytes, &mut again).unwrap();
    assert!(again == raw, "{}\n{}", String::from_utf8_lossy(raw), String::from_utf8_lossy(&again));
    assert!(columns.cuts.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(columns.cuts.iter().all(|cut| (1..columns.bytes.len()).contains(cut)));
    Some(columns.bytes.len())
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    (0..count).map(|number| line(number) + "\n").collect::<String>().into_bytes()
}

#[test]
fn a_series_becomes_a_few_bytes() {
    let raw = lines(5000, |n| {
        format!(
            "[\"sensor:7:{}\",{{\"t\":{},\"ok\":true}}]",
            1_700_000_000 + n * 60,
            1_700_000_000_000 + n * 60_000
        )
    });
    let bytes = back(&raw).unwrap();
    assert!(bytes < 200, "{bytes} of {}", raw.len());
}

#[test]
fn texts_of_numbers_are_kept() {
    let odd = [
        "1.0",
        "1e3",
        "1E+3",
        "-0",
        "-0.0",
        "0",
        "0.00",
        "9007199254740993",
        "12345678901234567890123",
        "0.1000000000000000055511151231257827",
        "1.10",
        "null",
        "true",
        "\"\"",
        "\"007\"",
        "\"\\u0000\\\"\"",
        "\"é 12 é\"",
        "[]",
        "{}",
        "[1,[2,[3,{\"a\":4}]]]",
        "-1.5",
        "100",
        "1e-7",
        "18446744073709551616",
    ];
    let raw = lines(2000, |n| {
        format!(
            "[\"k{n:05}\",{{\"v\":{},\"w\":[{},{}]}}]",
            odd[n % odd.len()],
            odd[n * 7 % odd.len()],
            n as f64 / 8.0
        )
    });
    back(&raw).unwrap();
    for text in odd {
        back(&lines(300, |n| format!("[\"{n}\",{text}]"))).unwrap();
    }
}

#[test]
fn what_is_no_json_comes_back_too() {
    for raw in
        [&b"\n"[..], b"\n\n\n", b"\"\n", b"\"\\\n", b"nul tru 1e\n", b"]]}}{[\n", b"-\n", b"a:1,\"b\":2\n"]
    {
        back(&raw.repeat(200)).unwrap();
    }
    assert_eq!(write(b""), None);
    assert_eq!(write(b"no end"), None);
    assert_eq!(write(b"a\0b\n"), None);
}

#[test]
fn members_that_are_missing_share_columns() {
    let raw = lines(3000, |n| {
        let tags: Vec<String> = (0..n % 5).map(|tag| format!("\"tag{tag}\"")).collect();
        let name = if n % 3 == 0 { "" } else { "\"name\":\"someone\"," };
        format!("[\"user:{n:06}\",{{{name}\"id\":{n},\"tags\":[{}]}}]", tags.join(","))
    });
    let bytes = back(&raw).unwrap();
    assert!(bytes * 12 < raw.len(), "{bytes} of {}", raw.len());
}

#[test]
fn names_that_are_data_make_no_columns() {
    assert_eq!(write(&lines(5000, |n| format!("[\"k\",{{\"member{n}\":{n}}}]"))), None);
    let wide =
        |n: usize| (0..30).map(|m| format!("\"m{}\":1", n % 50 * 30 + m)).collect::<Vec<_>>().join(",");
    assert_eq!(write(&lines(2000, |n| format!("[\"k\",{{{}}}]", wide(n)))), None);
    // Digits in many patterns: as texts.
    let odd = |n: usize| (0..n % 13).map(|_| "x-1").collect::<String>();
    back(&lines(3000, |n| format!("[\"k{n}\",\"{}{}\"]", "y".repeat(n % 41), odd(n)))).unwrap();
}

/// Any change is an error or other lines, never a panic.
#[test]
fn damaged_columns_are_refused_or_differ() {
    let raw = lines(60, |n| {
        format!(
            "[\"user:{n}\",{{\"a\":{},\"b\":\"x{}\",\"c\":{}.5,\"d\":\"{}\"}}]",
            n * 3,
            n % 4,
            n,
            ["on", "off"][n % 2]
        )
    });
    let columns = write(&raw).unwrap().bytes;
    let mut again = vec![0; raw.len()];
    for position in 0..columns.len() {
        for bit in 0..8 {
            let mut changed = columns.clone();
            changed[position] ^= 1 << bit;
            let _ = read(&changed, &mut again);
        }
        assert!(read(&columns[..position], &mut again).is_err());
    }
    let mut longer = columns.clone();
    longer.push(0);
    assert!(read(&longer, &mut again).is_err());
    for stated in [0, raw.len() - 1, raw.len() + 1] {
        assert!(read(&columns, &mut vec![0; stated]).is_err());
    }
}

/// A line of `digits` digits in as many columns: four bytes each, and far more while they are decoded.
fn column_for_each_digit(digits: u32) -> Vec<u8> {
    // One integer that is 0, in no bytes; a number of seven bits a byte.
    let zero = [4, 0];
    let mut columns = vec![1, 1, 1, SLOT, b'\n', 0];
    columns.extend(zero);
    columns.extend([tag::PATTERNS, 1, tag::PLAIN, 4, 4]);
    columns.extend((digits * 2).to_le_bytes());
    columns.extend(vec![SLOT; digits as usize]);
    columns.extend(zero);
    columns.extend([tag::DIGITS, 1, 4, 0].repeat(digits as usize));
    columns
}

#[test]
fn few_bytes_cannot_ask_for_columns_without_end() {
    // Beside the digits' there is that of the line and that of the pattern.
    let most = COLUMNS_IN_ALL_MAX as u32 - 2;
    for digits in [5, most, most + 1, 1_000_000] {
        let mut raw = vec![0; digits as usize + 1];
        let done = read(&column_for_each_digit(digits), &mut raw);
        if digits <= most {
            done.unwrap();
            assert!(raw.ends_with(b"0\n") && raw[..digits as usize].iter().all(|byte| *byte == b'0'));
        } else {
            assert!(done.unwrap_err().to_string().contains("more than 65536 columns"), "{digits}");
        }
    }
}

/// JSON of any shape, spelled in any way.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?",
        "\"[a-z:_0-9-]{0,12}\"",
        "\"([ -!#-\\[\\]-~é語]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,10}\"",
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("null".to_owned()),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec(("[ab]", inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_entries_come_back(entries in prop::collection::vec(("[a-c0-9:]{0,6}", json()), 1..40)) {
        let text: String = entries.iter().map(|(key, value)| format!("[\"{key}\",{value}]\n")).collect();
        back(text.as_bytes());
        // So often that it pays.
        prop_assert!(back(&text.repeat(40).into_bytes()).is_some());
    }

    #[test]
    fn any_lines_come_back(text in "[ -~\n]{0,400}") {
        back((text + "\n").repeat(20).as_bytes());
    }

    #[test]
    fn any_bytes_are_read_in_bounds(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, &mut [0; 300]);
    }
}
