"""The last state of every entity with orjson and sqlite3: `with_orjson.py LOG DATABASE`."""

import sqlite3
import sys
from pathlib import Path

import orjson

log, target = Path(sys.argv[1]), Path(sys.argv[2])
target.unlink(missing_ok=True)
seen = set()
last = {}
with log.open("rb") as lines:
    for line in lines:
        event = orjson.loads(line)
        key = event["idempotencyKey"]
        if key in seen:
            continue
        seen.add(key)
        payload = event["payload"]
        sequence = event["_seq"]
        known = last.get(payload["$id"])
        if known is None or known[0] < sequence:
            last[payload["$id"]] = (sequence, event["verb"], payload)
database = sqlite3.connect(target)
database.execute("CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT) WITHOUT ROWID")
database.executemany(
    "INSERT INTO things VALUES (?, ?, ?)",
    (
        (identity, payload["$type"], orjson.dumps(payload).decode())
        for identity, (_, verb, payload) in sorted(last.items())
        if verb != "thing.deleted"
    ),
)
database.commit()
database.close()
