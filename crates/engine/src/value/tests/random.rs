//! Random values, written by a second serializer that follows V8's own, and random bytes.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
enum Name {
    Text(Vec<u16>),
    Number(f64),
    Index(u32),
}

#[derive(Debug, Clone, PartialEq)]
enum Tree {
    Undefined,
    Null,
    Boolean(bool),
    Int32(i32),
    Uint32(u32),
    Double(u64),
    BigInt(bool, Vec<u8>),
    Text(Vec<u16>),
    Utf8(String),
    Object(Vec<(Name, Tree)>),
    Dense(Vec<Option<Tree>>, Vec<(Name, Tree)>),
    Sparse(u32, Vec<(Name, Tree)>),
    Date(u64),
    BooleanObject(bool),
    NumberObject(u64),
    BigIntObject(bool, Vec<u8>),
    StringObject(Vec<u16>),
    RegExp(Vec<u16>, u32),
    Map(Vec<(Tree, Tree)>),
    Set(Vec<Tree>),
    Buffer(Vec<u8>, Option<u32>),
    View(Vec<u8>, u8, u32, u32),
    Error(Option<u8>, Option<Vec<u16>>, Option<Vec<u16>>, Option<Box<Tree>>),
    NativeError(u8, Box<[Tree; 3]>),
    Headers(u8, Vec<(u8, String, String)>),
    Reference(u32),
}

/// Points references at objects that have begun, in the order in which V8 numbers them.
fn resolve(tree: &mut Tree, count: &mut u32) {
    match tree {
        Tree::Reference(id) => match id.checked_rem(*count) {
            Some(rest) => *id = rest,
            None => *tree = Tree::Null,
        },
        Tree::Undefined
        | Tree::Null
        | Tree::Boolean(_)
        | Tree::Int32(_)
        | Tree::Uint32(_)
        | Tree::Double(_)
        | Tree::BigInt(..)
        | Tree::Text(_)
        | Tree::Utf8(_) => {}
        Tree::View(..) => *count += 2,
        object => {
            *count += 1;
            match object {
                Tree::Object(fields) | Tree::Sparse(_, fields) => {
                    fields.iter_mut().for_each(|(_, value)| resolve(value, count));
                }
                Tree::Dense(elements, fields) => {
                    elements.iter_mut().flatten().for_each(|value| resolve(value, count));
                    fields.iter_mut().for_each(|(_, value)| resolve(value, count));
                }
                Tree::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
                    resolve(key, count);
                    resolve(value, count);
                }),
                Tree::Set(values) => values.iter_mut().for_each(|value| resolve(value, count)),
                Tree::Error(.., Some(cause)) => resolve(cause, count),
                Tree::NativeError(kind, values) => {
                    let skipped = usize::from(*kind > 0);
                    values[skipped..].iter_mut().for_each(|value| resolve(value, count));
                }
                _ => {}
            }
        }
    }
}

struct Writer {
    out: Vec<u8>,
    view_flags: bool,
}

