//! What the definition of a virtual table says: its module, and the options of FTS5.

use super::sql::Tokens;

/// The module of a virtual table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module<'a> {
    /// Its name in lower case.
    pub name: String,
    /// What it is given, as it was typed.
    pub arguments: Vec<&'a str>,
}

impl<'a> Module<'a> {
    /// That of the table that `sql` makes; none where it makes no virtual table.
    pub fn of(sql: &'a str) -> Option<Self> {
        let mut tokens = Tokens::of(sql);
        for word in ["CREATE", "VIRTUAL", "TABLE"] {
            tokens.next().filter(|token| token.eq_ignore_ascii_case(word))?;
        }
        // A name that is a keyword stands in quotes.
        tokens.by_ref().find(|token| token.eq_ignore_ascii_case("USING"))?;
        let name = unquoted(tokens.next()?).to_ascii_lowercase();
        Some(Module {
            name,
            arguments: if tokens.next() == Some("(") { arguments(sql, tokens) } else { Vec::new() },
        })
    }
}

/// What stands between commas, up to the parenthesis that ends it.
fn arguments<'a>(sql: &'a str, mut tokens: Tokens<'a>) -> Vec<&'a str> {
    let (mut arguments, mut depth) = (Vec::new(), 0_usize);
    let mut span: Option<(usize, usize)> = None;
    while let Some(token) = tokens.next() {
        if depth == 0 && matches!(token, "," | ")") {
            arguments.extend(span.take().and_then(|(begin, end)| sql.get(begin..end)));
            if token == ")" {
                break;
            }
            continue;
        }
        match token {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        let end = sql.len() - tokens.rest.len();
        let begin = span.map_or(end - token.len(), |(begin, _)| begin);
        span = Some((begin, end));
    }
    arguments
}

/// Where the texts of a full-text table are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FullTextContent {
    /// In a table of its own, which ends with `_content`.
    Own,
    /// In another table or view.
    Of {
        /// Its name.
        table: String,
        /// The column that is the rowid.
        rowid: String,
    },
    /// Nowhere: there is an index alone.
    None,
}

/// The options of a full-text table (FTS5) that say in which tables it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullText {
    /// Where its texts are.
    pub content: FullTextContent,
    /// Whether a table that ends with `_docsize` keeps how many words each row has.
    pub has_sizes: bool,
    /// Whether each text has a locale.
    pub has_locale: bool,
}

impl FullText {
    /// Those among the arguments of its module.
    pub fn of(arguments: &[&str]) -> Self {
        let mut form = FullText { content: FullTextContent::Own, has_sizes: true, has_locale: false };
        let (mut content, mut content_rowid) = (None, None);
        for (name, value) in arguments.iter().filter_map(|argument| option(argument)) {
            match name {
                "content" => content = Some(value),
                "content_rowid" => content_rowid = Some(value),
                "columnsize" => form.has_sizes = value != "0",
                "locale" => form.has_locale = value == "1",
                _ => {}
            }
        }
        form.content = match content {
            None => FullTextContent::Own,
            Some(table) if table.is_empty() => FullTextContent::None,
            Some(table) => {
                FullTextContent::Of { table, rowid: content_rowid.unwrap_or_else(|| "rowid".into()) }
            }
        };
        form
    }
}

/// FTS5's options, in the order in which it looks for one that begins as was typed.
const OPTIONS: [&str; 10] = [
    "prefix",
    "tokenize",
    "content",
    "contentless_delete",
    "contentless_unindexed",
    "content_rowid",
    "columnsize",
    "locale",
    "detail",
    "tokendata",
];

/// An option and its value; what is none is a column.
fn option(argument: &str) -> Option<(&'static str, String)> {
    let end = argument.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    let (typed, rest) = argument.split_at(end);
    let value = rest.trim_start().strip_prefix('=')?.trim();
    let begins = |option: &&str| option.get(..end).is_some_and(|start| start.eq_ignore_ascii_case(typed));
    Some((OPTIONS.into_iter().find(begins)?, unquoted(value)))
}

