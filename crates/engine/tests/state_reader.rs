//! The state reader against a generator that knows the answer, and against serde_json.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/src/state.rs"]
mod state_fuzz;

use dotctl_engine::state::{EntryReader, MAX_ENTRY_BYTES, MAX_KEY_BYTES, Step};
use proptest::prelude::*;
use serde_json::value::RawValue;
use state_fuzz::{fuzz, read};

/// JSON whose tokens are known; strings as UTF-16 units, so that lone surrogates are among them.
#[derive(Debug, Clone)]
enum Json {
    Token(&'static str),
    Number(String),
    Text(Vec<u16>),
    Array(Vec<Json>),
    Object(Vec<(Vec<u16>, Json)>),
}

/// Small decisions, repeatable.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// Writes the same tokens twice: with whitespace and without.
struct Writer {
    dice: Dice,
    spaced: String,
    compact: String,
    whitespace: bool,
}

impl Writer {
    fn token(&mut self, token: &str) {
        while self.whitespace && self.dice.roll(3) == 0 {
            let space = [" ", "\n", "\r\n", "\t", "    "][self.dice.roll(5) as usize];
            self.spaced.push_str(space);
        }
        self.spaced.push_str(token);
        self.compact.push_str(token);
    }

    fn text(&mut self, units: &[u16]) {
        let mut token = String::from("\"");
        for character in char::decode_utf16(units.iter().copied()) {
            match character {
                Ok('"') => token.push_str("\\\""),
                Ok('\\') => token.push_str("\\\\"),
                Ok('\n') if self.dice.roll(2) == 0 => token.push_str("\\n"),
                Ok('/') if self.dice.roll(2) == 0 => token.push_str("\\/"),
                Ok(character) if character < ' ' || self.dice.roll(8) == 0 => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        token.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                Ok(character) => token.push(character),
                Err(lone) => token.push_str(&format!("\\u{:04X}", lone.unpaired_surrogate())),
            }
        }
        token.push('"');
        self.token(&token);
    }

    fn value(&mut self, json: &Json) {
        match json {
            Json::Token(token) => self.token(token),
            Json::Number(number) => self.token(number),
            Json::Text(units) => self.text(units),
            Json::Array(items) => {
                self.token("[");
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.token(",");
                    }
                    self.value(item);
                }
                self.token("]");
            }
            Json::Object(members) => {
                self.token("{");
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        self.token(",");
                    }
                    self.text(name);
                    self.token(":");
                    self.value(member);
                }
                self.token("}");
            }
        }
    }
}

fn wtf8(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for character in char::decode_utf16(units.iter().copied()) {
        match character {
            Ok(character) => bytes.extend_from_slice(character.to_string().as_bytes()),
            Err(lone) => {
                let unit = u32::from(lone.unpaired_surrogate());
                bytes.push(0b1110_0000 + (unit / 4096) as u8);
                bytes.push(0b1000_0000 + (unit / 64 % 64) as u8);
                bytes.push(0b1000_0000 + (unit % 64) as u8);
            }
        }
    }
    bytes
}

fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        8 => 0x20_u16..0x7f,
        1 => 0_u16..0x20,
        1 => 0xd7fe_u16..0xe002,
        1 => any::<u16>(),
        1 => prop::sample::select(vec![0x22, 0x5c, 0x2f, 0x0a, 0x2028, 0xd83d, 0xde00]),
    ];
    prop::collection::vec(unit, 0..40)
}

fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?"
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "-0", "0"]).prop_map(Json::Token),
        number().prop_map(Json::Number),
        units().prop_map(Json::Text),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::Array),
            prop::collection::vec((units(), inner), 0..6).prop_map(Json::Object),
        ]
    })
}

fn object() -> impl Strategy<Value = Json> {
    let name = prop_oneof![
        prop::sample::select(vec!["value", "createdAt", "expiresAt"])
            .prop_map(|name| name.encode_utf16().collect::<Vec<u16>>()),
        units(),
    ];
    prop::collection::vec((name, json()), 0..5).prop_map(Json::Object)
}

