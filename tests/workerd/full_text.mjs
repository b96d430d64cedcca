// Full-text tables of every kind that an object can restore, what can be found in them, and those that it cannot restore.
const name = (text) => `"${text.replaceAll('"', '""')}"`;

const wild = 'we"ird/~ [na\'me';

/** What is looked for in which table. */
const searches = {
  docs: ["run*", "title: quick", "fo*", '"lazy dog"', "NEAR(quick dog, 5)", "zero", "null OR bytes", "ru*"],
  trigrams: ["ick", "own fo", '"wor"'],
  bare: ["quick", "dog NOT fox", "x7"],
  [wild]: ["quick", '"col ""one""": fox', "dog"],
  published: ["apple", "pears", "draft", "title: post"],
  viewed: ["seen", "apple"],
  a: ["apple", "draft"],
  a_content: ["quick"],
  shared: ["quick", "c0: lazy", "zero"],
  after: ["renamed"],
  empty: ["nothing"],
};

/** Tables of words that show what is in an index. */
const vocabularies = ["words", "columns", "instances", "published_words"];

const words = ["quick", "brown", "fox", "jumps", "lazy", "dog", "running", "zero", "apples", "pears"];
const text = (number) => words.filter((_, at) => (number * (at + 3)) % 7 < 3).join(" ");

export function setup({ sql }) {
  for (const statement of [
    // An ordinary table whose name only begins as those do in which FTS5 keeps `docs`.
    "CREATE TABLE docs_data2 (id INTEGER PRIMARY KEY, x)",
    "INSERT INTO docs_data2 VALUES (1, 'mine')",
    "CREATE VIRTUAL TABLE docs USING fts5(title, body, tag UNINDEXED, prefix='2 3', tokenize = 'porter unicode61 remove_diacritics 2')",
    "INSERT INTO docs (docs, rank) VALUES ('rank', 'bm25(10.0, 1.5)'), ('automerge', 8), ('pgsz', 1000), ('secure-delete', 1)",
    "CREATE VIRTUAL TABLE words USING fts5vocab(docs, row)",
    "CREATE VIRTUAL TABLE columns USING fts5vocab('docs', 'col')",
    "CREATE VIRTUAL TABLE instances USING fts5vocab(docs, instance)",
    "CREATE VIRTUAL TABLE trigrams USING fts5(name, tokenize=trigram, columnsize=0)",
    "CREATE VIRTUAL TABLE bare USING fts5(a, b, detail = none)",
    `CREATE VIRTUAL TABLE ${name(wild)} USING fts5("col ""one""", [two, (words)], -- a comment, with a comma\n tokenize='unicode61 tokenchars ''-_''')`,
    // Triggers keep this one in step, and leave drafts out.
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, title, body, published)",
    "CREATE VIRTUAL TABLE published USING fts5(title, body, content='posts', content_rowid='id', tokenize=porter)",
    "CREATE TRIGGER published_insert AFTER INSERT ON posts WHEN NEW.published BEGIN INSERT INTO published (rowid, title, body) VALUES (NEW.id, NEW.title, NEW.body); END",
    "CREATE TRIGGER published_delete AFTER DELETE ON posts WHEN OLD.published BEGIN INSERT INTO published (published, rowid, title, body) VALUES ('delete', OLD.id, OLD.title, OLD.body); END",
    "CREATE VIRTUAL TABLE published_words USING fts5vocab(published, col)",
    "CREATE VIEW posts_seen AS SELECT id AS number, upper(title) || ' seen' AS title FROM posts",
    "CREATE VIRTUAL TABLE viewed USING fts5(title, content = \"posts_seen\", content_rowid = number)",
    // Called as the content of `a` would be.
    "CREATE VIRTUAL TABLE a_content USING fts5(x)",
    "CREATE VIRTUAL TABLE a USING fts5(body, content=posts, content_rowid=id, columnsize=0)",
    "CREATE VIRTUAL TABLE shared USING fts5(c0, c1, content='docs_content', content_rowid='id')",
    "CREATE VIRTUAL TABLE before USING fts5(x)",
    "INSERT INTO before VALUES ('renamed, once')",
    "ALTER TABLE before RENAME TO after",
    "CREATE VIRTUAL TABLE empty USING fts5(x)",
    "CREATE VIRTUAL TABLE unused USING fts5(x, content='not there yet')",
  ]) {
    sql.exec(statement);
  }
  for (let number = 0; number < 300; number += 1) {
    sql.exec("INSERT INTO docs (rowid, title, body, tag) VALUES (CAST(? AS INTEGER), ?, ?, ?)", number * 3 - 50, text(number), `${text(number + 1)} ${text(number * 2)} word${number}`, `tag ${number}`);
    sql.exec("INSERT INTO trigrams VALUES (?)", text(number));
    sql.exec("INSERT INTO bare VALUES (?, ?)", text(number), `x${number}`);
    sql.exec(`INSERT INTO ${name(wild)} VALUES (?, ?)`, text(number), text(number + 3));
    sql.exec("INSERT INTO posts VALUES (?, ?, ?, ?)", number, `post ${number}`, number % 3 ? text(number) : "a draft with apples", number % 3 ? 1 : 0);
    sql.exec("INSERT INTO a_content VALUES (?)", text(number));
  }
  // Larger than what crosses at once.
  sql.exec("INSERT INTO docs (rowid, title, body) VALUES (100000, 'large', ?)", `${"- ".repeat(350_000)}filler`);
  for (const [rowid, title, body] of [
    ["9223372036854775807", "'zero NULL'", "NULL"],
    ["-9223372036854775808", "''", "'zero empty'"],
    ["9007199254740993", "CAST('9223372036854775807' AS INTEGER)", "'zero integer'"],
    ["200001", "x'ff00fe7a65726f'", "'zero bytes'"],
    ["200002", "CAST(x'7a65726f20c328ff' AS TEXT)", "x''"],
    ["200003", "0.1", "-0.0"],
    ["200004", "'zero' || char(0) || 'nul'", "9e999"],
    ["200005", "'Été zéro'", "'ǅ'"],
  ]) {
    sql.exec(`INSERT INTO docs (rowid, title, body, tag) VALUES (${rowid}, ${title}, ${body}, ${title})`);
  }
  // With secure-delete the index has another version from then on.
  sql.exec("DELETE FROM docs WHERE rowid = 10");
  rebuild(sql);
}

