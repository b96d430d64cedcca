//! What differs between two checkpoints: held against what was changed, and applied to the first one,
//! which must then be the second.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};
use support::{Ran, Random, dotctl, files_below, folder};

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
        let mut command = dotctl();
        Ran::of(command.current_dir(self.folder.path()).args(words).output().unwrap())
    }

    fn snapshot(&self, source: &str, more: &[&str]) -> Value {
        let words = [&["snapshot", source, "--format", "json"], more].concat();
        self.run(&words).exits(0).json()["checkpoint"].clone()
    }

    fn id(&self, source: &str, more: &[&str]) -> String {
        self.snapshot(source, more)["id"].as_str().unwrap().to_owned()
    }

    /// All changes, by the lines; they agree with the object's numbers.
    fn changes(&self, old: &str, new: &str, more: &[&str]) -> Vec<Value> {
        let lines = self.run(&[&["diff", old, new, "--as", "ndjson"], more].concat());
        let changes: Vec<Value> = String::from_utf8(lines.stdout.clone())
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.code, Some(i32::from(!changes.is_empty())), "{lines:?}");
        let limit = "1000000";
        let object = self.run(&[&["diff", old, new, "--format", "json", "--limit", limit], more].concat());
        assert_eq!(object.code, lines.code);
        let object = object.json();
        assert_eq!(object["changes"], json!(changes));
        assert_eq!(object["changes_cut"], false);
        for name in ["added", "modified", "deleted"] {
            let count = changes.iter().filter(|change| change["change"] == name).count();
            assert_eq!(object[name], count, "{name}");
        }
        changes
    }
}

type State = BTreeMap<String, Value>;

fn write_state(world: &World, state: &State) {
    let entries: Vec<Value> = state.iter().map(|(key, value)| json!([key, value])).collect();
    fs::write(world.path("state.json"), serde_json::to_vec(&entries).unwrap()).unwrap();
}

/// The changes from `old` to `new`, as they should be.
fn expected(old: &State, new: &State) -> Vec<Value> {
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    let change = |key: &&String| {
        let (before, after) = (old.get(*key), new.get(*key));
        let name = match (before, after) {
            (None, _) => "added",
            (_, None) => "deleted",
            _ => "modified",
        };
        (before != after).then(|| json!({"change": name, "key": key, "old": before, "new": after}))
    };
    keys.iter().filter_map(change).collect()
}

fn entry(number: u64) -> Value {
    json!({"value": {"count": number, "text": "x".repeat((number % 90) as usize)}, "createdAt": 1})
}