/// A whole input and what must come out: text and key of each entry.
#[derive(Debug, Clone)]
struct Sample {
    input: Vec<u8>,
    expected: Vec<(Vec<u8>, Vec<u8>)>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let entries = prop::collection::vec((units(), object()), 1..6);
    (entries, any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(entries, seed, lines, whitespace, mark)| {
            let mut writer =
                Writer { dice: Dice(seed | 1), spaced: String::new(), compact: String::new(), whitespace };
            let mut expected = Vec::new();
            if mark {
                writer.spaced.push('\u{feff}');
            }
            if !lines {
                writer.token("[");
            }
            for (index, (key, object)) in entries.iter().enumerate() {
                if index > 0 && lines {
                    let end = ["\n", "\r\n", "\n\n", " \n"][writer.dice.roll(4) as usize];
                    writer.spaced.push_str(end);
                } else if index > 0 {
                    writer.token(",");
                }
                let start = writer.compact.len();
                writer.token("[");
                writer.text(key);
                writer.token(",");
                writer.value(object);
                writer.token("]");
                expected.push((writer.compact.as_bytes()[start..].to_vec(), wtf8(key)));
            }
            if !lines {
                writer.token("]");
            }
            if writer.dice.roll(2) == 0 {
                writer.spaced.push_str("\r\n");
            }
            Sample { input: writer.spaced.into_bytes(), expected }
        },
    )
}

fn texts_and_keys(data: &[u8], piece_bytes: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (entries, error) = read(data, || piece_bytes);
    assert_eq!(error, None, "{}", String::from_utf8_lossy(data));
    entries.into_iter().map(|(text, key, _)| (text, key)).collect()
}

