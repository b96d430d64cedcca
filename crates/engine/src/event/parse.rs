//! From JSON text to events, in each of the shapes that producers write.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::text::{Value, each_member};
use super::time::milliseconds;
use crate::state::{Cursor, Scanner, Stop, Token, compact};

/// The namespace of events that name none.
const NO_NAMESPACE: &[u8] = b"default";

/// The type of entities whose events name none, as the recovery's.
const NO_TYPE: &[u8] = b"Unknown";

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The entity is there from now on, and is what the payload says.
    Created,
    /// The entity changes.
    Updated {
        /// The payload names what changed; else it is the whole entity.
        merge: bool,
    },
    /// The entity is gone.
    Deleted,
    /// A transaction begins.
    Begin,
    /// A transaction counts.
    Commit,
    /// A transaction does not count.
    Rollback,
    /// A verb that says nothing of entities.
    Unknown,
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// What it does.
    pub kind: EventKind,
    /// The word that says so.
    pub verb: Cow<'a, [u8]>,
    /// Whose it is.
    pub namespace: Cow<'a, [u8]>,
    /// The entity; UTF-8. Empty for what concerns no entity.
    pub id: Cow<'a, [u8]>,
    /// The entity's type; UTF-8.
    pub entity_type: Cow<'a, [u8]>,
    /// A JSON object without whitespace between tokens, or nothing.
    pub payload: Cow<'a, [u8]>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// When, as JSON text; empty if it is not said.
    pub time_text: &'a [u8],
    /// Its number in the namespace.
    pub sequence: Option<u64>,
    /// The entity's version after it, as a JSON number above zero; empty if it is not said.
    pub version: &'a [u8],
    /// By which it is known when it comes again.
    pub key: Option<Cow<'a, [u8]>>,
    /// It counts only once this transaction does.
    pub transaction: Option<Cow<'a, [u8]>>,
}

/// What the parser finds.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "handed on at once, millions of times: no allocation")]
pub enum Item<'a> {
    /// An event.
    Event(Event<'a>),
    /// Well-formed JSON that is no event, and why.
    Malformed(&'static str),
}

/// Why parsing ended before the value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseStop {
    /// The text ends first; more may complete the value.
    More,
    /// Not what JSON may hold.
    Malformed {
        /// Index into the text.
        position: usize,
        /// What may stand there.
        expected: &'static str,
    },
}

impl From<Stop> for ParseStop {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::More => ParseStop::More,
            Stop::Fault { position, expected } => ParseStop::Malformed { position, expected },
        }
    }
}

/// Takes events out of JSON values; kept from one to the next.
pub struct EventParser {
    scanner: Scanner,
    /// Whether an emitter's update without `isDelta` is one nevertheless.
    pub merge_updates: bool,
}

impl Default for EventParser {
    fn default() -> Self {
        EventParser { scanner: Scanner::new(), merge_updates: false }
    }
}

/// The members that events of any shape have.
#[derive(Default)]
struct Raw<'a> {
    verb: Option<Value<'a>>,
    payload: Option<Value<'a>>,
    payload_id: Option<Value<'a>>,
    payload_type: Option<Value<'a>>,
    timestamp: Option<Value<'a>>,
    key: Option<Value<'a>>,
    namespace: Option<Value<'a>>,
    is_delta: bool,
    sequence: Option<Value<'a>>,
    kind: Option<Value<'a>>,
    entity_id: Option<Value<'a>>,
    entity_type: Option<Value<'a>>,
    version: Option<Value<'a>>,
    transaction: Option<Value<'a>>,
    operation: Option<Value<'a>>,
    table: Option<Value<'a>>,
    row_key: Option<Value<'a>>,
    before: Option<Value<'a>>,
    after: Option<Value<'a>>,
    entries: Option<Value<'a>>,
    whole: Option<Value<'a>>,
}

/// What the container of an event says for it.
#[derive(Clone, Default)]
struct Around<'a> {
    namespace: Option<Cow<'a, [u8]>>,
    /// Rows and keys are base64.
    encoded: bool,
}

