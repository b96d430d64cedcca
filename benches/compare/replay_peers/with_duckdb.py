"""The last state of every entity with DuckDB, in its own database: `with_duckdb.py LOG DATABASE`."""

import sys
from pathlib import Path

import duckdb

log, target = Path(sys.argv[1]), Path(sys.argv[2])
target.unlink(missing_ok=True)
database = duckdb.connect(str(target))
database.execute("SET threads = 2")
database.execute(
    """
    CREATE TABLE things AS
    WITH events AS (
        SELECT verb, payload, _seq, idempotencyKey AS key
        FROM read_json(?, format = 'newline_delimited', columns = {
            verb: 'VARCHAR', payload: 'JSON', idempotencyKey: 'VARCHAR', _seq: 'BIGINT'})
    ), applied AS (
        SELECT min(_seq) AS _seq, any_value(verb) AS verb, any_value(payload) AS payload FROM events GROUP BY key
    ), last AS (
        SELECT payload ->> '$."$id"' AS id, arg_max(verb, _seq) AS verb, arg_max(payload, _seq) AS data
        FROM applied GROUP BY 1
    )
    SELECT id, data ->> '$."$type"' AS type, data FROM last WHERE verb <> 'thing.deleted' ORDER BY id
    """,
    [str(log)],
)
database.close()
