//! A column on its way into bytes: what it is made of, and what that will take.

use super::cut::{Sink, entropy_of};
use super::integers::Integers;
use super::number::{self, Number};
use super::{tag, text};

/// Bytes that a tag and a count take, about.
const HEAD_BYTES: f64 = 3.0;

/// What a byte of text takes, by how often it occurs in the column: less, as a compressor finds
/// repetitions too.
const TEXT_COST: f64 = 0.8;

/// A column, or a part of one.
pub enum Node {
    Split {
        which: Integers,
        parts: Vec<Node>,
    },
    Integers(Integers),
    /// `scale` places, without zeros at the end if `stripped`.
    Decimals {
        scale: u8,
        stripped: bool,
        mantissas: Integers,
    },
    FreeDecimals {
        scales: Integers,
        mantissas: Integers,
    },
    Quoted(Box<Node>),
    Plain {
        lengths: Integers,
        bytes: Vec<u8>,
        cost: f64,
    },
    Front {
        shared: Integers,
        lengths: Integers,
        bytes: Vec<u8>,
        cost: f64,
    },
    Dictionary {
        count: usize,
        entries: Box<Node>,
        which: Integers,
    },
    /// The digits of all patterns, one after another.
    Patterns {
        count: usize,
        entries: Box<Node>,
        which: Integers,
        digits: Vec<Node>,
    },
    Digits {
        width: u8,
        values: Integers,
    },
}

impl Node {
    /// Bytes that it will take once compressed, about.
    pub fn cost(&self) -> f64 {
        HEAD_BYTES
            + match self {
                Node::Split { which, parts } => which.cost + parts.iter().map(Node::cost).sum::<f64>(),
                Node::Integers(values)
                | Node::Digits { values, .. }
                | Node::Decimals { mantissas: values, .. } => values.cost,
                Node::FreeDecimals { scales, mantissas } => scales.cost + mantissas.cost,
                Node::Quoted(texts) => texts.cost(),
                Node::Plain { cost, .. } | Node::Front { cost, .. } => *cost,
                Node::Dictionary { entries, which, .. } => entries.cost() + which.cost,
                Node::Patterns { entries, which, digits, .. } => {
                    entries.cost() + which.cost + digits.iter().map(Node::cost).sum::<f64>()
                }
            }
    }

    /// Writes it behind what is in `sink`.
    pub fn write(self, sink: &mut Sink) {
        sink.column_count += 1;
        match self {
            Node::Split { which, parts } => {
                sink.bytes.push(tag::SPLIT);
                sink.number(parts.len() as u64);
                which.write(sink);
                parts.into_iter().for_each(|part| part.write(sink));
            }
            Node::Integers(values) => {
                sink.bytes.push(tag::INTEGERS);
                values.write(sink);
            }
            Node::Decimals { scale, stripped, mantissas } => {
                sink.bytes.push(if stripped { tag::DECIMALS } else { tag::FIXED_DECIMALS });
                sink.bytes.push(scale);
                mantissas.write(sink);
            }
            Node::FreeDecimals { scales, mantissas } => {
                sink.bytes.push(tag::FREE_DECIMALS);
                scales.write(sink);
                mantissas.write(sink);
            }
            Node::Quoted(texts) => {
                sink.bytes.push(tag::QUOTED);
                texts.write(sink);
            }
            Node::Plain { lengths, bytes, .. } => {
                sink.bytes.push(tag::PLAIN);
                lengths.write(sink);
                write_text(&bytes, sink);
            }
            Node::Front { shared, lengths, bytes, .. } => {
                sink.bytes.push(tag::FRONT);
                shared.write(sink);
                lengths.write(sink);
                write_text(&bytes, sink);
            }
            Node::Dictionary { count, entries, which } => {
                sink.bytes.push(tag::DICTIONARY);
                sink.number(count as u64);
                entries.write(sink);
                which.write(sink);
            }
            Node::Patterns { count, entries, which, digits } => {
                sink.bytes.push(tag::PATTERNS);
                sink.number(count as u64);
                entries.write(sink);
                which.write(sink);
                digits.into_iter().for_each(|digits| digits.write(sink));
            }
            Node::Digits { width, values } => {
                sink.bytes.push(tag::DIGITS);
                sink.bytes.push(width);
                values.write(sink);
            }
        }
    }

