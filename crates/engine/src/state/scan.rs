//! One entry, checked byte by byte as strict JSON without recursion.

use super::block::{MASKED_BYTES, Masks, block_at, masks};
use std::ops::Range;

/// Levels of arrays and objects that may be open at once inside an entry, the entry's own array
/// being the first. What a JSON reader that recurses bears is far less.
pub const MAX_DEPTH: usize = 10_000;

/// Why scanning stopped before the entry's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes end first; more may complete the entry.
    More,
    /// Not what JSON or an entry may hold at `position`.
    Fault {
        /// Index into the scanned bytes.
        position: usize,
        /// What may stand there.
        expected: &'static str,
    },
}

/// What a whole entry was found to hold. All positions index the scanned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Just after the entry's last bracket.
    pub end: usize,
    /// The key's text between its quotes.
    pub key: Range<usize>,
    /// Whether the key holds escapes.
    pub key_escaped: bool,
    /// Whether there may be bytes beyond ASCII.
    pub wide: bool,
    /// Whether there is whitespace between tokens.
    pub spaced: bool,
}

/// The containers that are open: one bit each, set for an object.
///
/// The innermost 64 are in `low`; each earlier 64 fill a word.
struct Nesting {
    low: u64,
    depth: usize,
    words: [u64; MAX_DEPTH.div_ceil(64)],
}

impl Nesting {
    #[inline(always)]
    fn open(&mut self, object: bool) -> bool {
        if self.depth >= MAX_DEPTH {
            return false;
        }
        if self.depth.is_multiple_of(64)
            && let Some(word) = self.words.get_mut(self.depth / 64)
        {
            *word = self.low;
        }
        self.low = self.low << 1 | u64::from(object);
        self.depth += 1;
        true
    }

    #[inline(always)]
    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.low >>= 1;
        if self.depth.is_multiple_of(64)
            && let Some(word) = self.words.get(self.depth / 64)
        {
            self.low = *word;
        }
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.low & 1 != 0
    }
}

/// Scans entries and other JSON; kept from one to the next because its stack of containers is worth
/// reusing.
pub(crate) struct Scanner {
    nesting: Nesting,
}

/// What a value is that the cursor went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// A string, with or without escapes.
    String {
        /// Whether it holds escapes.
        escaped: bool,
    },
    /// A number.
    Number,
    /// An object.
    Object,
    /// An array.
    Array,
    /// `true`, `false` or `null`.
    Literal,
}

/// The place and the findings of one scan.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    /// What the bytes from `masked` on are. Every block is looked at once, whatever tokens are in
    /// it, which is why its place does not wait for where the token before ended.
    masks: Masks,
    masked: usize,
    /// Not zero if there may be bytes beyond ASCII.
    wide: u64,
    spaced: bool,
}

const WHITESPACE: [bool; 256] = {
    let mut table = [false; 256];
    table[b' ' as usize] = true;
    table[b'\t' as usize] = true;
    table[b'\n' as usize] = true;
    table[b'\r' as usize] = true;
    table
};

/// Whether JSON allows `byte` between tokens.
#[inline(always)]
pub(super) fn is_whitespace(byte: u8) -> bool {
    WHITESPACE.get(usize::from(byte)).copied().unwrap_or(false)
}

impl<'a> Cursor<'a> {
    /// A cursor at `start`.
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> Self {
        let mut cursor =
            Cursor { bytes, position: start, masks: Masks::default(), masked: start, wide: 0, spaced: false };
        cursor.mask();
        cursor
    }

    /// Index of the byte that comes next.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// Whether there may be bytes beyond ASCII in what was scanned, or just after it.
    pub(crate) fn is_wide(&self) -> bool {
        self.wide != 0
    }

    /// Whether there was whitespace between tokens.
    pub(crate) fn is_spaced(&self) -> bool {
        self.spaced
    }

    /// Skips whitespace and gives the byte that the next token begins with; zero at the end.
    pub(crate) fn next_token(&mut self) -> u8 {
        self.token()
    }

