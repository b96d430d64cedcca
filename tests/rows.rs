//! Databases as schema and rows: everything that SQLite can hold comes back as it was, small changes are
//! small, and what is damaged or cannot be kept is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use support::{Ran, Random, dotctl, folder};

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        World { folder: folder() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(dotctl().args(words).arg("--store").arg(self.path("store")).output().unwrap())
    }

    fn snapshot(&self, source: &str, more: &[&str]) -> Json {
        let path = self.path(source);
        let words = ["snapshot", path.to_str().unwrap(), "--kind", "rows", "--format", "json"];
        self.run(&[&words, more].concat()).exits(0).json()["checkpoint"].clone()
    }

    fn restore(&self, reference: &str, to: &str) -> PathBuf {
        let path = self.path(to);
        self.run(&["restore", reference, "--to", path.to_str().unwrap(), "--force"]).exits(0);
        path
    }
}

fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// All that a reader can tell of a database, by way of SQLite: schema, and each row of each table with the
/// storage class of each value.
fn told(path: &Path) -> Vec<String> {
    let connection = open(path);
    let strings = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut told = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<String> =
                (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect();
            told.push(values.join(" | "));
        }
        told
    };
    let mut told =
        strings("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY 1, 2");
    told.extend(strings("PRAGMA encoding"));
    told.extend(strings("PRAGMA page_size"));
    told.extend(strings("PRAGMA auto_vacuum"));
    told.extend(strings("PRAGMA user_version"));
    told.extend(strings("PRAGMA application_id"));
    let mut tables = connection
        .prepare("SELECT name, wr, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') AND name <> 'sqlite_schema' ORDER BY 1")
        .unwrap();
    let names: Vec<(String, bool)> =
        tables.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    for (name, without_rowid) in names {
        let quoted = name.replace('"', "\"\"");
        let rowid = if without_rowid { "" } else { "rowid, " };
        told.push(format!("table {name}"));
        told.extend(strings(&format!("SELECT {rowid}* FROM \"{quoted}\" ORDER BY 1, 2")));
    }
    let intact: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok", "{}", path.display());
    told
}