impl Writer {
    fn varint(&mut self, mut value: u32) {
        loop {
            let byte = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                return self.out.push(byte);
            }
            self.out.push(byte | 0x80);
        }
    }

    fn text(&mut self, units: &[u16]) {
        if units.iter().all(|unit| *unit < 256) {
            self.out.push(b'"');
            self.varint(units.len() as u32);
            self.out.extend(units.iter().map(|unit| *unit as u8));
        } else {
            let length = units.len() as u32 * 2;
            let length_bytes = if length < 128 { 1 } else { 2 };
            if (self.out.len() + 1 + length_bytes) % 2 == 1 {
                self.out.push(0);
            }
            self.out.push(b'c');
            self.varint(length);
            self.out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        }
    }

    fn fields(&mut self, fields: &[(Name, Tree)]) {
        for (name, value) in fields {
            match name {
                Name::Text(units) => self.text(units),
                Name::Number(number) => self.tree(&Tree::Double(number.to_bits())),
                Name::Index(index) => match i32::try_from(*index) {
                    Ok(index) => self.tree(&Tree::Int32(index)),
                    Err(_) => self.tree(&Tree::Uint32(*index)),
                },
            }
            self.tree(value);
        }
    }

    fn bigint(&mut self, tag: u8, negative: bool, digits: &[u8]) {
        self.out.push(tag);
        self.varint((digits.len() as u32) << 1 | u32::from(negative));
        self.out.extend_from_slice(digits);
    }

    fn double(&mut self, tag: u8, bits: u64) {
        self.out.push(tag);
        self.out.extend(bits.to_le_bytes());
    }

    fn counted(&mut self, tag: u8, count: usize) {
        self.out.push(tag);
        self.varint(count as u32);
    }

    fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Undefined => self.out.push(b'_'),
            Tree::Null => self.out.push(b'0'),
            Tree::Boolean(value) => self.out.push(if *value { b'T' } else { b'F' }),
            Tree::Int32(value) => {
                self.out.push(b'I');
                let doubled = i64::from(*value) * 2;
                self.varint(if doubled < 0 { -doubled - 1 } else { doubled } as u32);
            }
            Tree::Uint32(value) => self.counted(b'U', *value as usize),
            Tree::Double(bits) => self.double(b'N', *bits),
            Tree::BigInt(negative, digits) => self.bigint(b'Z', *negative, digits),
            Tree::Text(units) => self.text(units),
            Tree::Utf8(text) => {
                self.counted(b'S', text.len());
                self.out.extend(text.bytes());
            }
            Tree::Object(fields) => {
                self.out.push(b'o');
                self.fields(fields);
                self.counted(b'{', fields.len());
            }
            Tree::Dense(elements, fields) => {
                self.counted(b'A', elements.len());
                for element in elements {
                    match element {
                        Some(value) => self.tree(value),
                        None => self.out.push(b'-'),
                    }
                }
                self.fields(fields);
                self.counted(b'$', fields.len());
                self.varint(elements.len() as u32);
            }
            Tree::Sparse(length, fields) => {
                self.counted(b'a', *length as usize);
                self.fields(fields);
                self.counted(b'@', fields.len());
                self.varint(*length);
            }
            Tree::Date(bits) => self.double(b'D', *bits),
            Tree::BooleanObject(value) => self.out.push(if *value { b'y' } else { b'x' }),
            Tree::NumberObject(bits) => self.double(b'n', *bits),
            Tree::BigIntObject(negative, digits) => self.bigint(b'z', *negative, digits),
            Tree::StringObject(units) => {
                self.out.push(b's');
                self.text(units);
            }
            Tree::RegExp(source, flags) => {
                self.out.push(b'R');
                self.text(source);
                self.varint(*flags);
            }
            Tree::Map(entries) => {
                self.out.push(b';');
                for (key, value) in entries {
                    self.tree(key);
                    self.tree(value);
                }
                self.counted(b':', entries.len() * 2);
            }
            Tree::Set(values) => {
                self.out.push(b'\'');
                values.iter().for_each(|value| self.tree(value));
                self.counted(b',', values.len());
            }
            Tree::Buffer(bytes, None) => {
                self.counted(b'B', bytes.len());
                self.out.extend_from_slice(bytes);
            }
            Tree::Buffer(bytes, Some(maximum)) => {
                self.counted(b'~', bytes.len());
                self.varint(*maximum);
                self.out.extend_from_slice(bytes);
            }
            Tree::View(bytes, kind, offset, length) => {
                self.tree(&Tree::Buffer(bytes.clone(), None));
                self.out.extend([b'V', *kind]);
                self.varint(*offset);
                self.varint(*length);
                if self.view_flags {
                    self.out.push(0);
                }
            }
            Tree::Error(prototype, message, stack, cause) => {
                self.out.push(b'r');
                self.out.extend(prototype);
                if let Some(message) = message {
                    self.out.push(b'm');
                    self.text(message);
                }
                if let Some(stack) = stack {
                    self.out.push(b's');
                    self.text(stack);
                }
                if let Some(cause) = cause {
                    self.out.push(b'c');
                    self.tree(cause);
                }
                self.out.push(b'.');
            }
            Tree::NativeError(kind, values) => {
                self.out.extend([b'\\', 10, *kind]);
                values[usize::from(*kind > 0)..].iter().for_each(|value| self.tree(value));
            }
            Tree::Headers(guard, headers) => {
                self.out.extend([b'\\', 4, *guard]);
                self.varint(headers.len() as u32);
                for (number, name, value) in headers {
                    self.out.push(*number);
                    if *number == 0 {
                        self.varint(name.len() as u32);
                        self.out.extend(name.bytes());
                    }
                    self.varint(value.len() as u32);
                    self.out.extend(value.bytes());
                }
            }
            Tree::Reference(id) => self.counted(b'^', *id as usize),
        }
    }
}

/// The value's bytes; `version` 12 stands for version 13 without a header.
fn write(tree: &Tree, version: u8) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new(), view_flags: version >= 14 };
    if version >= 13 {
        writer.out.extend([0xff, version]);
    }
    writer.tree(tree);
    writer.out
}