impl EventParser {
    /// Parses the JSON value that begins at `start` in `text`, has `sink` see what is in it, in order,
    /// and returns where the value ends.
    ///
    /// # Errors
    /// What stands in the way of reading a value; `sink` has seen nothing then.
    pub fn parse<'a>(
        &mut self,
        text: &'a [u8],
        start: usize,
        sink: &mut dyn FnMut(Item<'_>),
    ) -> Result<usize, ParseStop> {
        let mut cursor = Cursor::new(text, start);
        if cursor.next_token() != b'{' {
            let begun = cursor.position();
            self.scanner.value(&mut cursor)?;
            // A number might go on.
            if cursor.position() == text.len() && text.get(begun).is_some_and(u8::is_ascii_digit) {
                return Err(ParseStop::More);
            }
            sink(Item::Malformed("no object"));
            return Ok(cursor.position());
        }
        let begun = cursor.position();
        let raw = self.object(text, &mut cursor)?;
        let end = cursor.position();
        let whole = text.get(begun..end).unwrap_or_default();
        if cursor.is_wide() && simdutf8::basic::from_utf8(whole).is_err() {
            sink(Item::Malformed("not UTF-8"));
            return Ok(end);
        }
        if cursor.is_spaced() {
            let mut copy = whole.to_vec();
            let bytes = compact(&mut copy);
            copy.truncate(bytes);
            let mut cursor = Cursor::new(&copy, 0);
            if let Ok(raw) = self.object(&copy, &mut cursor) {
                self.emit(&raw, &Around::default(), sink);
            }
        } else {
            self.emit(&raw, &Around::default(), sink);
        }
        Ok(end)
    }

    /// The members of the object at the cursor.
    #[inline]
    fn object<'a>(&mut self, text: &'a [u8], cursor: &mut Cursor<'a>) -> Result<Raw<'a>, Stop> {
        let mut raw = Raw::default();
        self.scanner.members(cursor, |scanner, cursor, name, _| {
            let start = cursor.position();
            let name = text.get(name).unwrap_or_default();
            let opened = text.get(start) == Some(&b'{');
            let token = match name {
                b"payload" if opened => {
                    (raw.payload_id, raw.payload_type) = (None, None);
                    scanner.members(cursor, |scanner, cursor, name, _| {
                        let start = cursor.position();
                        let token = scanner.value(cursor)?;
                        let value = || text.get(start..cursor.position()).map(|text| Value { text, token });
                        match text.get(name) {
                            Some(b"$id") => raw.payload_id = value(),
                            Some(b"$type") => raw.payload_type = value(),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    Token::Object
                }
                b"_meta" if opened => {
                    scanner.members(cursor, |scanner, cursor, name, _| {
                        let start = cursor.position();
                        let token = scanner.value(cursor)?;
                        let value = text.get(start..cursor.position());
                        match text.get(name) {
                            Some(b"namespace") => raw.namespace = value.map(|text| Value { text, token }),
                            Some(b"isDelta") => raw.is_delta = value == Some(b"true"),
                            _ => {}
                        }
                        Ok(())
                    })?;
                    Token::Object
                }
                _ => scanner.value(cursor)?,
            };
            let value = Value { text: text.get(start..cursor.position()).unwrap_or_default(), token };
            let member = match name {
                b"verb" => &mut raw.verb,
                b"payload" => {
                    if !opened {
                        (raw.payload_id, raw.payload_type) = (None, None);
                    }
                    &mut raw.payload
                }
                b"timestamp" | b"ts" => &mut raw.timestamp,
                b"idempotencyKey" | b"idempotency_key" => &mut raw.key,
                b"ns" | b"namespace" | b"sourceDoId" => &mut raw.namespace,
                b"_seq" | b"lsn" | b"sequence" => &mut raw.sequence,
                b"type" => &mut raw.kind,
                b"entityId" | b"entity_id" => &mut raw.entity_id,
                b"entityType" | b"entity_type" => &mut raw.entity_type,
                b"version" => &mut raw.version,
                b"txnId" | b"txId" | b"transactionId" => &mut raw.transaction,
                b"op" | b"operation" => &mut raw.operation,
                b"table" => &mut raw.table,
                b"key" | b"primaryKey" | b"rowId" => &mut raw.row_key,
                b"before" => &mut raw.before,
                b"after" => &mut raw.after,
                b"entries" | b"events" => &mut raw.entries,
                b"value" => &mut raw.whole,
                _ => return Ok(()),
            };
            *member = Some(value);
            Ok(())
        })?;
        Ok(raw)
    }

    fn emit<'a>(&mut self, raw: &Raw<'a>, around: &Around<'a>, sink: &mut dyn FnMut(Item<'_>)) {
        if let Some(verb) = raw.verb.and_then(|verb| verb.string()) {
            return self.emitted(raw, verb, around, sink);
        }
        if let Some(Value { text, token: Token::Array }) = raw.entries {
            return self.batch(raw, text, around, sink);
        }
        if let Some(operation) = raw.operation.and_then(|operation| operation.string()) {
            return self.change(raw, operation, around, sink);
        }
        if let Some(kind) = raw.kind.and_then(|kind| kind.string()) {
            return self.recovered(raw, kind, around, sink);
        }
        // A sink's column of whole events.
        if let Some(text) = raw.whole.and_then(|value| object_text(&value)) {
            return self.inner(&text, around, sink);
        }
        sink(Item::Malformed("no `verb`, `type` or `op` that says what happened"));
    }

    /// An event whose text is inside another's.
    fn inner(&mut self, text: &[u8], around: &Around<'_>, sink: &mut dyn FnMut(Item<'_>)) {
        let mut text = text.to_vec();
        let bytes = compact(&mut text);
        text.truncate(bytes);
        let mut cursor = Cursor::new(&text, 0);
        match self.object(&text, &mut cursor) {
            Ok(raw) if raw.whole.is_none() => {
                let around = Around { namespace: around.namespace.clone(), encoded: around.encoded };
                self.emit(&raw, &around, sink);
            }
            _ => sink(Item::Malformed("`value` is no event")),
        }
    }

