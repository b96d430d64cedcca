"""An object's SQLite database of about one gigabyte.

`_cf_KV` holds V8-serialized values in random insert order, so that its pages
are part full and scattered as in an object that has lived; `things` is a table
of the application's own. Rows of both alternate in batches, as an object's
writes do. The file is in WAL mode and has no `-wal` beside it.
"""

import json
import random
import sqlite3
from pathlib import Path

import v8_values
from v8_values import FALSE, HEADER, NULL, TRUE, array, number, object_template, string
from vocabulary import (
    ACTIONS,
    BROWSERS,
    CURRENCIES,
    DEVICES,
    FIRST_NAMES,
    LAST_NAMES,
    PATHS,
    PLANS,
    REGIONS,
    STATUSES,
    decimal,
    recent_ms,
    sentence,
    skewed,
)

VALUE_COUNT = 1_500_000
THING_COUNT = 900_000
SEED = 20_261_122
VALUES_PER_BATCH = 5_000
PAGE_BYTES = 4096
# Enough that the random inserts of the full size mostly meet cached pages.
CACHE_KIBIBYTES = 512 * 1024

_USER = HEADER + object_template(
    "$type", "id", "name", "email", "plan", "region", "status", "loginCount", "balance",
    "createdAt", "lastSeenAt", "verified", "metadata",
)
_SESSION = HEADER + object_template(
    "$type", "sessionId", "userId", "device", "browser", "region", "path", "events", "startedAt",
    "expiresAt", "active", "metadata",
)
_EVENT = object_template("action", "at")
_ORDER = HEADER + object_template(
    "$type", "orderId", "customerId", "currency", "total", "status", "items", "note", "placedAt",
    "shippedAt", "metadata",
)
_ITEM = object_template("sku", "quantity", "price")
_METADATA = object_template("tenant", "source", "schemaVersion", "migrated")
_AGGREGATE = HEADER + object_template(
    "$type", "count", "sum", "minimum", "maximum", "mean", "variance", "windowStart", "windowEnd",
    "source", "lateEvents", "metadata",
)

# Words are encoded once.
_ENCODED = {
    word: string(word)
    for words in (ACTIONS, BROWSERS, CURRENCIES, DEVICES, PATHS, PLANS, REGIONS, STATUSES)
    for word in words
}


def _word(choose, words):
    return _ENCODED[skewed(choose, words)]


def _type(name):
    return string(f"https://example.com/{name}")


_USER_TYPE, _SESSION_TYPE, _ORDER_TYPE, _AGGREGATE_TYPE = map(_type, ("User", "Session", "Order", "Aggregate"))
_METADATA_VALUES = [
    _METADATA % (string(tenant), string(source), number(3), FALSE)
    for source in ("api", "webhook", "import", "console")
    for tenant in ("example", "northwind", "contoso")
]


def _metadata(choose):
    share = choose.random()
    return _METADATA_VALUES[int(share * share * len(_METADATA_VALUES))]


def _user(choose, identity):
    first, last = skewed(choose, FIRST_NAMES), skewed(choose, LAST_NAMES)
    created = recent_ms(choose)
    return _USER % (
        _USER_TYPE,
        string(f"usr_{identity}"),
        string(f"{first} {last}"),
        string(f"{first}.{last}{int(choose.random() * 1000)}@example.com".lower()),
        _word(choose, PLANS),
        _word(choose, REGIONS),
        _word(choose, STATUSES),
        number(int(choose.expovariate(0.01))),
        number(round(choose.random() * 1000, 2)),
        number(created),
        number(created + int(choose.random() * 1e8)),
        TRUE if choose.random() < 0.9 else FALSE,
        _metadata(choose),
    )


def _session(choose, identity):
    started = recent_ms(choose)
    at = started
    events = []
    for _ in range(1 + int(choose.random() * 4)):
        events.append(_EVENT % (_word(choose, ACTIONS), number(at)))
        at += int(choose.random() * 60_000)
    return _SESSION % (
        _SESSION_TYPE,
        string(identity),
        string(f"usr_{choose.getrandbits(48):012x}"),
        _word(choose, DEVICES),
        _word(choose, BROWSERS),
        _word(choose, REGIONS),
        _word(choose, PATHS),
        array(events),
        number(started),
        number(started + 86_400_000),
        TRUE if choose.random() < 0.3 else FALSE,
        _metadata(choose),
    )