#[test]
fn state_between_any_two_points() {
    let world = World::new();
    let mut random = Random(5);
    let mut state: State = (0..6000).map(|number| (format!("key\"{number:05}"), entry(number))).collect();
    let mut made = Vec::new();
    for step in 0..6 {
        write_state(&world, &state);
        let base = if step == 3 { "none" } else { "auto" };
        made.push((world.id("state.json", &["--base", base]), state.clone()));
        for _ in 0..40 {
            let number = random.below(9000);
            state.insert(format!("key\"{number:05}"), entry(random.below(1000)));
            state.remove(&format!("key\"{:05}", random.below(9000)));
        }
    }
    for (old, before) in &made {
        for (new, after) in &made {
            assert_eq!(world.changes(old, new, &[]), expected(before, after));
        }
    }
    // Applied to the one, the changes give the other.
    let (old, before) = &made[1];
    let (new, after) = &made[5];
    world.run(&["diff", old, new, "--changeset", "changes.ndjson"]).exits(1);
    let mut applied = before.clone();
    for line in fs::read_to_string(world.path("changes.ndjson")).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(key) = line["delete"].as_str() {
            assert!(applied.remove(key).is_some(), "{key}");
        } else {
            applied.insert(line["put"][0].as_str().unwrap().to_owned(), line["put"][1].clone());
        }
    }
    assert!(applied == *after);
    world.run(&["diff", old, new, "--changeset", "changes.ndjson"]).refuses(3);
    world.run(&["diff", old, new, "--changeset", "changes.ndjson", "--force"]).exits(1);
    let printed = world.run(&["diff", old, new, "--changeset", "-"]).exits(1);
    assert_eq!(printed.stdout, fs::read(world.path("changes.ndjson")).unwrap());
    // For people: the first changes, and how many more there are.
    let text = String::from_utf8(world.run(&["diff", old, new, "--limit", "3"]).exits(1).stdout).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("key\"")).count(), 3, "{text}");
    assert!(text.contains(" more; "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let cut = world.run(&["diff", old, new, "--format", "json", "--limit", "2"]).exits(1).json();
    assert_eq!((cut["changes"].as_array().unwrap().len(), &cut["changes_cut"]), (2, &true.into()));
    let none = world.run(&["diff", old, old]).exits(0);
    assert!(String::from_utf8(none.stdout).unwrap().contains("no difference"));
}

/// Neighbours share the full run, of which only chunks with changes are read: the others may be damaged.
#[test]
fn what_both_share_is_not_read() {
    let world = World::new();
    let mut random = Random(9);
    let noise = |random: &mut Random| {
        let text: String = (0..200).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
        json!({"value": text, "createdAt": 1})
    };
    let mut state: State = (0..5000).map(|number| (format!("{number:05}"), noise(&mut random))).collect();
    write_state(&world, &state);
    let old = world.id("state.json", &["--chunk-bytes", "64KiB"]);
    let packs = files_below(&world.path(".dotctl/packs"));
    let before = state.clone();
    state.insert("00007".to_owned(), noise(&mut random));
    write_state(&world, &state);
    let new = world.id("state.json", &["--chunk-bytes", "64KiB"]);
    assert_eq!(packs.len(), 1);
    let mut bytes = fs::read(&packs[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 1000].fill(0);
    fs::write(&packs[0], &bytes).unwrap();
    assert_eq!(world.changes(&old, &new, &[]), expected(&before, &state));
    world.run(&["verify"]).exits(1);
    // One that is needed is missed.
    bytes[30..1000].fill(0);
    fs::write(&packs[0], &bytes).unwrap();
    let ran = world.run(&["diff", &old, &new]).refuses(1);
    ran.mentions("chunk at byte");
}

const BEFORE: &str = "
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, data BLOB, twice AS (price * 2));
CREATE TABLE loose(a, b);
CREATE TABLE pair(k1 TEXT COLLATE NOCASE, k2, v, PRIMARY KEY(k1, k2)) WITHOUT ROWID;
CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, x);
CREATE TABLE grows(id INTEGER PRIMARY KEY, x);
CREATE TABLE goes(id INTEGER PRIMARY KEY, x);
CREATE TABLE child(id INTEGER PRIMARY KEY, item REFERENCES item(id) ON DELETE CASCADE);
CREATE INDEX by_price ON item(price);
CREATE INDEX by_x ON grows(x);
CREATE VIEW cheap AS SELECT * FROM item WHERE price < 5;
CREATE TRIGGER watch AFTER INSERT ON item BEGIN INSERT INTO loose VALUES(new.id, 'seen'); END;
CREATE VIRTUAL TABLE words USING fts5(text);
INSERT INTO words VALUES('one two'), ('three');
INSERT INTO item(id, name, price, data) VALUES(1,'a',0.1,x'00'),(2,'b',2.0,x'0102'),(3,'c',1e300,NULL),(4,'d',5e-324,zeroblob(3));
INSERT INTO loose VALUES(1,2),('it''s','new' || char(10) || 'line'),(NULL,9223372036854775807);
INSERT INTO pair VALUES('Key',1,'x'),('other','2',x'ff'),('num',1.5,NULL);
INSERT INTO counted(x) VALUES(1),(2),(3);
INSERT INTO grows VALUES(1,'x'),(2,'y');
INSERT INTO goes VALUES(1,1);
INSERT INTO child VALUES(1,2),(2,3);
PRAGMA user_version=3;
";

