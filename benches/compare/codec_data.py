"""State of the four sorts that the codecs are measured on.

Each is NDJSON in key order, one `["key",{"value":…,"createdAt":…}]` a line, made by a
seeded generator: always the same bytes.

- **series**: readings of sensors, a minute apart, each near the one before.
- **keys**: long keys that have most of their text in common, and short values.
- **repeated**: windows of operators that say the same few things again and again.
- **general**: objects with names, notes, lists, nested and missing members.
"""

import json
import random
from pathlib import Path

from vocabulary import (
    ACTIONS,
    BROWSERS,
    CURRENCIES,
    DEVICES,
    FIRST_NAMES,
    LAST_NAMES,
    NOW_MS,
    PLANS,
    REGIONS,
    STATUSES,
    WORDS,
    sentence,
    skewed,
)

SEED = 20_261_122
ENTRIES = {"series": 300_000, "keys": 250_000, "repeated": 100_000, "general": 60_000}


def _series(choose, count):
    per_sensor = 3_000
    for sensor in range(count // per_sensor):
        celsius, at = choose.uniform(10, 30), NOW_MS - per_sensor * 60_000
        for _ in range(per_sensor):
            celsius = round(celsius + choose.gauss(0, 0.15), 1)
            at += 60_000
            # The reading arrives a little later than it was taken.
            yield f"reading:sensor-{sensor:03}:{at}", celsius, at + int(choose.random() * 40)


def _keys(choose, count):
    """Sessions below their users: the key is most of an entry."""
    made = []
    for _ in range(count):
        user, session = int(choose.random() * count / 5), int(choose.random() * 1000)
        key = f"tenant:acme-production:region:{skewed(choose, REGIONS)}:user:{user:08}:session:{session:04}"
        made.append((key, int(choose.expovariate(0.1)), NOW_MS - int(choose.random() * 60) * 60_000))
    yield from sorted(dict((entry[0], entry) for entry in made).values())


def _repeated(choose, count):
    for number in range(count):
        start = NOW_MS - (count - number) * 10_000
        events = int(choose.random() * 8)
        value = {
            "operator": "tumbling-window",
            "windowStart": start,
            "windowEnd": start + 10_000,
            "trigger": {"type": "event-time", "allowedLatenessMs": 5_000, "fired": choose.random() < 0.9},
            "aggregates": [
                {"function": "count", "field": "events", "result": events},
                {"function": "sum", "field": "amount", "result": events * 25},
            ],
            "region": skewed(choose, REGIONS),
            "status": skewed(choose, STATUSES),
        }
        yield f"window:{start}", value, start


def _general(choose, count):
    for number in range(count):
        first, last = skewed(choose, FIRST_NAMES), skewed(choose, LAST_NAMES)
        value = {
            "id": f"usr_{choose.getrandbits(32):08x}",
            "name": f"{first} {last}",
            "email": f"{first}.{last}{int(choose.random() * 90)}@example.com".lower(),
            "plan": skewed(choose, PLANS),
            "balance": round(choose.random() * 900, 2),
            "currency": skewed(choose, CURRENCIES),
            "device": {"type": skewed(choose, DEVICES), "browser": skewed(choose, BROWSERS)},
            "tags": [skewed(choose, WORDS) for _ in range(int(choose.random() * 4))],
            "history": [
                {"action": skewed(choose, ACTIONS), "at": NOW_MS - int(choose.random() * 1e9)}
                for _ in range(int(choose.random() * 3))
            ],
        }
        if choose.random() < 0.3:
            value["note"] = sentence(choose, 3 + int(choose.random() * 6))
        if choose.random() < 0.5:
            value["manager"] = None
        yield f"user:{number:06}", value, NOW_MS - int(choose.random() * 1e9)


PATTERNS = {"series": _series, "keys": _keys, "repeated": _repeated, "general": _general}


def make(pattern: str, path: Path, scale: float = 1.0) -> None:
    """Writes the entries of one sort."""
    choose = random.Random(SEED)
    with path.open("w", encoding="utf-8") as output:
        for key, value, created in PATTERNS[pattern](choose, int(ENTRIES[pattern] * scale)):
            entry = [key, {"value": value, "createdAt": created}]
            output.write(json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n")
