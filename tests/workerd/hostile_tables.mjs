// Tables, and writes to them, in which a careless scan or trigger misses a row: what each is about stands before it.
// `setup` is done first, `during` while a checkpoint is made; there is a large table before theirs, unless `isAlone`.
const many = (count, work) => {
  for (let number = 0; number < count; number += 1) work(number);
};
const digits = (number) => `5${String(number).padStart(2, "0")}`;

export const hostile = {
  /** A comparison with an integer would turn the texts behind it into numbers. */
  textsBehindIntegers: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE k (a, v, PRIMARY KEY (a)) WITHOUT ROWID");
      many(16, (number) => sql.exec("INSERT INTO k VALUES (CAST(? AS INTEGER), 'n')", number + 1000));
      many(40, (number) => sql.exec("INSERT INTO k VALUES (?, 't')", digits(number)));
    },
  },
  /** NULL becomes the default only after BEFORE INSERT, and then replaces. */
  defaultsReplace: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT NOT NULL DEFAULT 'd' UNIQUE, y)");
      sql.exec("INSERT INTO t VALUES (1, 'd', 'old'), (2, 'e', 'old')");
    },
    during: ({ sql }) => sql.exec("INSERT OR REPLACE INTO t (id, x, y) VALUES (9, NULL, 'new')"),
  },
  /** What is computed from the rowid is not known before the row has one. */
  generatedReplaces: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, y, g AS (id % 4) STORED UNIQUE)");
      sql.exec("INSERT INTO t (id, y) VALUES (0, 'old'), (1, 'old'), (2, 'old')");
    },
    during: ({ sql }) => {
      sql.exec("INSERT INTO t (id, y) VALUES (3, 'n')");
      many(2, () => sql.exec("INSERT OR REPLACE INTO t (y) VALUES ('new')"));
    },
  },
  /** A foreign key's action comes before AFTER UPDATE. */
  referenceToItself: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES t (id) ON UPDATE CASCADE, y)");
      sql.exec("INSERT INTO t VALUES (1, 1, 'root'), (2, 1, 'child')");
    },
    during: ({ sql }) => sql.exec("UPDATE t SET id = 10 WHERE id = 1"),
  },
  /** What was kept of entries is as large as they were. */
  entriesAllGone: {
    setup: ({ kv }) => many(30, (number) => kv.put(`large:${number}`, new Uint8Array(900_000).fill(number))),
    during: ({ kv }) => many(30, (number) => kv.delete(`large:${number}`)),
  },
  /** No table besides, so there is nothing to hang a trigger on. */
  entriesAlone: {
    isAlone: true,
    setup: ({ kv }) => many(4000, (number) => kv.put(`entry:${String(number).padStart(4, "0")}`, "x".repeat(1000))),
    during: ({ kv }) => many(4000, (number) => kv.put(`entry:${String(number).padStart(4, "0")}`, number)),
  },
  /** Triggers of the object's own that write to the same table. */
  ownTriggers: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
      sql.exec("CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET x = 'stamped' WHERE id = NEW.id; END");
      sql.exec("CREATE TRIGGER b BEFORE INSERT ON t BEGIN DELETE FROM t WHERE id = NEW.id - 1; END");
      sql.exec("INSERT INTO t VALUES (1, 1), (5, 2)");
    },
    during: ({ sql }) => {
      sql.exec("INSERT INTO t VALUES (6, 1)");
      sql.exec("INSERT INTO t (x) VALUES (1)");
    },
  },
  /** Names that mean something in triggers, keys that descend, rowids below zero. */
  oddNames: {
    setup: ({ sql }) => {
      sql.exec('CREATE TABLE "new" (x)');
      sql.exec('CREATE TABLE "old" (rowid, oid, x)');
      sql.exec('CREATE TABLE "place" (place, existed, c0, "c1;")');
      sql.exec("CREATE TABLE d (a INTEGER PRIMARY KEY DESC, b ANY) STRICT");
      sql.exec("CREATE TABLE dd (a INT, b ANY, PRIMARY KEY (b DESC, a)) STRICT, WITHOUT ROWID");
      many(60, (at) => {
        const number = at - 20;
        sql.exec('INSERT INTO "new" (rowid, x) VALUES (CAST(? AS INTEGER), 1)', number);
        sql.exec('INSERT INTO "old" VALUES (?, ?, ?)', number, number, number);
        sql.exec("INSERT INTO place VALUES (?, 1, 2, 3)", number);
        sql.exec("INSERT INTO d VALUES (CAST(? AS INTEGER), CAST(? AS INTEGER))", number, number);
        sql.exec("INSERT INTO dd VALUES (CAST(? AS INTEGER), ?)", number, `b${at}`);
      });
    },
    during: ({ sql }) => {
      sql.exec('UPDATE "new" SET x = x + 1');
      sql.exec('DELETE FROM "old" WHERE x > 3');
      sql.exec("UPDATE place SET existed = 0, c0 = NULL");
      sql.exec("UPDATE OR REPLACE d SET a = a + 1");
      sql.exec("UPDATE OR REPLACE dd SET a = 1, b = b || 'x'");
      sql.exec('INSERT INTO "new" VALUES (5)');
    },
  },
  /** A table that only ANALYZE makes. */
  analyzed: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
      sql.exec("CREATE INDEX i ON t (x)");
      sql.exec("INSERT INTO t VALUES (1, 1), (2, 2)");
      sql.exec("ANALYZE");
    },
    during: ({ sql }) => sql.exec("DROP TABLE sqlite_stat1"),
    refusal: "busy",
  },
  /** The same table again is another one. */
  madeAgain: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE cache (a INTEGER PRIMARY KEY, v)");
      sql.exec("INSERT INTO cache VALUES (1, 'old'), (2, 'old')");
    },
    during: ({ sql }) => {
      sql.exec("DROP TABLE cache");
      sql.exec("CREATE TABLE cache (a INTEGER PRIMARY KEY, v)");
      sql.exec("INSERT INTO cache VALUES (1, 'new'), (7, 'new')");
    },
    refusal: "busy",
  },
  /** A schema that is the same to the letter, and rows that are not. */
  columnMadeAgain: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b)");
      many(200, (number) => sql.exec("INSERT INTO t VALUES (?, 'old')", number));
    },
    during: ({ sql }) => {
      sql.exec("ALTER TABLE t DROP COLUMN b");
      sql.exec("ALTER TABLE t ADD COLUMN b");
    },
    refusal: "busy",
  },
  /** SQLite drops no column that a trigger names. */
  uniqueColumnDropped: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b, c)");
      sql.exec("CREATE UNIQUE INDEX i ON t (b)");
      many(200, (number) => sql.exec("INSERT INTO t VALUES (?, ?, 'c')", number, number));
    },
    during: ({ sql }) => {
      sql.exec("DROP INDEX i");
      sql.exec("ALTER TABLE t DROP COLUMN b");
    },
    refusal: "busy",
  },
  /** Everything goes. */
  emptied: { setup: ({ kv }) => kv.put("a", 1), during: (storage) => storage.deleteAll(), refusal: "busy" },
  /** A write of an entry that cannot be kept is no failure of the write. */
  blobOverwritten: {
    setup: ({ kv }) => kv.put("a blob", { file: new Blob(["x"]) }),
    during: ({ kv }) => kv.put("a blob", 1),
    refusal: "unsupported",
  },
  /** Nothing can be hung on the tables in which FTS5 keeps its own. */
  fullText: {
    setup: ({ sql }) => {
      sql.exec("CREATE VIRTUAL TABLE f USING fts5(x, y UNINDEXED)");
      sql.exec("CREATE TABLE posts (id INTEGER PRIMARY KEY, title)");
      sql.exec("CREATE VIRTUAL TABLE found USING fts5(title, content=posts, content_rowid=id)");
      sql.exec("CREATE TRIGGER i AFTER INSERT ON posts BEGIN INSERT INTO found (rowid, title) VALUES (NEW.id, NEW.title); END");
      sql.exec("CREATE TRIGGER d AFTER DELETE ON posts BEGIN INSERT INTO found (found, rowid, title) VALUES ('delete', OLD.id, OLD.title); END");
      many(400, (number) => sql.exec("INSERT INTO f VALUES (?, ?)", `word${number % 50} old`, number));
      many(400, (number) => sql.exec("INSERT INTO posts VALUES (?, ?)", number, `title${number % 50} old`));
    },
    during: ({ sql }) => {
      sql.exec("DELETE FROM f WHERE rowid % 3 = 0");
      sql.exec("UPDATE f SET x = 'new' WHERE rowid % 7 = 0");
      sql.exec("DELETE FROM posts WHERE id % 3 = 0");
      many(50, (number) => sql.exec("INSERT INTO posts VALUES (?, 'new')", number + 5000));
      sql.exec("INSERT INTO f (f) VALUES ('optimize')");
    },
  },
  /** A key that ignores case comes in another order than its bytes. */
  caseIgnored: {
    setup: ({ sql }) => {
      sql.exec("CREATE TABLE k (a TEXT COLLATE NOCASE PRIMARY KEY) WITHOUT ROWID");
      sql.exec("INSERT INTO k VALUES ('Bob'), ('alice'), ('Carol')");
      sql.exec("CREATE TABLE m (a, v, PRIMARY KEY (a)) WITHOUT ROWID");
      many(300, (number) => sql.exec("INSERT INTO m VALUES (?, 1)", number % 2 ? number : String(number)));
      many(300, (number) => sql.exec("INSERT INTO m VALUES (? + CAST(? AS INTEGER), 1)", number % 3 ? 0.25 : 1000, number));
    },
    during: ({ sql }) => {
      sql.exec("UPDATE k SET a = lower(a)");
      sql.exec("DELETE FROM m WHERE a > 20");
    },
  },
};