    /// The byte at the cursor, or zero at the end: no token begins with it.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.bytes.get(self.position).copied().unwrap_or(0)
    }

    #[cold]
    fn stop<T>(&self, expected: &'static str) -> Result<T, Stop> {
        if self.position >= self.bytes.len() {
            Err(Stop::More)
        } else {
            Err(Stop::Fault { position: self.position, expected })
        }
    }

    /// The next byte that is not whitespace; the cursor rests on it.
    #[inline(always)]
    fn token(&mut self) -> u8 {
        let byte = self.byte();
        if byte <= b' ' && is_whitespace(byte) { self.skip_whitespace() } else { byte }
    }

    fn skip_whitespace(&mut self) -> u8 {
        self.spaced = true;
        loop {
            let byte = self.byte();
            if !is_whitespace(byte) {
                return byte;
            }
            self.position += 1;
        }
    }

    /// Sees to it that the masks tell of the byte at the cursor; says which of their bits it is.
    #[inline(always)]
    fn bit(&mut self) -> usize {
        loop {
            let bit = self.position.wrapping_sub(self.masked);
            if bit < MASKED_BYTES {
                return bit;
            }
            self.masked += MASKED_BYTES;
            self.mask();
        }
    }

    #[inline(always)]
    fn mask(&mut self) {
        self.masks = masks(&block_at(self.bytes, self.masked));
        self.wide |= self.masks.wide;
    }

    #[inline(always)]
    fn expect(&mut self, wanted: u8, expected: &'static str) -> Result<(), Stop> {
        if self.token() == wanted {
            self.position += 1;
            Ok(())
        } else {
            self.stop(expected)
        }
    }

    /// The rest of a string, the cursor behind its first quote and then behind its last. Tells
    /// whether it holds escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, Stop> {
        let mut escaped = false;
        loop {
            let bit = self.bit();
            let special = self.masks.special >> bit;
            if special == 0 {
                self.position += MASKED_BYTES - bit;
                continue;
            }
            self.position += special.trailing_zeros() as usize;
            match self.byte() {
                b'"' => {
                    self.position += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.stop("a string's text (control characters must be escaped)"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Stop> {
        self.position += 1;
        match self.byte() {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {
                self.position += 1;
                Ok(())
            }
            b'u' => {
                for _ in 0..4 {
                    self.position += 1;
                    if !self.byte().is_ascii_hexdigit() {
                        return self.stop("four hexadecimal digits after `\\u`");
                    }
                }
                self.position += 1;
                Ok(())
            }
            _ => self.stop("an escape: one of \" \\ / b f n r t u"),
        }
    }

    /// One or more digits.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), Stop> {
        let start = self.position;
        loop {
            let bit = self.bit();
            let others = !self.masks.digits >> bit;
            if others != 0 {
                self.position += others.trailing_zeros() as usize;
                break;
            }
            self.position += MASKED_BYTES - bit;
        }
        if self.position == start {
            return self.stop("a digit");
        }
        Ok(())
    }

    /// A number, the cursor on its first byte.
    #[inline(always)]
    fn number(&mut self) -> Result<(), Stop> {
        if self.byte() == b'-' {
            self.position += 1;
        }
        if self.byte() == b'0' {
            self.position += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.position += 1;
            self.digits()?;
        }
        if self.byte() | 0x20 == b'e' {
            self.position += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.position += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn literal(&mut self, rest: &'static [u8], expected: &'static str) -> Result<(), Stop> {
        for wanted in rest {
            if self.byte() != *wanted {
                return self.stop(expected);
            }
            self.position += 1;
        }
        Ok(())
    }

    /// A member's name and its colon, the cursor before them.
    #[inline(always)]
    fn member_name(&mut self) -> Result<(), Stop> {
        self.expect(b'"', "a member's name in quotes")?;
        self.string()?;
        self.expect(b':', "`:` after a member's name")
    }
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Scanner { nesting: Nesting { low: 0, depth: 0, words: [0; MAX_DEPTH.div_ceil(64)] } }
    }

    /// The entry `["key",{…}]` that begins at `start`, a bracket.
    pub(super) fn entry(&mut self, bytes: &[u8], start: usize) -> Result<Scanned, Stop> {
        let mut cursor = Cursor::new(bytes, start);
        cursor.expect(b'[', "an entry `[key, {…}]`")?;
        cursor.expect(b'"', "the entry's key, a string")?;
        let key_start = cursor.position;
        let key_escaped = cursor.string()?;
        let key = key_start..cursor.position - 1;
        cursor.expect(b',', "`,` after the entry's key")?;
        cursor.expect(b'{', "an object after the entry's key")?;
        self.nesting.depth = 0;
        self.nesting.open(false);
        self.nesting.open(true);
        self.object_and_rest(&mut cursor)?;
        cursor.expect(b']', "`]` at the end of the entry")?;
        Ok(Scanned { end: cursor.position, key, key_escaped, wide: cursor.wide != 0, spaced: cursor.spaced })
    }

    /// Goes over the value at the cursor.
    #[inline(always)]
    pub(crate) fn value(&mut self, cursor: &mut Cursor<'_>) -> Result<Token, Stop> {
        Ok(match cursor.token() {
            b'"' => {
                cursor.position += 1;
                Token::String { escaped: cursor.string()? }
            }
            b'-' | b'0'..=b'9' => {
                cursor.number()?;
                Token::Number
            }
            b'{' => {
                self.open_alone(true);
                cursor.position += 1;
                self.object_and_rest(cursor)?;
                Token::Object
            }
            b'[' => {
                self.open_alone(false);
                cursor.position += 1;
                if cursor.token() == b']' {
                    cursor.position += 1;
                } else {
                    self.rest(cursor)?;
                }
                Token::Array
            }
            b't' => {
                cursor.literal(b"true", "`true`")?;
                Token::Literal
            }
            b'f' => {
                cursor.literal(b"false", "`false`")?;
                Token::Literal
            }
            b'n' => {
                cursor.literal(b"null", "`null`")?;
                Token::Literal
            }
            _ => return cursor.stop("a value"),
        })
    }

    /// Goes over the object at the cursor and has `visit` go over each member's value: it gets the
    /// range of the name's text, and whether that holds escapes.
    #[inline(always)]
    pub(crate) fn members<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        mut visit: impl FnMut(&mut Self, &mut Cursor<'a>, Range<usize>, bool) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        cursor.expect(b'{', "an object")?;
        if cursor.token() == b'}' {
            cursor.position += 1;
            return Ok(());
        }
        loop {
            cursor.expect(b'"', "a member's name in quotes")?;
            let start = cursor.position;
            let escaped = cursor.string()?;
            let name = start..cursor.position - 1;
            cursor.expect(b':', "`:` after a member's name")?;
            cursor.token();
            visit(self, cursor, name, escaped)?;
            match cursor.token() {
                b',' => {
                    cursor.position += 1;
                    cursor.token();
                }
                b'}' => {
                    cursor.position += 1;
                    return Ok(());
                }
                _ => return cursor.stop("`,` or `}` after a member"),
            }
        }
    }

    /// Goes over the array at the cursor and has `visit` go over each element.
    pub(crate) fn elements<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        mut visit: impl FnMut(&mut Self, &mut Cursor<'a>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        cursor.expect(b'[', "an array")?;
        if cursor.token() == b']' {
            cursor.position += 1;
            return Ok(());
        }
        loop {
            cursor.token();
            visit(self, cursor)?;
            match cursor.token() {
                b',' => cursor.position += 1,
                b']' => {
                    cursor.position += 1;
                    return Ok(());
                }
                _ => return cursor.stop("`,` or `]` after an array's element"),
            }
        }
    }

    /// Forgets what was open and opens a container whose end ends the scan.
    #[inline(always)]
    fn open_alone(&mut self, object: bool) {
        self.nesting.depth = 0;
        self.nesting.open(false);
        self.nesting.open(object);
    }

    /// Everything up to the end of the object that was just opened.
    #[inline(always)]
    fn object_and_rest(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        if cursor.token() == b'}' {
            cursor.position += 1;
            return Ok(());
        }
        cursor.member_name()?;
        self.rest(cursor)
    }

    /// Everything up to the end of the container at depth 2, the cursor before a value.
    #[inline(always)]
    fn rest(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
        const TOO_DEEP: &str = "at most 10,000 levels of arrays and objects";
        // Whether the cursor is behind a value, as after an empty container.
        let mut after_value = false;
        loop {
            if !after_value {
                match cursor.token() {
                    b'"' => {
                        cursor.position += 1;
                        cursor.string()?;
                    }
                    b'-' | b'0'..=b'9' => cursor.number()?,
                    b'{' => {
                        if !self.nesting.open(true) {
                            return cursor.stop(TOO_DEEP);
                        }
                        cursor.position += 1;
                        if cursor.token() != b'}' {
                            cursor.member_name()?;
                            continue;
                        }
                    }
                    b'[' => {
                        if !self.nesting.open(false) {
                            return cursor.stop(TOO_DEEP);
                        }
                        cursor.position += 1;
                        if cursor.token() != b']' {
                            continue;
                        }
                    }
                    b't' => cursor.literal(b"true", "`true`")?,
                    b'f' => cursor.literal(b"false", "`false`")?,
                    b'n' => cursor.literal(b"null", "`null`")?,
                    _ => return cursor.stop("a value"),
                }
            }
            after_value = false;
            let in_object = self.nesting.in_object();
            match cursor.token() {
                b',' => {
                    cursor.position += 1;
                    if in_object {
                        cursor.member_name()?;
                    }
                }
                b'}' if in_object => {
                    cursor.position += 1;
                    self.nesting.close();
                    if self.nesting.depth <= 1 {
                        return Ok(());
                    }
                    after_value = true;
                }
                b']' if !in_object => {
                    cursor.position += 1;
                    self.nesting.close();
                    if self.nesting.depth <= 1 {
                        return Ok(());
                    }
                    after_value = true;
                }
                _ if in_object => return cursor.stop("`,` or `}` after a member"),
                _ => return cursor.stop("`,` or `]` after an array's element"),
            }
        }
    }
}