/// Whether serde_json takes `data` as a state.
fn reference_accepts(data: &[u8]) -> bool {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let entry = |parts: &Vec<&RawValue>| {
        matches!(&parts[..], [key, object]
            if key.get().starts_with('"') && object.get().starts_with('{'))
    };
    let mut tokens = data.iter().filter(|byte| !b" \t\r\n".contains(byte));
    if (tokens.next(), tokens.next()) == (Some(&b'['), Some(&b'"')) {
        let mut stream = serde_json::Deserializer::from_slice(data).into_iter::<Vec<&RawValue>>();
        let mut end = 0;
        while let Some(value) = stream.next() {
            let Ok(value) = value else { return false };
            let before = data[end..stream.byte_offset()].iter();
            let ended = before.take_while(|b| b" \t\r\n".contains(b)).any(|b| *b == b'\n');
            if !entry(&value) || (end > 0 && !ended) {
                return false;
            }
            end = stream.byte_offset();
        }
        true
    } else {
        serde_json::from_slice::<Vec<Vec<&RawValue>>>(data).is_ok_and(|entries| entries.iter().all(entry))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn entries_come_out_exactly(sample in sample(), piece_bytes in 1_usize..40) {
        prop_assert!(reference_accepts(&sample.input), "the generator is wrong");
        for piece_bytes in [1, piece_bytes, usize::MAX] {
            prop_assert_eq!(&texts_and_keys(&sample.input, piece_bytes), &sample.expected);
        }
        fuzz(&sample.input);
    }

    #[test]
    fn mutations_are_judged_as_serde_json_does(
        sample in sample(),
        place in any::<prop::sample::Index>(),
        kind in 0..4,
        byte in prop_oneof![
            prop::sample::select(b"[]{}\",:\\u0123456789eE+-.truefalsn \n\t\r\0\x1f\x7f".to_vec()),
            any::<u8>(),
        ],
    ) {
        let mut data = sample.input;
        let place = place.index(data.len());
        match kind {
            0 => data[place] = byte,
            1 => data.insert(place, byte),
            2 => { data.remove(place); }
            _ => data.truncate(place),
        }
        let (_, error) = read(&data, || usize::MAX);
        prop_assert_eq!(error.is_none(), reference_accepts(&data), "{:?} {}", error, String::from_utf8_lossy(&data));
        fuzz(&data);
    }

    #[test]
    fn any_bytes_are_an_answer(data in prop::collection::vec(any::<u8>(), 0..200)) {
        fuzz(&data);
    }

    #[test]
    fn any_tokens_are_an_answer(picks in prop::collection::vec(0_usize..20, 0..40)) {
        let tokens = [
            "[", "]", "{", "}", ",", ":", "\"a\"", "\"\\u00e9\"", "\"ü\"", "1", "-0.5e+7", "true",
            "null", "\n", " ", "\"", "\\", "[\"k\",{\"value\":1}]", "\u{feff}", "0",
        ];
        let data: String = picks.into_iter().map(|pick| tokens[pick]).collect();
        let (_, error) = read(data.as_bytes(), || usize::MAX);
        prop_assert_eq!(error.is_none(), reference_accepts(data.as_bytes()), "{:?} {}", error, data);
        fuzz(data.as_bytes());
    }
}

fn error_of(data: &[u8]) -> String {
    fuzz(data);
    read(data, || usize::MAX).1.expect("an error")
}

#[test]
fn errors_say_entry_byte_and_what_was_expected() {
    for (data, message) in [
        ("", "the input is empty; a state without entries is the array `[]`"),
        (" \n", "the input is empty; a state without entries is the array `[]`"),
        ("{}", "byte 0: expected `[`, the start of an array of entries or of an entry, found `{`"),
        ("[1]", "byte 1: expected an entry, an entry's key, or `]`, found `1`"),
        ("[", "byte 1: expected an entry, an entry's key, or `]`, found the end of the input"),
        ("[[\"a\",{}],]", "entry 2, byte 10: expected an entry `[key, {…}]`, found `]`"),
        (
            "[[\"a\",{}]",
            "after entry 1, byte 9: expected `,` or `]` after an entry, found the end of the input",
        ),
        ("[] x", "byte 3: expected nothing after the array, found `x`"),
        ("[[\"a\",{}] [\"b\",{}]]", "after entry 1, byte 10: expected `,` or `]` after an entry, found `[`"),
        ("[\"a\",{}][\"b\",{}]", "after entry 1, byte 8: expected a line end after an entry, found `[`"),
        ("[\"a\",{}]\n7", "entry 2, byte 9: expected an entry `[key, {…}]`, found `7`"),
        (
            "[\"a\",{}]\n[\"b\"",
            "entry 2, byte 13: expected the rest of the entry, found the end of the input",
        ),
        ("[\"a\"]", "entry 1, byte 4: expected `,` after the entry's key, found `]`"),
        ("[\"a\",1]", "entry 1, byte 5: expected an object after the entry's key, found `1`"),
        ("[\"a\",{},1]", "entry 1, byte 7: expected `]` at the end of the entry, found `,`"),
        ("[[1,{}]]", "entry 1, byte 2: expected the entry's key, a string, found `1`"),
        ("[\"a\",{\"b\" 1}]", "entry 1, byte 10: expected `:` after a member's name, found `1`"),
        ("[\"a\",{\"b\":01}]", "entry 1, byte 11: expected `,` or `}` after a member, found `1`"),
        ("[\"a\",{\"b\":-}]", "entry 1, byte 11: expected a digit, found `}`"),
        (
            "[\"a\",{\"b\":[1 2]}]",
            "entry 1, byte 13: expected `,` or `]` after an array's element, found `2`",
        ),
        ("[\"a\",{\"b\":}]", "entry 1, byte 10: expected a value, found `}`"),
        ("[\"a\",{\"b\":nul}]", "entry 1, byte 13: expected `null`, found `}`"),
        (
            "[\"a\",{\"b\":\"\n\"}]",
            "entry 1, byte 11: expected a string's text (control characters must be escaped), found byte 0x0a",
        ),
        (
            "[\"a\",{\"b\":\"\\x\"}]",
            "entry 1, byte 12: expected an escape: one of \" \\ / b f n r t u, found `x`",
        ),
        (
            "[\"a\",{\"b\":\"\\u00g0\"}]",
            "entry 1, byte 15: expected four hexadecimal digits after `\\u`, found `g`",
        ),
        ("\u{feff}[\"a\",{,}]", "entry 1, byte 9: expected a member's name in quotes, found `,`"),
    ] {
        assert_eq!(error_of(data.as_bytes()), message, "{data}");
    }
    assert_eq!(
        error_of(b"[\"a\",{}]\n[\"b\",{\"value\":\"ab\xff\"}]"),
        "entry 2, byte 26: expected UTF-8 text, found byte 0xff"
    );
    // A surrogate and an overlong form are no UTF-8.
    for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80"] {
        let data = [b"[\"", bytes, b"\",{}]"].concat();
        assert!(error_of(&data).contains("expected UTF-8 text"), "{bytes:x?}");
    }
}

#[test]
fn both_forms_and_empty_arrays() {
    assert_eq!(texts_and_keys(b"[]", 1), []);
    assert_eq!(texts_and_keys(b" [ \n ] \n", 1), []);
    let one = vec![(b"[\"k\",{}]".to_vec(), b"k".to_vec())];
    for data in
        ["[\"k\",{}]", "\r\n[\"k\",{}]\r\n\r\n", "[\n\"k\",{}\n]", "[[\"k\",{}]]", "[\n[\"k\" ,{ } ]\n]"]
    {
        assert_eq!(texts_and_keys(data.as_bytes(), 1), one, "{data}");
        assert_eq!(texts_and_keys(data.as_bytes(), 4096), one, "{data}");
    }
}