/// A database with something of everything.
fn everything(path: &Path, settings: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(settings).unwrap();
    connection
        .execute_batch(
            r#"
            PRAGMA foreign_keys = OFF; PRAGMA user_version = 7; PRAGMA application_id = -3;
            CREATE TABLE classes (a, b BLOB, c INTEGER, d REAL, e TEXT, f NUMERIC);
            CREATE TABLE keyed (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, at REAL DEFAULT 1.5);
            CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
            CREATE TABLE later (id INTEGER PRIMARY KEY DESC, x);
            CREATE TABLE "odd/na~me ""é""" ("co""l" TEXT, "rowid" TEXT, _rowid_ TEXT);
            CREATE TABLE pairs (b TEXT COLLATE NOCASE, x, a INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID;
            CREATE TABLE down (k TEXT, v, PRIMARY KEY (k DESC)) WITHOUT ROWID;
            CREATE TABLE reals (r REAL PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE strict (i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT;
            CREATE TABLE computed (w REAL, h REAL, area REAL AS (w * h) STORED, twice AS (w * 2), t TEXT);
            CREATE TABLE parent (id INTEGER PRIMARY KEY);
            CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES parent(id), CHECK (id > 0));
            CREATE TABLE empty (x);
            CREATE TABLE audit (what);
            CREATE INDEX by_name ON keyed (name COLLATE NOCASE DESC) WHERE at > 1;
            CREATE UNIQUE INDEX "by ""expr""" ON classes (abs(c), lower(e));
            CREATE VIEW totals AS SELECT count(*) AS n FROM keyed, nowhere_yet;
            CREATE TRIGGER noted AFTER INSERT ON keyed BEGIN INSERT INTO audit VALUES (new.name); END;
            CREATE VIRTUAL TABLE words USING fts5(title, body);
            CREATE VIRTUAL TABLE boxes USING rtree(id, x1, x2);
            INSERT INTO words VALUES ('one', 'the quick brown fox'), ('two', 'jumps over');
            INSERT INTO boxes VALUES (1, 0.5, 1.5), (2, 3, 4);
            INSERT INTO counted (x) VALUES ('a'), ('b'); DELETE FROM counted WHERE x = 'b';
            INSERT INTO later VALUES (5, 'five'), (NULL, 'null'), (-2, 'two');
            INSERT INTO "odd/na~me ""é""" VALUES ('a', 'b', 'c');
            INSERT INTO pairs VALUES ('b', 1, 2), ('B', 2, -1), ('a', NULL, 9223372036854775807), ('é/~', 4, 0);
            INSERT INTO down VALUES ('a', 1), ('b', 2), ('/', 3), ('', 4);
            INSERT INTO reals VALUES (1.0, 'one'), (-2.5, 'x'), (9e99, NULL), (-9e999, 'least');
            INSERT INTO strict VALUES (1, 2, 'three', x'04', 5), (NULL, 2.5, '', x'', 'text'), (-1, 1e20, 'é', x'ff', 6.0);
            INSERT INTO computed (w, h, t) VALUES (2, 3, 't'), (0.5, 0.25, NULL);
            INSERT INTO child VALUES (1, 99);
            INSERT INTO keyed (id, name, at) VALUES (9, 'n', 1), (-9223372036854775808, 'least', 2), (9223372036854775807, 'most', NULL);
            ALTER TABLE keyed ADD COLUMN added TEXT DEFAULT 'it''s new';
            ALTER TABLE keyed ADD COLUMN number REAL DEFAULT 3;
            INSERT INTO keyed VALUES (10, 'whole', 4, NULL, 5);
            ANALYZE;
            "#,
        )
        .unwrap();
    let values = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Integer(0),
        Value::Real(1.0),
        Value::Real(-0.0),
        Value::Real(f64::INFINITY),
        Value::Real(f64::NEG_INFINITY),
        Value::Real(5e-324),
        Value::Real(123_456_789.125),
        Value::Text(String::new()),
        Value::Text("with\0nul, \"quotes\" \\ \u{1}\t\n é 😀".into()),
        Value::Text("12".into()),
        Value::Blob(Vec::new()),
        Value::Blob((0..=255).collect()),
        Value::Blob(vec![0; 10_000]),
        Value::Text("x".repeat(70_000)),
    ];
    for (number, value) in values.iter().enumerate() {
        let others = Value::Integer(number as i64);
        connection
            .execute("INSERT INTO classes VALUES (?1, ?1, ?2, ?1, ?2, ?1)", params![value, others])
            .unwrap();
    }
    // Text that is no UTF-8.
    if settings.is_empty() {
        connection
            .execute_batch("INSERT INTO classes VALUES (CAST(x'ff00fe' AS TEXT), CAST(x'eda080' AS TEXT), 1000, 1, 'x', 2)")
            .unwrap();
    }
}

#[test]
fn everything_comes_back() {
    for (name, settings) in [
        ("utf8", ""),
        ("utf16", "PRAGMA encoding = 'UTF-16le'; PRAGMA page_size = 1024;"),
        ("vacuum", "PRAGMA auto_vacuum = 2; PRAGMA page_size = 512; PRAGMA journal_mode = WAL;"),
    ] {
        let world = World::new();
        let source = world.path("source.sqlite");
        everything(&source, settings);
        let before = fs::read(&source).unwrap();
        let made = world.snapshot("source.sqlite", &[]);
        assert_eq!(made["kind"], "rows", "{name}");
        let restored = world.restore("latest", "restored.sqlite");
        assert_eq!(told(&restored), told(&source), "{name}");
        assert!(fs::read(&source).unwrap() == before, "the source is as it was");
        // As the same rows, whatever the pages: nothing new is stored.
        let again = world.snapshot("restored.sqlite", &["--namespace", "again", "--base", "none"]);
        assert_eq!(again["content_sha256"], made["content_sha256"], "{name}");
        assert_eq!(again["new_bytes"], 0, "{name}");
        // Searches work in what came back.
        let connection = Connection::open(&restored).unwrap();
        let found: String = connection
            .query_row("SELECT title FROM words WHERE words MATCH 'quick'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(found, "one");
        let inserted = connection.execute_batch("INSERT INTO counted (x) VALUES ('c')");
        inserted.unwrap();
        let counted: i64 =
            connection.query_row("SELECT id FROM counted WHERE x = 'c'", [], |row| row.get(0)).unwrap();
        assert_eq!(counted, 3, "a number that was used is not used again");
        let whole = world.run(&["verify", "--format", "json"]).exits(0).json();
        assert_eq!(whole["checked"]["checkpoints"], 2, "{name}");
    }
}

/// What docs/FORMAT.md says of the hash of rows, with other arithmetic than the engine's: bytes and a carry.
fn sum_by_the_book(lines: &str) -> String {
    let mut sum = [0_u8; 32];
    for line in lines.lines() {
        let mut carry = 0;
        for (byte, more) in sum.iter_mut().zip(Sha256::digest(line)) {
            carry += u16::from(*byte) + u16::from(more);
            *byte = carry as u8;
            carry >>= 8;
        }
    }
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn lines_are_the_way_out() {
    let world = World::new();
    let connection = Connection::open(world.path("s.sqlite")).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'a'), (20, x'00ff'), (-3, 1.0);")
        .unwrap();
    drop(connection);
    let made = world.snapshot("s.sqlite", &[]);
    let lines = concat!(
        r#"["define/table/t",["t","CREATE TABLE t (id INTEGER PRIMARY KEY, x)"]]"#,
        "\n",
        r##"["row/t/#S6",[-3,1.0]]"##,
        "\n",
        r##"["row/t/#a1",[1,"a"]]"##,
        "\n",
        r##"["row/t/#b20",[20,{"base64":"AP8="}]]"##,
        "\n"
    );
    let ndjson = world.run(&["restore", "latest", "--to", "-", "--as", "ndjson"]).exits(0);
    assert_eq!(String::from_utf8(ndjson.stdout).unwrap(), lines);
    let array: Json = serde_json::from_slice(
        &world.run(&["restore", "latest", "--to", "-", "--as", "json"]).exits(0).stdout,
    )
    .unwrap();
    assert_eq!(array.as_array().unwrap().len(), 4);
    assert_eq!((&made["record_count"], &made["raw_bytes"]), (&4.into(), &lines.len().into()));
    assert_eq!(made["content_sha256"], sum_by_the_book(lines));
    let got = world.run(&["get", "latest", "row/t/#b20"]).exits(0);
    assert_eq!(String::from_utf8(got.stdout).unwrap(), "[\"row/t/#b20\",[20,{\"base64\":\"AP8=\"}]]\n");
    let got = world.run(&["get", "latest", "row/t/#b20", "--format", "json"]).exits(0);
    assert_eq!(
        String::from_utf8(got.stdout).unwrap(),
        "{\"key\":\"row/t/#b20\",\"values\":[20,{\"base64\":\"AP8=\"}]}\n"
    );
    let database = world.run(&["restore", "latest", "--to", "-"]).exits(0).stdout;
    assert!(database.starts_with(b"SQLite format 3\0"));
}

#[test]
fn small_changes_are_small_and_every_point_comes_back() {
    let world = World::new();
    let source = world.path("s.sqlite");
    let mut connection = Connection::open(&source).unwrap();
    connection
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT, n REAL); CREATE TABLE k (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;")
        .unwrap();
    let mut random = Random(5);
    let transaction = connection.transaction().unwrap();
    for id in 0..30_000_i64 {
        let noise = format!("{:08x}{:08x}", random.below(1 << 32), random.below(1 << 32));
        transaction
            .execute("INSERT INTO t VALUES (?1, ?2, ?3)", params![id, noise, id as f64 / 3.0])
            .unwrap();
        if id % 10 == 0 {
            let key = format!("user:{id:06}");
            transaction.execute("INSERT INTO k VALUES (?1, ?2)", params![key, random.bytes(60)]).unwrap();
        }
    }
    transaction.commit().unwrap();
    let full = world.snapshot("s.sqlite", &[]);
    let mut points = vec![(full["id"].as_str().unwrap().to_owned(), told(&source))];
    for step in 0..12_i64 {
        let batch = format!(
            "UPDATE t SET x = 'step {step}' WHERE id = {}; DELETE FROM t WHERE id = {}; INSERT INTO k VALUES ('new:{step}', x'01');",
            step * 700 + 3,
            step * 700 + 4
        );
        connection.execute_batch(&batch).unwrap();
        if step == 6 {
            connection
                .execute_batch("ALTER TABLE t ADD COLUMN added DEFAULT 7; CREATE INDEX i ON t (n);")
                .unwrap();
        }
        let made = world.snapshot("s.sqlite", &[]);
        if step != 6 && step != 7 {
            let new_bytes = made["new_bytes"].as_u64().unwrap();
            assert!(made["base"].is_string() && new_bytes < 20_000, "step {step}: {made}");
        }
        points.push((made["id"].as_str().unwrap().to_owned(), told(&source)));
    }
    for (id, content) in &points {
        let restored = world.restore(id, "restored.sqlite");
        assert_eq!(told(&restored), *content, "{id}");
    }
    let same = world.snapshot("s.sqlite", &[]);
    assert_eq!((&same["new_bytes"], &same["content_sha256"].is_string()), (&0.into(), &true));
    world.run(&["verify"]).exits(0);
    world.run(&["verify", "--quick"]).exits(0);
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    let world = World::new();
    // A column that only a changed schema could have filled so: SQLite would turn the text into a number.
    let connection = Connection::open(world.path("bent.sqlite")).unwrap();
    connection.execute_batch("CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('12');").unwrap();
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    connection
        .execute_batch(
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (x INTEGER)';",
        )
        .unwrap();
    drop(connection);
    let made = world.snapshot("bent.sqlite", &[]);
    let to = world.path("restored.sqlite");
    let refused =
        world.run(&["restore", made["id"].as_str().unwrap(), "--to", to.to_str().unwrap()]).refuses(2);
    assert!(refused.stderr.contains("--as ndjson"), "{refused:?}");
    assert!(!to.exists());

    // Definitions do not run.
    for (number, sql) in [
        "CREATE TABLE t (x); DROP TABLE t",
        "CREATE TABLE t AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c",
        "ATTACH '/tmp/dotctl-must-not-exist' AS t",
        "CREATE TABLE u (x)",
        "nonsense",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("hostile{number}.sqlite");
        let connection = Connection::open(world.path(&name)).unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        connection.pragma_update(None, "writable_schema", true).unwrap();
        connection.execute("UPDATE sqlite_schema SET sql = ?1", [sql]).unwrap();
        drop(connection);
        let path = world.path(&name);
        let refused = world.run(&["snapshot", path.to_str().unwrap(), "--kind", "rows"]).refuses(2);
        assert!(refused.stderr.contains("--kind image"), "{sql}: {refused:?}");
    }
    assert!(!Path::new("/tmp/dotctl-must-not-exist").exists());

    let state = world.path("state.json");
    fs::write(&state, "[]").unwrap();
    world.run(&["snapshot", state.to_str().unwrap(), "--kind", "rows"]).refuses(2);
}

#[test]
fn an_empty_database_is_one() {
    let world = World::new();
    let connection = Connection::open(world.path("s.sqlite")).unwrap();
    connection.execute_batch("CREATE TABLE t (x); DROP TABLE t;").unwrap();
    drop(connection);
    let made = world.snapshot("s.sqlite", &[]);
    assert_eq!(made["record_count"], 0);
    let restored = world.restore("latest", "r.sqlite");
    let tables: i64 =
        open(&restored).query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    assert_eq!(tables, 0);
    world.run(&["verify"]).exits(0);
}

/// The temporary files of restores in the store's folder.
fn scratch(world: &World) -> Vec<String> {
    let names = support::names_in(&world.path("store"));
    names.into_iter().filter(|name| name.starts_with(".tmp-")).collect()
}

#[test]
fn what_a_killed_restore_to_a_pipe_leaves_is_removed_by_the_next_one_and_what_is_in_use_is_not() {
    let world = World::new();
    let source = Connection::open(world.path("source")).unwrap();
    source.execute_batch("CREATE TABLE words(word TEXT)").unwrap();
    // More than a pipe holds.
    for number in 0..200 {
        source.execute("INSERT INTO words VALUES(?)", [format!("{number} ").repeat(1000)]).unwrap();
    }
    drop(source);
    world.snapshot("source", &["--namespace", "a"]);
    let start = || {
        let mut command = dotctl();
        command.args(["restore", "latest", "--to", "-", "--store"]).arg(world.path("store"));
        let mut running = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        // It writes: the temporary file is whole.
        let mut first = [0; 16];
        std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut first).unwrap();
        assert_eq!(&first, b"SQLite format 3\0");
        running
    };
    let mut killed = start();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(scratch(&world).len(), 1);
    let slow = start();
    // The dead one's is gone, and the living one's stays, for other restores and for who cleans the store.
    assert_eq!(scratch(&world).len(), 1);
    let whole = world.run(&["restore", "latest", "--to", "-"]).exits(0).stdout;
    world.snapshot("source", &["--namespace", "b"]);
    assert_eq!(scratch(&world).len(), 1);
    let rest = slow.wait_with_output().unwrap();
    assert!(rest.status.success() && rest.stdout == whole[16..]);
    assert_eq!(scratch(&world), [""; 0]);
    let mut killed = start();
    killed.kill().unwrap();
    killed.wait().unwrap();
    world.snapshot("source", &["--namespace", "c"]);
    assert_eq!(scratch(&world), [""; 0]);
}