    /// `{verb, store, payload, timestamp, idempotencyKey, _meta, _seq}`, as the emitter sends it.
    #[inline]
    fn emitted<'a>(
        &mut self,
        raw: &Raw<'a>,
        verb: Cow<'a, [u8]>,
        around: &Around<'a>,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        let merge = raw.is_delta || self.merge_updates;
        self.thing(raw, verb, merge, around, sink);
    }

    /// `{type, entityId, entityType, payload, ts, version, ns}`, as the recovery reads it.
    fn recovered<'a>(
        &mut self,
        raw: &Raw<'a>,
        verb: Cow<'a, [u8]>,
        around: &Around<'a>,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        self.thing(raw, verb, true, around, sink);
    }

    #[inline]
    fn thing<'a>(
        &mut self,
        raw: &Raw<'a>,
        verb: Cow<'a, [u8]>,
        merge: bool,
        around: &Around<'a>,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        let kind = match &*verb {
            b"thing.created" | b"created" => EventKind::Created,
            b"thing.updated" | b"updated" => EventKind::Updated { merge },
            b"thing.deleted" | b"deleted" => EventKind::Deleted,
            _ => EventKind::Unknown,
        };
        let mut event = match self.common(raw, kind, verb, around) {
            Ok(event) => event,
            Err(reason) => return sink(Item::Malformed(reason)),
        };
        if kind == EventKind::Unknown {
            return sink(Item::Event(event));
        }
        let (mut id, mut entity_type) = (raw.payload_id, raw.payload_type);
        let unpacked;
        match raw.payload {
            Some(Value { text, token: Token::Object }) => event.payload = Cow::Borrowed(text),
            None if kind == EventKind::Deleted && raw.entity_id.is_some() => {}
            Some(Value { token: Token::Literal, .. })
                if kind == EventKind::Deleted && raw.entity_id.is_some() => {}
            Some(value) => {
                // Sinks without a JSON type write it as a string.
                let Some(text) = object_text(&value) else {
                    return sink(Item::Malformed("the payload is no object"));
                };
                let mut text = text;
                let bytes = compact(&mut text);
                text.truncate(bytes);
                unpacked = text;
                each_member(&mut self.scanner, &unpacked, |member| match member.key() {
                    b"$id" => id = Some(Value { text: member.value, token: member.token }),
                    b"$type" => entity_type = Some(Value { text: member.value, token: member.token }),
                    _ => {}
                });
                event.payload = Cow::Borrowed(&unpacked);
            }
            None => return sink(Item::Malformed("there is no payload")),
        }
        let filled = |value: Option<Value<'_>>| {
            value.and_then(|value| value.string()).filter(|text| !text.is_empty()).map(Cow::into_owned)
        };
        // Without escapes nothing is copied, the common case.
        let id = match plain(raw.entity_id).or_else(|| plain(id)) {
            Some(id) => Cow::Borrowed(id),
            None => match filled(raw.entity_id).or_else(|| filled(id)) {
                Some(id) => Cow::Owned(id),
                None => {
                    return sink(Item::Malformed(
                        "it names no entity: no `$id` in the payload, no `entityId`",
                    ));
                }
            },
        };
        let entity_type = match plain(entity_type).or_else(|| plain(raw.entity_type)) {
            Some(name) => Cow::Borrowed(name),
            None => match filled(entity_type).or_else(|| filled(raw.entity_type)) {
                Some(name) => Cow::Owned(name),
                None => Cow::Borrowed(NO_TYPE),
            },
        };
        // Lone surrogates can be escaped; a database's text cannot hold them.
        let is_text =
            |text: &Cow<'_, [u8]>| matches!(text, Cow::Borrowed(_)) || std::str::from_utf8(text).is_ok();
        if !is_text(&id) || !is_text(&entity_type) {
            return sink(Item::Malformed("`$id` or `$type` has half of a surrogate pair"));
        }
        event.id = id;
        event.entity_type = entity_type;
        sink(Item::Event(event));
    }

    /// What events of every shape have.
    #[inline]
    fn common<'a>(
        &self,
        raw: &Raw<'a>,
        kind: EventKind,
        verb: Cow<'a, [u8]>,
        around: &Around<'a>,
    ) -> Result<Event<'a>, &'static str> {
        let sequence = match raw.sequence {
            None | Some(Value { token: Token::Literal, .. }) => None,
            Some(value) => Some(
                value.word().and_then(|text| whole_number(&text)).ok_or("the sequence is no whole number")?,
            ),
        };
        let (time_ms, time_text) = match raw.timestamp {
            None | Some(Value { token: Token::Literal, .. }) => (None, &[][..]),
            Some(value) => {
                let text = value.word().ok_or("the time is neither text nor a number")?;
                (
                    Some(milliseconds(&text).ok_or("the time is neither RFC 3339 nor Unix milliseconds")?),
                    value.text,
                )
            }
        };
        if time_ms.is_none() && sequence.is_none() {
            return Err("it has neither a time nor a sequence");
        }
        let namespace = match raw.namespace {
            None | Some(Value { token: Token::Literal, .. }) => {
                around.namespace.clone().unwrap_or(Cow::Borrowed(NO_NAMESPACE))
            }
            Some(value) => value.string().ok_or("the namespace is no text")?,
        };
        let version = match raw.version {
            Some(Value { text, token: Token::Number }) if !text.starts_with(b"-") && text != b"0" => text,
            _ => &[],
        };
        Ok(Event {
            kind,
            verb,
            namespace,
            id: Cow::Borrowed(&[]),
            entity_type: Cow::Borrowed(&[]),
            payload: Cow::Borrowed(&[]),
            time_ms: time_ms.unwrap_or(0),
            time_text,
            sequence,
            version,
            key: raw.key.and_then(|key| key.string()).filter(|key| !key.is_empty()),
            transaction: None,
        })
    }

    /// A write-ahead segment or a batch of changes: `{…, entries: […]}`, `{…, events: […]}`.
    fn batch<'a>(
        &mut self,
        raw: &Raw<'a>,
        text: &'a [u8],
        around: &Around<'a>,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        let named = raw.namespace.and_then(|namespace| namespace.string()).filter(|name| !name.is_empty());
        let mut around = Around { namespace: named.or_else(|| around.namespace.clone()), encoded: false };
        let mut elements: Vec<Result<Raw<'a>, ()>> = Vec::new();
        let mut cursor = Cursor::new(text, 0);
        let mut scanner = std::mem::replace(&mut self.scanner, Scanner::new());
        // Checked when the whole was.
        let _ = scanner.elements(&mut cursor, |_, cursor| {
            if cursor.next_token() == b'{' {
                elements.push(Ok(self.object(text, cursor)?));
            } else {
                self.scanner.value(cursor)?;
                elements.push(Err(()));
            }
            Ok(())
        });
        self.scanner = scanner;
        around.encoded = elements.iter().flatten().any(|raw| {
            [raw.before, raw.after]
                .into_iter()
                .flatten()
                .any(|row| object_text(&row).is_none() && is_string(&row))
        });
        for element in &elements {
            match element {
                Ok(raw) if raw.entries.is_some() && raw.verb.is_none() => {
                    sink(Item::Malformed("a batch inside a batch"));
                }
                Ok(raw) => self.emit(raw, &around, sink),
                Err(()) => sink(Item::Malformed("no object")),
            }
        }
    }

    /// `{lsn, timestamp, txnId, op, table, key, before, after}`: a row that changed, or where a
    /// transaction begins or ends.
    fn change<'a>(
        &mut self,
        raw: &Raw<'a>,
        operation: Cow<'a, [u8]>,
        around: &Around<'a>,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        let kind = match operation.to_ascii_uppercase().as_slice() {
            b"INSERT" => EventKind::Created,
            b"UPDATE" => EventKind::Updated { merge: false },
            b"DELETE" => EventKind::Deleted,
            b"BEGIN" => EventKind::Begin,
            b"COMMIT" => EventKind::Commit,
            b"ROLLBACK" => EventKind::Rollback,
            _ => EventKind::Unknown,
        };
        let mut event = match self.common(raw, kind, operation, around) {
            Ok(event) => event,
            Err(reason) => return sink(Item::Malformed(reason)),
        };
        event.transaction =
            raw.transaction.and_then(|transaction| transaction.word()).filter(|id| !id.is_empty());
        match kind {
            EventKind::Begin | EventKind::Commit | EventKind::Rollback => {
                return match event.transaction {
                    Some(_) => sink(Item::Event(event)),
                    None => sink(Item::Malformed("a transaction's end or beginning that does not name it")),
                };
            }
            EventKind::Unknown => return sink(Item::Event(event)),
            _ => {}
        }
        let Some(table) = raw.table.and_then(|table| table.string()).filter(|table| !table.is_empty()) else {
            return sink(Item::Malformed("a change that names no table"));
        };
        let encoded = around.encoded
            || [raw.before, raw.after]
                .into_iter()
                .flatten()
                .any(|row| object_text(&row).is_none() && is_string(&row));
        let row = if kind == EventKind::Deleted { None } else { raw.after };
        let payload = row.and_then(|row| row_text(&row));
        if kind != EventKind::Deleted && payload.is_none() {
            return sink(Item::Malformed("a change without the row that it leaves"));
        }
        let payload = payload.map(|mut payload| {
            let bytes = compact(&mut payload);
            payload.truncate(bytes);
            payload
        });
        let key = raw
            .row_key
            .and_then(|key| key_text(&key, encoded))
            .or_else(|| payload.as_deref().and_then(|row| self.row_id(row)))
            .or_else(|| raw.before.and_then(|row| row_text(&row)).and_then(|row| self.row_id(&row)));
        let Some(key) = key else {
            return sink(Item::Malformed("a change that names no row: no key, no `id`"));
        };
        let id = [&table, &b":"[..], &key].concat();
        if std::str::from_utf8(&id).is_err() || std::str::from_utf8(&table).is_err() {
            return sink(Item::Malformed("a key or table that is no text"));
        }
        event.id = Cow::Owned(id);
        event.entity_type = table;
        event.payload = payload.map_or(Cow::Borrowed(&[]), Cow::Owned);
        sink(Item::Event(event));
    }

    /// The row's own name for itself.
    fn row_id(&mut self, row: &[u8]) -> Option<Vec<u8>> {
        let mut found: [Option<Vec<u8>>; 3] = [None, None, None];
        each_member(&mut self.scanner, row, |member| {
            let place = match member.key() {
                b"id" => &mut found[0],
                b"_id" => &mut found[1],
                b"$id" => &mut found[2],
                _ => return,
            };
            *place = Value { text: member.value, token: member.token }.word().map(Cow::into_owned);
        });
        found.into_iter().flatten().find(|id| !id.is_empty())
    }
}