#[test]
fn depth_has_a_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for (levels, fits) in [(9_998, true), (9_999, false)] {
            let inner = if open == "[" { "" } else { "0" };
            let value = open.repeat(levels) + inner + &close.repeat(levels);
            let data = format!("[\"deep\",{{\"value\":{value}}}]");
            let (entries, error) = read(data.as_bytes(), || 1000);
            assert_eq!(error.is_none(), fits, "{error:?}");
            assert_eq!(entries.len(), usize::from(fits));
            if fits {
                assert_eq!(entries[0].0, data.as_bytes());
            }
        }
    }
    // Which container is open is known at every level.
    let open = "[{\"a\":".repeat(4_000);
    let close = "}]".repeat(4_000);
    let data = format!("[\"k\",{{\"value\":{open}1{close}}}]");
    texts_and_keys(data.as_bytes(), usize::MAX);
    let wrong = data.replacen("}]}]", "}]]}", 1);
    assert!(error_of(wrong.as_bytes()).contains("expected"));
}

#[test]
fn ten_megabytes_of_nesting_are_refused() {
    let data = format!("[\"deep\",{{\"value\":{}", "[".repeat(10_000_000));
    let message = error_of(data.as_bytes());
    assert!(message.starts_with("entry 1, byte 10015: expected at most 10,000 levels"), "{message}");
    let data = "[".repeat(10_000_000);
    assert_eq!(error_of(data.as_bytes()), "entry 1, byte 2: expected the entry's key, a string, found `[`");
}

fn entry_of(bytes: usize) -> Vec<u8> {
    let mut data = b"[\"large\",{\"value\":\"".to_vec();
    data.resize(bytes - 3, b'x');
    data.extend_from_slice(b"\"}]");
    data
}

#[test]
fn entries_up_to_the_limit() {
    let small = b"[\"k\",{}]";
    for bytes in [600_000, 1 << 20, MAX_ENTRY_BYTES - 1, MAX_ENTRY_BYTES] {
        let data = [small, &b"\n"[..], &entry_of(bytes), b"\n", small].concat();
        // Pieces as small as these would take forever if each were a scan from the start.
        let (entries, error) = read(&data, || 2_000);
        assert_eq!(error, None);
        assert_eq!(entries.iter().map(|entry| entry.0.len()).collect::<Vec<_>>(), [8, bytes, 8]);
    }
    let data = [small, &b"\n"[..], &entry_of(MAX_ENTRY_BYTES + 1), b"\n"].concat();
    for piece_bytes in [100_000, usize::MAX] {
        let (entries, error) = read(&data, || piece_bytes);
        assert_eq!(entries.len(), 1);
        assert_eq!(
            error.as_deref(),
            Some("entry 2, byte 9: the entry with key \"large\" is larger than 16777216 bytes")
        );
    }
}

#[test]
fn the_buffer_shrinks_after_a_large_entry() {
    let mut reader = EntryReader::new();
    let usual = reader.space().len();
    let large = entry_of(4 << 20);
    let mut rest = &large[..];
    while !rest.is_empty() {
        assert_eq!(reader.next(), Ok(Step::NeedInput));
        let space = reader.space();
        let bytes = space.len().min(rest.len());
        space[..bytes].copy_from_slice(&rest[..bytes]);
        reader.filled(bytes);
        rest = &rest[bytes..];
    }
    assert!(matches!(reader.next(), Ok(Step::Entry(_))));
    assert_eq!(reader.next(), Ok(Step::NeedInput));
    assert_eq!(reader.space().len(), usual);
}

#[test]
fn keys_have_a_limit() {
    for (bytes, fits) in [(MAX_KEY_BYTES, true), (MAX_KEY_BYTES + 1, false)] {
        for data in [
            format!("[\"{}\",{{}}]", "k".repeat(bytes)),
            format!("[[\"{}\\n\" , {{}}]]", "k".repeat(bytes - 1)),
        ] {
            let (_, error) = read(data.as_bytes(), || usize::MAX);
            assert_eq!(error.is_none(), fits);
            if let Some(error) = error {
                assert!(error.contains("kkk…\" (65536 bytes) is longer than 65535 bytes"), "{error}");
            }
        }
    }
}