/// Two rows swap a unique name, a key changes its case, triggers and cascades would add to it.
const CHANGES: &str = "
DROP TRIGGER watch;
UPDATE item SET name='t' WHERE id=1; UPDATE item SET name='a' WHERE id=2; UPDATE item SET name='b' WHERE id=1;
DELETE FROM item WHERE id=3;
INSERT INTO item(id, name, price) VALUES(-7,'z',-0.30000000000000004),(9,'i',9e999),(10,'nul'||char(0)||'l',-1e-310);
INSERT INTO item(id, name) VALUES(11, CAST(x'ff61' AS TEXT));
CREATE TRIGGER watch AFTER INSERT ON item BEGIN INSERT INTO loose VALUES(new.id, 'seen; END;'); END;
CREATE TRIGGER more AFTER DELETE ON pair BEGIN DELETE FROM counted; END;
DELETE FROM loose WHERE a IS NULL;
UPDATE loose SET b=-0.0 WHERE a=1;
UPDATE pair SET k1='KEY' WHERE k1='Key';
DELETE FROM pair WHERE k2='2'; INSERT INTO pair VALUES('num',2.0,-9223372036854775808);
DELETE FROM counted WHERE id=3; INSERT INTO counted(x) VALUES(4);
ALTER TABLE grows ADD COLUMN y DEFAULT 7; INSERT INTO grows VALUES(3,'z',1);
DROP INDEX by_price; CREATE INDEX by_name ON item(name, price);
DROP VIEW cheap; CREATE VIEW dear AS SELECT name FROM item WHERE price > 5;
DROP TABLE goes;
CREATE TABLE \"new \"\"one\"(\"a b\" PRIMARY KEY, c) WITHOUT ROWID;
INSERT INTO \"new \"\"one\" VALUES('k', zeroblob(300));
INSERT INTO words VALUES('four five'); DELETE FROM words WHERE rowid=2;
PRAGMA user_version=4; PRAGMA application_id=77;
";

fn apply(database: &Path, changeset: &Path) {
    let connection = Connection::open(database).unwrap();
    connection.execute_batch(&fs::read_to_string(changeset).unwrap()).unwrap();
    let checked: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(checked, "ok");
}

/// What the rows of a database come to.
fn rows_sha256(world: &World, database: &str) -> Value {
    world.snapshot(database, &["--kind", "rows", "--namespace", "check"])["content_sha256"].clone()
}

#[test]
fn rows_and_images_and_the_way_from_one_to_the_other() {
    let world = World::new();
    let database = world.path("object.sqlite");
    let connection = Connection::open(&database).unwrap();
    connection.execute_batch(BEFORE).unwrap();
    let rows = ["--kind", "rows", "--namespace", "rows"];
    let image = ["--namespace", "image"];
    let old = [world.id("object.sqlite", &rows), world.id("object.sqlite", &image)];
    connection.execute_batch(CHANGES).unwrap();
    drop(connection);
    let new = [world.id("object.sqlite", &rows), world.id("object.sqlite", &image)];
    let expected = rows_sha256(&world, "object.sqlite");
    let changes = world.changes(&old[0], &new[0], &[]);
    let find = |key: &str| changes.iter().find(|change| change["key"] == key).unwrap();
    assert_eq!(
        *find("row/item/#a1"),
        json!({"change":"modified","table":"item","key":"row/item/#a1",
               "old":[1,"a",0.1,{"base64":"AA=="}],"new":[1,"b",0.1,{"base64":"AA=="}]})
    );
    assert_eq!(find("row/item/#a3")["change"], "deleted");
    assert_eq!(find("define/table/goes")["change"], "deleted");
    assert_eq!(find("define/trigger/watch")["change"], "modified");
    assert!(!changes.iter().any(|change| change["key"] == "row/child/#a1"));
    for old in &old {
        for new in &new {
            assert_eq!(world.changes(old, new, &[]), changes);
            let _ = fs::remove_file(world.path("changed.sqlite"));
            world.run(&["restore", old, "--to", "changed.sqlite"]).exits(0);
            assert_ne!(rows_sha256(&world, "changed.sqlite"), expected);
            world.run(&["diff", old, new, "--changeset", "changes.sql", "--force"]).exits(1);
            apply(&world.path("changed.sqlite"), &world.path("changes.sql"));
            assert_eq!(rows_sha256(&world, "changed.sqlite"), expected);
            // And back.
            world.run(&["diff", new, old, "--changeset", "back.sql", "--force"]).exits(1);
            apply(&world.path("changed.sqlite"), &world.path("back.sql"));
            world.run(&["snapshot", "changed.sqlite", "--kind", "rows", "--namespace", "back"]).exits(0);
            world.run(&["diff", old, "back@latest"]).exits(0);
        }
    }
    let object = world.run(&["diff", &old[1], &new[0], "--format", "json"]).exits(1).json();
    assert_eq!(object["unit"], "rows");
    let tables = object["tables"].as_array().unwrap();
    let item = tables.iter().find(|one| one["table"] == "item").unwrap();
    assert_eq!(*item, json!({"table":"item","added":4,"modified":2,"deleted":1}));
}