def _order(choose, identity):
    placed = recent_ms(choose)
    items = [
        _ITEM
        % (
            string(f"sku-{int(choose.random() * 20_000):05d}"),
            number(1 + int(choose.random() * 5)),
            number(int(choose.random() * 20_000) / 100),
        )
        for _ in range(1 + int(choose.random() * 4))
    ]
    return _ORDER % (
        _ORDER_TYPE,
        string(f"ord_{identity}"),
        string(f"usr_{choose.getrandbits(48):012x}"),
        _word(choose, CURRENCIES),
        number(int(choose.random() * 90_000) / 100),
        _word(choose, STATUSES),
        array(items),
        string(sentence(choose, 2 + int(choose.random() * 6))),
        number(placed),
        number(placed + 7_200_000) if choose.random() < 0.7 else NULL,
        _metadata(choose),
    )


def _aggregate(choose, identity):
    start = recent_ms(choose) // 60_000 * 60_000
    count = 1 + int(choose.expovariate(0.005))
    total = count * (1 + int(choose.random() * 99))
    return _AGGREGATE % (
        _AGGREGATE_TYPE,
        number(count),
        number(total),
        number(int(choose.random() * 10)),
        number(10 + int(choose.random() * 990)),
        number(total / count),
        number(round(choose.random() * 50, 3)),
        number(start),
        number(start + 60_000),
        _word(choose, PATHS),
        number(int(choose.random() * 3)),
        _metadata(choose),
    )


KINDS = [("user:", _user), ("session:", _session), ("order:", _order), ("aggregate:1m:", _aggregate)]
THING_TYPES = ["Customer", "Invoice", "Ticket", "Task", "Message", "Contact", "Shipment", "Note"]


def _values(choose, count):
    for _ in range(count):
        prefix, make = KINDS[int(choose.random() * len(KINDS))]
        identity = f"{choose.getrandbits(64):016x}"
        yield prefix + identity, make(choose, identity)


def _things(choose, count):
    for _ in range(count):
        kind = skewed(choose, THING_TYPES)
        identity = f"{kind.lower()}_{choose.getrandbits(64):016x}"
        created = recent_ms(choose)
        data = {
            "$type": f"https://example.com/{kind}",
            "$id": f"https://example.com/{kind.lower()}/{identity}",
            "name": sentence(choose, 2 + int(choose.random() * 4)),
            "status": skewed(choose, STATUSES),
            "region": skewed(choose, REGIONS),
            "owner": f"usr_{choose.getrandbits(48):012x}",
            "amount": decimal(choose.random() * 1000),
            "priority": int(choose.random() * 5),
            "createdAt": created,
            "updatedAt": created if choose.random() < 0.6 else created + int(choose.random() * 1e8),
            "version": 1,
        }
        yield identity, kind, json.dumps(data, separators=(",", ":"))


def write_database(path: Path, scale: float) -> dict:
    """Writes the database and returns what the benchmark must know of it."""
    choose = random.Random(SEED)
    value_count = max(1, round(VALUE_COUNT * scale))
    thing_count = max(1, round(THING_COUNT * scale))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA page_size={PAGE_BYTES}")
    database.execute(f"PRAGMA cache_size=-{CACHE_KIBIBYTES}")
    # No journal while the file is made: a broken run starts over anyway.
    database.execute("PRAGMA journal_mode=OFF")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    database.execute("CREATE TABLE things (id TEXT PRIMARY KEY, type TEXT, data TEXT)")
    database.execute("BEGIN")
    values_left, things_left = value_count, thing_count
    while values_left or things_left:
        values_now = min(values_left, VALUES_PER_BATCH)
        values_left -= values_now
        things_now = things_left - thing_count * values_left // value_count
        things_left -= things_now
        database.executemany("INSERT INTO _cf_KV VALUES (?, ?)", _values(choose, values_now))
        database.executemany("INSERT INTO things VALUES (?, ?, ?)", _things(choose, things_now))
    database.execute("COMMIT")
    mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise RuntimeError(f"{path} is in journal mode {mode}, not wal")
    key, stored = database.execute("SELECT key, value FROM _cf_KV WHERE key >= 'session:5' LIMIT 1").fetchone()
    database.close()
    return {
        "records": value_count + thing_count,
        "sample_key": key,
        "sample_value": v8_values.decode(stored),
    }