/// A word without its quotes.
fn unquoted(word: &str) -> String {
    let end = match word.chars().next() {
        Some('[') => ']',
        Some(quote @ ('\'' | '"' | '`')) => quote,
        _ => return word.to_owned(),
    };
    let mut unquoted = String::new();
    let mut letters = word.chars().skip(1).peekable();
    while let Some(letter) = letters.next() {
        if letter == end && letters.next_if_eq(&end).is_none() {
            break;
        }
        unquoted.push(letter);
    }
    unquoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::Connection;

    fn full_text(sql: &str) -> FullText {
        let module = Module::of(sql).unwrap();
        assert_eq!(module.name, "fts5", "{sql}");
        FullText::of(&module.arguments)
    }

    /// The tables in which SQLite keeps the one that `sql` makes, by the ends of their names.
    fn kept(sql: &str) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE \"a,(t\"\"'\" (i INTEGER PRIMARY KEY, x, y)").unwrap();
        connection.execute_batch(sql).unwrap();
        let ends = "SELECT substr(name, length('the;name') + 2) FROM sqlite_schema WHERE name GLOB 'the;name_*' \
                    AND substr(name, length('the;name') + 2) IN ('content', 'docsize') ORDER BY 1";
        let mut statement = connection.prepare(ends).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_module_and_its_arguments() {
        for (sql, name, arguments) in [
            ("CREATE VIRTUAL TABLE f USING fts5(title, body)", "fts5", vec!["title", "body"]),
            ("create virtual table \"using \"\"(\" using 'FTS5' (a)", "fts5", vec!["a"]),
            ("CREATE VIRTUAL TABLE v USING fts5vocab /* ( */ (f, row)", "fts5vocab", vec!["f", "row"]),
            ("CREATE VIRTUAL TABLE v USING m", "m", vec![]),
            (
                "CREATE VIRTUAL TABLE f USING fts5(\n a UNINDEXED, -- the, last)\n tokenize = 'x y'', z', \"b,\"\"c\" )",
                "fts5",
                vec!["a UNINDEXED", "tokenize = 'x y'', z'", "\"b,\"\"c\""],
            ),
            ("CREATE VIRTUAL TABLE r USING m(a(1, (2)), b) -- c", "m", vec!["a(1, (2))", "b"]),
        ] {
            assert_eq!(Module::of(sql), Some(Module { name: name.into(), arguments }), "{sql}");
        }
        for sql in ["CREATE TABLE t(a)", "CREATE VIRTUAL TABLE t", "CREATE VIRTUAL TABLE \"USING\" (x)", ""] {
            assert_eq!(Module::of(sql), None, "{sql}");
        }
        assert_eq!(Module::of("CREATE VIRTUAL TABLE t USING m(a").unwrap().arguments, Vec::<&str>::new());
    }

    #[test]
    fn sqlite_keeps_it_as_its_options_say() {
        let table = "a,(t\"'";
        let of = |rowid: &str| FullTextContent::Of { table: table.into(), rowid: rowid.into() };
        for (options, content, has_sizes) in [
            ("x", FullTextContent::Own, true),
            ("content, [columnsize]", FullTextContent::Own, true),
            ("x, tokenize = 'unicode61 tokenchars ''=,''', prefix='2 3'", FullTextContent::Own, true),
            ("x, columnsize=0, detail=none", FullTextContent::Own, false),
            ("x, COLUMN = \"0\"", FullTextContent::Own, false),
            ("x, columnsize=1", FullTextContent::Own, true),
            ("x, content='a,(t\"'''", of("rowid"), true),
            ("x, content=\"a,(t\"\"'\", content_rowid=i", of("i"), true),
            ("x, c=[a,(t\"'], content_r='i', columnsize=0", of("i"), false),
            ("x, content=''", FullTextContent::None, true),
            ("x, cont = \"\", contentless_delete=1", FullTextContent::None, true),
            ("x, content='', columnsize=0", FullTextContent::None, false),
        ] {
            let sql = format!("CREATE VIRTUAL TABLE \"the;name\" USING fts5({options})");
            let form = full_text(&sql);
            assert_eq!(form, FullText { content, has_sizes, has_locale: false }, "{options}");
            let mut expected: Vec<&str> = Vec::new();
            if form.content == FullTextContent::Own {
                expected.push("content");
            }
            if has_sizes {
                expected.push("docsize");
            }
            assert_eq!(kept(&sql), expected, "{options}");
        }
        assert!(full_text("CREATE VIRTUAL TABLE f USING fts5(x, locale=1)").has_locale);
    }
}
