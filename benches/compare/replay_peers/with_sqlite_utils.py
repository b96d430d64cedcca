"""The last state of every entity with sqlite-utils: `with_sqlite_utils.py LOG DATABASE`."""

import json
import sys
from pathlib import Path

import sqlite_utils

log, target = Path(sys.argv[1]), Path(sys.argv[2])
target.unlink(missing_ok=True)
database = sqlite_utils.Database(target)


def rows():
    with log.open() as lines:
        for line in lines:
            event = json.loads(line)
            payload = event["payload"]
            yield {
                "key": event["idempotencyKey"],
                "seq": event["_seq"],
                "verb": event["verb"],
                "id": payload["$id"],
                "type": payload["$type"],
                "data": json.dumps(payload),
            }


database["events"].insert_all(rows(), pk="key", ignore=True)
database["events"].create_index(["id", "seq"])
database.execute("CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT) WITHOUT ROWID")
database.execute(
    """
    INSERT INTO things SELECT id, type, data FROM
    (SELECT id, type, data, verb, row_number() OVER (PARTITION BY id ORDER BY seq DESC) AS place FROM events)
    WHERE place = 1 AND verb <> 'thing.deleted' ORDER BY id
    """
)
database["events"].drop()
database.conn.commit()