/// The value without the spellings that JavaScript does not tell apart.
fn value_of(tree: &Tree) -> Tree {
    let double = |number: f64| Tree::Double(number.to_bits());
    let digits = |digits: &[u8]| {
        let used = digits.iter().rposition(|byte| *byte != 0);
        digits[..used.map_or(0, |last| last + 1)].to_vec()
    };
    let fields = |fields: &[(Name, Tree)], indices: bool| -> Vec<(Name, Tree)> {
        fields
            .iter()
            .map(|(name, value)| {
                let name = match name {
                    Name::Text(units) => Name::Text(units.clone()),
                    Name::Index(index) if indices && *index < u32::MAX => Name::Index(*index),
                    Name::Index(index) => Name::Text(index.to_string().encode_utf16().collect()),
                    Name::Number(number) => Name::Text(number.to_string().encode_utf16().collect()),
                };
                (name, value_of(value))
            })
            .collect()
    };
    match tree {
        Tree::Int32(value) => double(f64::from(*value)),
        Tree::Uint32(value) => double(f64::from(*value)),
        Tree::BigInt(negative, bytes) => {
            let bytes = digits(bytes);
            Tree::BigInt(*negative && !bytes.is_empty(), bytes)
        }
        Tree::BigIntObject(negative, bytes) => {
            let bytes = digits(bytes);
            Tree::BigIntObject(*negative && !bytes.is_empty(), bytes)
        }
        Tree::Utf8(text) => Tree::Text(text.encode_utf16().collect()),
        Tree::Object(inner) => Tree::Object(fields(inner, false)),
        Tree::Sparse(length, inner) => Tree::Sparse(*length, fields(inner, true)),
        Tree::Dense(elements, inner) => {
            let mut all: Vec<(Name, Tree)> = (0..)
                .zip(elements)
                .filter_map(|(index, value)| Some((Name::Index(index), value_of(value.as_ref()?))))
                .collect();
            all.extend(fields(inner, true));
            Tree::Sparse(elements.len() as u32, all)
        }
        Tree::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, value)| (value_of(key), value_of(value))).collect())
        }
        Tree::Set(values) => Tree::Set(values.iter().map(value_of).collect()),
        Tree::Error(prototype, message, stack, cause) => Tree::Error(
            *prototype,
            message.clone(),
            stack.clone(),
            cause.as_ref().map(|cause| Box::new(value_of(cause))),
        ),
        Tree::NativeError(kind, values) => {
            let mut values = values.each_ref().map(value_of);
            if *kind > 0 {
                values[0] = Tree::Null;
            }
            Tree::NativeError(*kind, Box::new(values))
        }
        Tree::Headers(guard, headers) => Tree::Headers(
            *guard,
            headers
                .iter()
                .map(|(number, name, value)| match number {
                    0 => (0, name.clone(), value.clone()),
                    _ => (*number, String::new(), value.clone()),
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Few different texts, so that values that must differ come close to each other.
fn text() -> impl Strategy<Value = Vec<u16>> {
    let fixed = |text: &str| Just(text.encode_utf16().collect::<Vec<u16>>());
    prop_oneof![
        fixed(""),
        fixed("a"),
        fixed("0"),
        fixed("$v8"),
        fixed("$type"),
        fixed("$id"),
        fixed("NaN"),
        fixed("undefined"),
        fixed("\"},\\"),
        fixed("ÿ"),
        fixed("日本"),
        Just(vec![0xd800]),
        Just(vec![0xdc00, 0xd800, 0x61]),
        vec(any::<u16>(), 0..100),
        vec(0u16..256, 0..5),
    ]
}

fn bits() -> impl Strategy<Value = u64> {
    let numbers = prop_oneof![
        Just(0.0f64),
        Just(-0.0),
        Just(1.0),
        Just(-1.0),
        Just(0.5),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e15),
        Just(f64::NAN),
        any::<f64>(),
        (-1e4f64..1e4).prop_map(f64::round),
    ];
    prop_oneof![
        12 => numbers.prop_map(f64::to_bits),
        1 => Just(0x7ff8_0000_0000_0001),
        1 => Just(0x7ff0_0000_0000_0001),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        4 => text().prop_map(Name::Text),
        4 => (0u32..3).prop_map(Name::Index),
        1 => any::<u32>().prop_map(Name::Index),
        1 => Just(Name::Number(1.5)),
    ]
}

fn leaf() -> impl Strategy<Value = Tree> {
    let short = |range| vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], range);
    prop_oneof![
        Just(Tree::Undefined),
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Boolean),
        any::<bool>().prop_map(Tree::BooleanObject),
        prop_oneof![-2i32..3, any::<i32>()].prop_map(Tree::Int32),
        prop_oneof![0u32..3, any::<u32>()].prop_map(Tree::Uint32),
        bits().prop_map(Tree::Double),
        bits().prop_map(Tree::NumberObject),
        bits().prop_map(Tree::Date),
        (any::<bool>(), short(0..20)).prop_map(|(sign, digits)| Tree::BigInt(sign, digits)),
        (any::<bool>(), short(500..530)).prop_map(|(sign, digits)| Tree::BigInt(sign, digits)),
        (any::<bool>(), short(0..3)).prop_map(|(sign, digits)| Tree::BigIntObject(sign, digits)),
        text().prop_map(Tree::Text),
        text().prop_map(Tree::StringObject),
        any::<String>().prop_map(Tree::Utf8),
        (text(), 0u32..512).prop_map(|(source, flags)| Tree::RegExp(source, flags)),
        short(0..4).prop_map(|bytes| Tree::Buffer(bytes, None)),
        (short(0..4), 4u32..6).prop_map(|(bytes, maximum)| Tree::Buffer(bytes, Some(maximum))),
        (short(0..4), prop_oneof![Just(b'B'), Just(b'b'), Just(b'?')], 0u32..4, 0u32..4).prop_map(
            |(bytes, kind, offset, length)| {
                let offset = offset.min(bytes.len() as u32);
                let length = length.min(bytes.len() as u32 - offset);
                Tree::View(bytes, kind, offset, length)
            }
        ),
        (0u8..4, vec((0u8..48, "[ab\"]{0,2}", "[ab\"]{0,2}"), 0..3))
            .prop_map(|(guard, headers)| Tree::Headers(guard, headers)),
        (0u32..8).prop_map(Tree::Reference),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    leaf()
        .prop_recursive(4, 40, 4, |inner| {
            let fields = vec((name(), inner.clone()), 0..4).boxed();
            prop_oneof![
                fields.clone().prop_map(Tree::Object),
                (vec(proptest::option::weighted(0.8, inner.clone()), 0..4), fields.clone())
                    .prop_map(|(elements, fields)| Tree::Dense(elements, fields)),
                vec(inner.clone(), 0..4)
                    .prop_map(|elements| Tree::Dense(elements.into_iter().map(Some).collect(), Vec::new())),
                (0u32..4, fields).prop_map(|(length, fields)| Tree::Sparse(length, fields)),
                vec(inner.clone(), 0..3).prop_map(|values| Tree::Sparse(
                    values.len() as u32,
                    (0..).map(Name::Index).zip(values).collect()
                )),
                vec((inner.clone(), inner.clone()), 0..3).prop_map(Tree::Map),
                vec(inner.clone(), 0..3).prop_map(Tree::Set),
                (
                    proptest::option::of(prop_oneof![Just(b'E'), Just(b'T')]),
                    proptest::option::of(text()),
                    proptest::option::of(text()),
                    proptest::option::of(inner.clone().prop_map(Box::new))
                )
                    .prop_map(|(prototype, message, stack, cause)| Tree::Error(
                        prototype, message, stack, cause
                    )),
                (0u8..14, inner.clone(), inner.clone(), inner)
                    .prop_map(|(kind, a, b, c)| Tree::NativeError(kind, Box::new([a, b, c]))),
            ]
        })
        .prop_map(|mut tree| {
            resolve(&mut tree, &mut 0);
            tree
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn values_come_back(tree in tree(), version in 12u8..16, trailing in vec(1u8..80, 0..3)) {
        let mut bytes = write(&tree, version);
        // A letter that is no view's would not change the value.
        bytes.extend(trailing.iter().filter(|byte| **byte != b'V'));
        let document = decode(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(encode(&document), bytes.clone());
        prop_assert_eq!(document.version(), u32::from(version.max(13)));
        prop_assert!(check_properties(&bytes).unwrap().is_some());
    }

    #[test]
    fn different_values_print_differently(trees in vec(tree(), 100)) {
        let mut printed: HashMap<String, Tree> = HashMap::new();
        for tree in trees {
            let value = value_of(&tree);
            if let Some(other) = printed.insert(json(&write(&tree, 15)), value.clone()) {
                prop_assert_eq!(value, other);
            }
        }
    }

    #[test]
    fn damaged_values_keep_the_promises(
        tree in tree(),
        version in 12u8..16,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = write(&tree, version);
        for (place, byte) in changes {
            *place.get_mut(&mut bytes) = byte;
        }
        check_properties(&bytes).map_err(TestCaseError::fail)?;
        check_properties(&bytes[..cut.index(bytes.len())]).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_bytes_keep_the_promises(bytes in vec(any::<u8>(), 0..200)) {
        check_properties(&bytes).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn any_tags_keep_the_promises(
        tags in vec(prop::sample::select(&b"_0TFIUNZSc\"^o{aA@$DyxnzsR;:',B~Vr.\\mscT\x00\x01\x02\x03\x04"[..]), 0..60)
    ) {
        let bytes = [&b"\xff\x0f"[..], &tags].concat();
        check_properties(&bytes).map_err(TestCaseError::fail)?;
    }
}