    /// Texts end to end.
    pub fn plain(texts: &[&[u8]]) -> Node {
        let lengths = Integers::new(texts.iter().map(|text| text.len() as i64).collect());
        let cost = lengths.cost + entropy_of(texts.iter().copied()) * TEXT_COST;
        Node::Plain { lengths, bytes: texts.concat(), cost }
    }

    /// Texts without what they share with the one before.
    pub fn front(texts: &[&[u8]]) -> Node {
        let (mut shared, mut own, mut before) = (Vec::new(), Vec::new(), &b""[..]);
        for text in texts {
            let common = before.iter().zip(text.iter()).take_while(|(a, b)| a == b).count();
            shared.push(common as i64);
            own.push(text.get(common..).unwrap_or_default());
            before = text;
        }
        let shared = Integers::new(shared);
        let lengths = Integers::new(own.iter().map(|text| text.len() as i64).collect());
        let cost = shared.cost + lengths.cost + entropy_of(own.iter().copied()) * TEXT_COST;
        Node::Front { shared, lengths, bytes: own.concat(), cost }
    }

    /// The cheaper of two.
    pub fn or(self, other: Node) -> Node {
        if other.cost() < self.cost() { other } else { self }
    }
}

fn write_text(bytes: &[u8], sink: &mut Sink) {
    sink.end_part();
    sink.bytes.extend_from_slice(bytes);
    sink.end_part();
}

/// A column of scalars' texts.
pub fn tokens(tokens: &[&[u8]]) -> Node {
    let (mut strings, mut numbers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut sorts = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let [b'"', text @ .., b'"'] = token {
            strings.push(text);
            sorts.push(0);
        } else if let Some(number) = number::parse(token) {
            numbers.push(number);
            sorts.push(1);
        } else {
            others.push(*token);
            sorts.push(2);
        }
    }
    let mut parts = Vec::new();
    let mut numbered = [0; 3];
    let made: [(bool, &dyn Fn() -> Node); 3] = [
        (!strings.is_empty(), &|| Node::Quoted(Box::new(text::texts(&strings)))),
        (!numbers.is_empty(), &|| decimals(&numbers)),
        (!others.is_empty(), &|| text::texts(&others)),
    ];
    for ((is_there, make), number) in made.into_iter().zip(&mut numbered) {
        if is_there {
            *number = parts.len() as i64;
            parts.push(make());
        }
    }
    if parts.len() == 1
        && let Some(part) = parts.pop()
    {
        return part;
    }
    let which = sorts.iter().map(|sort| numbered.get(*sort as usize).copied().unwrap_or(0)).collect();
    Node::Split { which: Integers::new(which), parts }
}

/// A column of numbers.
fn decimals(numbers: &[Number]) -> Node {
    let mantissas = || Integers::new(numbers.iter().map(|number| number.mantissa).collect());
    let scale = numbers.iter().map(|number| number.scale).max().unwrap_or(0);
    if scale == 0 {
        return Node::Integers(mantissas());
    }
    if numbers.iter().all(|number| number.scale == scale) {
        return Node::Decimals { scale, stripped: false, mantissas: mantissas() };
    }
    let scales = Integers::new(numbers.iter().map(|number| i64::from(number.scale)).collect());
    let free = Node::FreeDecimals { scales, mantissas: mantissas() };
    let scaled = |number: &Number| {
        let spelled = number.scale == 0 || number.mantissa % 10 != 0;
        let factor = 10_i64.checked_pow(u32::from(scale - number.scale))?;
        number.mantissa.checked_mul(factor).filter(|_| spelled)
    };
    match numbers.iter().map(scaled).collect::<Option<Vec<_>>>() {
        Some(scaled) => Node::Decimals { scale, stripped: true, mantissas: Integers::new(scaled) }.or(free),
        None => free,
    }
}