/// A string that is not empty and has no escapes.
#[inline]
fn plain(value: Option<Value<'_>>) -> Option<&[u8]> {
    match value {
        Some(Value { text, token: Token::String { escaped: false } }) if text.len() > 2 => {
            text.get(1..text.len() - 1)
        }
        _ => None,
    }
}

fn is_string(value: &Value<'_>) -> bool {
    matches!(value.token, Token::String { .. })
}

/// The object that `value` is, or that it says as a string; checked JSON.
fn object_text(value: &Value<'_>) -> Option<Vec<u8>> {
    match value.token {
        Token::Object => Some(value.text.to_vec()),
        Token::String { .. } => checked_object(value.string()?.into_owned()),
        _ => None,
    }
}

fn checked_object(text: Vec<u8>) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(&text, 0);
    if cursor.next_token() != b'{' || std::str::from_utf8(&text).is_err() {
        return None;
    }
    Scanner::new().value(&mut cursor).ok()?;
    cursor.next_token();
    (cursor.position() == text.len()).then_some(text)
}

/// A row: an object, its text, or its text in base64.
fn row_text(value: &Value<'_>) -> Option<Vec<u8>> {
    object_text(value).or_else(|| checked_object(STANDARD.decode(&*value.string()?).ok()?))
}

/// A row's key: text, a number, base64 of either, or any JSON as it is written.
fn key_text(value: &Value<'_>, encoded: bool) -> Option<Vec<u8>> {
    let word = match value.token {
        Token::Literal => return None,
        Token::Object | Token::Array => return Some(value.text.to_vec()),
        Token::Number | Token::String { .. } => value.word()?,
    };
    if encoded
        && is_string(value)
        && let Ok(bytes) = STANDARD.decode(&*word)
    {
        return Some(bytes).filter(|key| !key.is_empty());
    }
    Some(word.into_owned()).filter(|key| !key.is_empty())
}

