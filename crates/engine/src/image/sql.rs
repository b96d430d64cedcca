//! The little that must be known of a `CREATE TABLE` statement.

/// What a table's SQL says about how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableShape {
    /// Declared WITHOUT ROWID: stored as an index.
    pub without_rowid: bool,
    /// A virtual table: no pages of its own.
    pub is_virtual: bool,
    /// Columns declared.
    pub column_count: u32,
    /// Declared with `key TEXT PRIMARY KEY` first, and with no order but that of the key's bytes.
    pub by_key_bytes: bool,
}

/// A piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted,
    Mark(u8),
}

struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_past(&mut self, from: usize, end: &str) {
        let rest = self.sql.get(from..).unwrap_or_default();
        self.at = rest.find(end).map_or(self.sql.len(), |found| from + found + end.len());
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.byte(0)?;
            let start = self.at;
            match first {
                b'-' if self.byte(1) == Some(b'-') => self.skip_past(start + 2, "\n"),
                b'/' if self.byte(1) == Some(b'*') => self.skip_past(start + 2, "*/"),
                b'\'' | b'"' | b'`' => {
                    // A doubled quote inside only splits the token, which changes nothing here.
                    let quote = char::from(first).to_string();
                    self.skip_past(start + 1, &quote);
                    return Some(Token::Quoted);
                }
                b'[' => {
                    self.skip_past(start + 1, "]");
                    return Some(Token::Quoted);
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                byte if is_word(byte) => {
                    while self.byte(0).is_some_and(is_word) {
                        self.at += 1;
                    }
                    return Some(Token::Word(self.sql.get(start..self.at).unwrap_or_default()));
                }
                byte => {
                    self.at += 1;
                    return Some(Token::Mark(byte));
                }
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Whether a definition that begins with `word` constrains the table instead of adding a column.
fn is_constraint(word: &str) -> bool {
    ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}

impl TableShape {
    /// Reads `sql` as SQLite itself stored it in its schema. What cannot be understood says
    /// nothing; the pages of the tree decide.
    pub fn of(sql: &str) -> TableShape {
        let mut shape = TableShape::default();
        let mut depth = 0u32;
        let mut starts_definition = false;
        let mut previous = "";
        let mut first_words = ["key", "TEXT", "PRIMARY", "KEY"].iter();
        let mut other_order = false;
        for (index, token) in (Tokens { sql, at: 0 }).enumerate() {
            match token {
                Token::Mark(b'(') => {
                    depth = depth.saturating_add(1);
                    starts_definition = depth == 1;
                    continue;
                }
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                Token::Mark(b',') if depth == 1 => {
                    starts_definition = true;
                    continue;
                }
                Token::Word(word) => {
                    other_order |= word.eq_ignore_ascii_case("COLLATE") || word.eq_ignore_ascii_case("DESC");
                    if depth == 1 {
                        // What does not match ends the matching for good.
                        match first_words.as_slice() {
                            [expected, ..] if word.eq_ignore_ascii_case(expected) => {
                                first_words.next();
                            }
                            [] => {}
                            _ => other_order = true,
                        }
                    }
                    if depth == 1 && starts_definition && !is_constraint(word) {
                        shape.column_count = shape.column_count.saturating_add(1);
                    } else if depth == 0 {
                        if index == 1 && word.eq_ignore_ascii_case("VIRTUAL") {
                            shape.is_virtual = true;
                        }
                        if previous.eq_ignore_ascii_case("WITHOUT") && word.eq_ignore_ascii_case("ROWID") {
                            shape.without_rowid = true;
                        }
                        previous = word;
                    }
                }
                Token::Quoted if depth == 1 && starts_definition => {
                    shape.column_count = shape.column_count.saturating_add(1);
                }
                _ => {}
            }
            starts_definition = false;
        }
        shape.by_key_bytes = first_words.as_slice().is_empty() && !other_order;
        shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_in_the_order_of_their_keys_bytes() {
        let by_key_bytes = |sql: &str| TableShape::of(sql).by_key_bytes;
        assert!(by_key_bytes("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID"));
        assert!(by_key_bytes("CREATE TABLE [x] (Key text primary key not null,\n value) without rowid"));
        for columns in [
            "key TEXT PRIMARY KEY DESC, value BLOB",
            "key TEXT COLLATE NOCASE PRIMARY KEY, value BLOB",
            "key TEXT PRIMARY KEY COLLATE RTRIM, value BLOB",
            "key BLOB PRIMARY KEY, value BLOB",
            "value BLOB, key TEXT PRIMARY KEY",
            "key TEXT, value BLOB, PRIMARY KEY (value, key)",
            "key TEXT, value BLOB, PRIMARY KEY (key COLLATE NOCASE)",
            "\"key\" TEXT PRIMARY KEY, value BLOB",
            "key",
        ] {
            assert!(!by_key_bytes(&format!("CREATE TABLE _cf_KV ({columns}) WITHOUT ROWID")), "{columns}");
        }
    }

    #[test]
    fn shapes() {
        let shape = |sql| {
            let shape = TableShape::of(sql);
            (shape.column_count, shape.without_rowid, shape.is_virtual)
        };
        assert_eq!(
            shape("CREATE TABLE _cf_KV (\n key TEXT PRIMARY KEY,\n value BLOB\n ) WITHOUT ROWID"),
            (2, true, false)
        );
        assert_eq!(
            shape(
                "CREATE TABLE t(a DECIMAL(10,2), \"b,(\"\"c\" TEXT DEFAULT ')', [x]], -- , d\n `e` CHECK (e IN (1,2)), PRIMARY KEY(a, e), /* , f */ UNIQUE(e)) STRICT,without  rowid"
            ),
            (4, true, false)
        );
        assert_eq!(shape("CREATE VIRTUAL TABLE f USING fts5(title, body)"), (2, false, true));
        assert_eq!(shape("CREATE TABLE 'without rowid'(x)"), (1, false, false));
        assert_eq!(shape("CREATE TABLE (((((("), (0, false, false));
        assert_eq!(shape("/*"), (0, false, false));
        assert_eq!(shape("'é"), (0, false, false));
    }
}