#[test]
fn tables_out_of_the_order_of_their_keys_are_compared_too() {
    let world = World::new();
    let connection = Connection::open(world.path("object.sqlite")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t(k INTEGER, v, PRIMARY KEY(k DESC)) WITHOUT ROWID;
             INSERT INTO t VALUES(1,'a'),(2,'b'),(3,'c')",
        )
        .unwrap();
    let old = world.id("object.sqlite", &[]);
    connection.execute_batch("DELETE FROM t WHERE k=2; UPDATE t SET v='z' WHERE k=3").unwrap();
    let new = world.id("object.sqlite", &[]);
    let changes = world.changes(&old, &new, &[]);
    let keys: Vec<_> = changes.iter().map(|change| (&change["change"], &change["key"])).collect();
    assert_eq!(keys, [(&json!("deleted"), &json!("row/t/#a2")), (&json!("modified"), &json!("row/t/#a3"))]);
}

#[test]
fn pages_are_told_by_their_numbers() {
    let world = World::new();
    let database = world.path("object.sqlite");
    let connection = Connection::open(&database).unwrap();
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x)").unwrap();
    let fill = |from: u32, to: u32| {
        for number in from..to {
            connection.execute("INSERT INTO t VALUES(?1, hex(randomblob(500)))", [number]).unwrap();
        }
    };
    connection.execute_batch("BEGIN").unwrap();
    fill(0, 1500);
    connection.execute_batch("COMMIT").unwrap();
    let mut made = Vec::new();
    for step in 0..4 {
        made.push((world.id("object.sqlite", &["--chunk-bytes", "64KiB"]), fs::read(&database).unwrap()));
        connection.execute("UPDATE t SET x='y' WHERE id IN (?1, 700)", [step * 300]).unwrap();
        match step {
            0 => fill(2000, 2040),
            1 => connection.execute_batch("DELETE FROM t WHERE id > 900; VACUUM").unwrap(),
            _ => {}
        }
    }
    for (old, before) in &made {
        for (new, after) in &made {
            let (mut before, mut after) = (before.chunks(4096), after.chunks(4096));
            let mut expected = Vec::new();
            for page in 1.. {
                let name = match (before.next(), after.next()) {
                    (None, None) => break,
                    (None, _) => "added",
                    (_, None) => "deleted",
                    (old, new) if old == new => continue,
                    _ => "modified",
                };
                expected.push(json!({"change": name, "page": page}));
            }
            assert_eq!(world.changes(old, new, &["--pages"]), expected);
        }
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let world = World::new();
    fs::write(world.path("state.json"), r#"[["a",{"value":1,"createdAt":1}]]"#).unwrap();
    Connection::open(world.path("object.sqlite")).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    let large = Connection::open(world.path("large.sqlite")).unwrap();
    large.execute_batch("PRAGMA page_size=8192; CREATE TABLE t(x)").unwrap();
    let state = world.id("state.json", &[]);
    let image = world.id("object.sqlite", &[]);
    let large = world.id("large.sqlite", &[]);
    world.run(&["diff", &state, &image]).refuses(2).mentions("kind");
    world.run(&["diff", &state, &state, "--pages"]).refuses(2).mentions("--pages");
    world.run(&["diff", &image, &large, "--pages"]).refuses(2);
    world.run(&["diff", &image, &image, "--pages", "--changeset", "-"]).refuses(2);
    world.run(&["diff", &image, &large, "--changeset", "x.sql"]).refuses(2).mentions("page size");
    assert!(!world.path("x.sql").exists());
    world.run(&["diff", &image, "ffff"]).refuses(3);
    world.run(&["diff", &image, &image, "--as", "ndjson", "--changeset", "-"]).refuses(2);
    // Whoever makes a database chooses what its schema says.
    let connection = Connection::open(world.path("object.sqlite")).unwrap();
    connection
        .execute_batch(
            "CREATE VIEW v AS SELECT 1; PRAGMA writable_schema=ON;
             UPDATE sqlite_schema SET sql='CREATE VIEW v AS SELECT 1; DROP TABLE t' WHERE name='v'",
        )
        .unwrap();
    drop(connection);
    let crafted = world.id("object.sqlite", &[]);
    world.run(&["diff", &image, &crafted, "--changeset", "x.sql"]).refuses(2).mentions("definition");
    assert!(!world.path("x.sql").exists());
}