fn whole_number(text: &[u8]) -> Option<u64> {
    // The last number stands for none.
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number| *number != u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Each event as `kind namespace id type payload time sequence transaction`.
    fn parsed(text: &str) -> Vec<String> {
        let mut parser = EventParser::default();
        let mut seen = Vec::new();
        let end = parser
            .parse(text.as_bytes(), 0, &mut |item| {
                seen.push(match item {
                    Item::Event(event) => {
                        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                        format!(
                            "{:?} {} {} {} {} {} {:?} {:?}",
                            event.kind,
                            text(&event.namespace),
                            text(&event.id),
                            text(&event.entity_type),
                            text(&event.payload),
                            event.time_ms,
                            event.sequence,
                            event.transaction.map(|id| text(&id)),
                        )
                    }
                    Item::Malformed(reason) => format!("malformed: {reason}"),
                });
            })
            .unwrap();
        assert_eq!(end, text.len());
        seen
    }

    #[test]
    fn the_emitters_shape() {
        assert_eq!(
            parsed(
                r#"{"verb":"thing.created","store":"things","payload":{"$id":"c1","$type":"Customer","n":1},"timestamp":"2026-01-13T12:00:00.000Z","idempotencyKey":"c1:created:1","_meta":{"namespace":"t"},"_seq":7}"#
            ),
            [r#"Created t c1 Customer {"$id":"c1","$type":"Customer","n":1} 1768305600000 Some(7) None"#]
        );
        assert_eq!(
            parsed(
                r#" { "verb" : "thing.updated", "payload" : { "$id" : "c\u0031", "n" : [ 1 , "a b" ] }, "timestamp": 5, "_meta": {"isDelta":true} } "#.trim()
            ),
            [r#"Updated { merge: true } default c1 Unknown {"$id":"c\u0031","n":[1,"a b"]} 5 None None"#]
        );
    }

    #[test]
    fn the_recoverys_shape() {
        assert_eq!(
            parsed(
                r#"{"type":"thing.updated","entityId":"c1","entityType":"C","payload":{"a":1},"ts":9,"version":3,"ns":"n"}"#
            ),
            [r#"Updated { merge: true } n c1 C {"a":1} 9 None None"#]
        );
        assert_eq!(
            parsed(
                r#"{"type":"thing.deleted","entityId":"c1","entityType":"C","payload":null,"ts":9,"ns":"n"}"#
            ),
            ["Deleted n c1 C  9 None None"]
        );
    }

    #[test]
    fn segments_and_batches() {
        assert_eq!(
            parsed(
                r#"{"id":"s1","startLSN":"1","endLSN":"4","entries":[{"lsn":"1","timestamp":5,"txnId":"x","op":"BEGIN","table":""},{"lsn":"2","timestamp":5,"txnId":"x","op":"INSERT","table":"users","key":"dTE=","after":"eyJpZCI6InUxIn0="},{"lsn":"3","timestamp":6,"txnId":"x","op":"DELETE","table":"users","key":"dTI="},{"lsn":"4","timestamp":6,"txnId":"x","op":"COMMIT","table":""}],"checksum":1}"#
            ),
            [
                r#"Begin default    5 Some(1) Some("x")"#,
                r#"Created default users:u1 users {"id":"u1"} 5 Some(2) Some("x")"#,
                r#"Deleted default users:u2 users  6 Some(3) Some("x")"#,
                r#"Commit default    6 Some(4) Some("x")"#,
            ]
        );
        assert_eq!(
            parsed(
                r#"{"type":"cdc_batch","sourceDoId":"do1","events":[{"lsn":12,"timestamp":5,"operation":"UPDATE","table":"users","before":{"id":1},"after":{"id":1,"a":2}}, 7]}"#
            ),
            [
                r#"Updated { merge: false } do1 users:1 users {"id":1,"a":2} 5 Some(12) None"#,
                "malformed: no object",
            ]
        );
    }

    #[test]
    fn payloads_inside_strings() {
        assert_eq!(
            parsed(
                r#"{"verb":"thing.created","payload":"{\"$id\": \"a\", \"$type\": \"T\"}","timestamp":1}"#
            ),
            [r#"Created default a T {"$id":"a","$type":"T"} 1 None None"#]
        );
        assert_eq!(
            parsed(r#"{"value":"{\"verb\":\"thing.deleted\",\"payload\":{\"$id\":\"a\"},\"timestamp\":1}"}"#),
            [r#"Deleted default a Unknown {"$id":"a"} 1 None None"#]
        );
    }

    #[test]
    fn what_is_no_event() {
        for (text, reason) in [
            ("7 ", "no object"),
            ("{}", "no `verb`, `type` or `op` that says what happened"),
            (r#"{"verb":"thing.created","timestamp":1}"#, "there is no payload"),
            (r#"{"verb":"thing.created","payload":[1],"timestamp":1}"#, "the payload is no object"),
            (
                r#"{"verb":"thing.created","payload":{"$id":5},"timestamp":1}"#,
                "it names no entity: no `$id` in the payload, no `entityId`",
            ),
            (r#"{"verb":"thing.created","payload":{"$id":"a"}}"#, "it has neither a time nor a sequence"),
            (
                r#"{"verb":"thing.created","payload":{"$id":"a"},"_seq":1.5}"#,
                "the sequence is no whole number",
            ),
            (
                r#"{"verb":"thing.created","payload":{"$id":"\ud800"},"_seq":1}"#,
                "`$id` or `$type` has half of a surrogate pair",
            ),
        ] {
            let mut parser = EventParser::default();
            let mut seen = Vec::new();
            parser
                .parse(text.as_bytes(), 0, &mut |item| match item {
                    Item::Event(_) => panic!("{text}"),
                    Item::Malformed(reason) => seen.push(reason),
                })
                .unwrap();
            assert_eq!(seen, [reason], "{text}");
        }
        let mut parser = EventParser::default();
        assert_eq!(parser.parse(b"{\"verb\":", 0, &mut |_| ()), Err(ParseStop::More));
        assert!(matches!(parser.parse(b"{\"verb\":}", 0, &mut |_| ()), Err(ParseStop::Malformed { .. })));
    }
}