/** Those that no trigger keeps in step. */
function rebuild(sql) {
  for (const table of ["viewed", "a", "shared"]) sql.exec(`INSERT INTO ${table} (${table}) VALUES ('rebuild')`);
}

/** Writes to some of them, as their owner would. */
export function change({ sql }, from = 0) {
  for (let number = from; number < from + 20; number += 1) {
    sql.exec("INSERT INTO docs (rowid, title, body) VALUES (?, ?, 'quick changed')", 300_000 + number, `changed ${number}`);
    sql.exec("UPDATE docs SET body = 'running dogs' WHERE rowid = ?", number * 3 + 1);
    sql.exec("DELETE FROM bare WHERE rowid = ?", number + 5);
    sql.exec("DELETE FROM posts WHERE id = ?", number);
    sql.exec("INSERT INTO posts VALUES (?, 'post', 'new apples', 1)", number + 1000);
    sql.exec("DELETE FROM trigrams WHERE rowid = ?", number + 1);
    sql.exec(`INSERT INTO ${name(wild)} VALUES ('new fox', 'dog')`);
  }
  sql.exec("INSERT INTO docs (docs, rank) VALUES ('rank', 'bm25(1.0, 30.0)')");
  rebuild(sql);
}

/** All of it is something else. */
export function ruin({ sql }) {
  for (const table of ["docs", "published", wild, "a", "words"]) sql.exec(`DROP TABLE ${name(table)}`);
  sql.exec("DROP TABLE posts");
  sql.exec("CREATE VIRTUAL TABLE docs USING fts5(other)");
  sql.exec("INSERT INTO docs VALUES ('other')");
  sql.exec("CREATE TABLE a_data (x)");
}

const spelled = (column) =>
  `typeof(${column}), CASE typeof(${column}) WHEN 'real' THEN printf('%!.20g', ${column}) WHEN 'integer' THEN CAST(${column} AS TEXT) ELSE hex(${column}) END`;

/** What is in them and what is found, spelled so that equal texts are equal tables. */
export function dump({ sql }) {
  const lines = [];
  const rows = (title, statement, ...parameters) => {
    for (const row of sql.exec(statement, ...parameters).raw()) lines.push(JSON.stringify([title, ...row]));
  };
  rows("schema", "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name IN (SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'view')) OR type = 'trigger' AND name NOT GLOB '_dotctl*' ORDER BY 1, 2");
  rows("docs_data2", "SELECT * FROM docs_data2");
  for (const [table, wanted] of Object.entries(searches)) {
    const quoted = name(table);
    const columns = [...sql.exec("SELECT name FROM pragma_table_info(?)", table).raw()].map(([column]) => name(column));
    rows(table, `SELECT CAST(rowid AS TEXT), ${columns.map(spelled).join(", ")} FROM ${quoted} ORDER BY rowid`);
    rows(table, `SELECT k, typeof(v), v FROM ${name(`${table}_config`)} WHERE k <> 'version'`);
    for (const search of wanted) {
      rows(
        [table, search],
        `SELECT CAST(rowid AS TEXT), printf('%!.20g', rank), printf('%!.20g', bm25(${quoted}, 3.0)), snippet(${quoted}, -1, '[', ']', '…', 8), hex(highlight(${quoted}, 0, '[', ']')) FROM ${quoted}(?) ORDER BY rank, rowid`,
        search,
      );
    }
  }
  for (const table of vocabularies) rows(table, `SELECT * FROM ${table}`);
  return lines;
}

/** Has FTS5 look at each: what it says of those that it finds wrong. */
export function check({ sql }) {
  const wrong = [];
  for (const table of Object.keys(searches)) {
    // Drafts are not in the index.
    const rank = table === "published" ? 0 : 1;
    try {
      sql.exec(`INSERT INTO ${name(table)} (${name(table)}, rank) VALUES ('integrity-check', ${rank})`);
    } catch (error) {
      wrong.push(`${table}: ${error.message}`);
    }
  }
  return wrong;
}

/** Tables that an object cannot restore. */
export const refused = {
  contentless: "CREATE VIRTUAL TABLE found_too USING fts5(x, content='')",
  contentlessDelete: "CREATE VIRTUAL TABLE found_too USING fts5(x, content='', contentless_delete=1)",
  contentlessUnindexed: "CREATE VIRTUAL TABLE found_too USING fts5(x, y UNINDEXED, content='', contentless_unindexed=1)",
  locale: "CREATE VIRTUAL TABLE found_too USING fts5(x, locale=1)",
  contentGone: "CREATE VIRTUAL TABLE found_too USING fts5(x, content='gone'); INSERT INTO found_too (rowid, x) VALUES (1, 'x')",
  contentGoneUncounted: "CREATE VIRTUAL TABLE found_too USING fts5(x, content='gone', columnsize=0)",
};
