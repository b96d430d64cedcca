"""One million state entries of stateful operators, sorted by key.

A compact JSON array as `JSON.stringify` prints it, one
`[key,{"value":…,"createdAt":…}]` an element, some with `expiresAt`. Written as
it is made: memory does not grow with the number of entries.
"""

import json
import random
from pathlib import Path

from vocabulary import (
    ACTIONS,
    CURRENCIES,
    DEVICES,
    PATHS,
    REGIONS,
    STATUSES,
    decimal,
    recent_ms,
    skewed,
)

ENTRY_COUNT = 1_000_000
SEED = 20_261_121
ENTRIES_PER_WRITE = 4_096


def _counter(choose, identity):
    created = recent_ms(choose)
    count = int(choose.expovariate(0.002)) + 1
    value = (
        f'{{"count":{count},"sum":{decimal(count * choose.random() * 90)},'
        f'"minimum":{int(choose.random() * 10)},"maximum":{int(choose.random() * 900) + 10},'
        f'"region":"{skewed(choose, REGIONS)}","path":"{skewed(choose, PATHS)}",'
        f'"status":"{skewed(choose, STATUSES)}","lastEvent":"evt_{identity}","updatedAt":{created + count * 37}}}'
    )
    return value, created, None


def _window(choose, identity):
    start = recent_ms(choose) // 60_000 * 60_000
    count = int(choose.expovariate(0.02)) + 1
    value = (
        f'{{"windowStart":{start},"windowEnd":{start + 60_000},"count":{count},'
        f'"sum":{decimal(choose.random() * 5000)},"average":{decimal(choose.random() * 100)},'
        f'"groups":[{{"device":"{skewed(choose, DEVICES)}","count":{count}}},'
        f'{{"device":"{skewed(choose, DEVICES)}","count":{count // 3}}}],"closed":{"true" if count % 3 else "false"}}}'
    )
    return value, start + int(choose.random() * 60_000), start + 3_600_000


def _join(choose, identity):
    created = recent_ms(choose)
    value = (
        f'{{"left":{{"orderId":"ord_{identity}","amount":{decimal(choose.random() * 400)},'
        f'"currency":"{skewed(choose, CURRENCIES)}"}},'
        f'"right":{{"customerId":"cus_{choose.getrandbits(40):010x}","region":"{skewed(choose, REGIONS)}",'
        f'"status":"{skewed(choose, STATUSES)}"}},"matched":{"true" if choose.random() < 0.8 else "false"},'
        f'"attempts":{int(choose.random() * 4)}}}'
    )
    return value, created, created + 86_400_000


def _pattern(choose, identity):
    created = recent_ms(choose)
    step = created
    events = []
    for _ in range(2 + int(choose.random() * 2)):
        events.append(f'{{"action":"{skewed(choose, ACTIONS)}","at":{step}}}')
        step += int(choose.random() * 9_000)
    value = (
        f'{{"state":"step_{len(events)}","events":[{",".join(events)}],'
        f'"score":{decimal(choose.random(), 4)},"device":"{skewed(choose, DEVICES)}","complete":false}}'
    )
    return value, created, None


# Prefixes in key order with their share of the entries.
OPERATORS = [
    ("count:page:", 0.35, _counter),
    ("join:orders:", 0.25, _join),
    ("pattern:checkout:", 0.15, _pattern),
    ("window:1m:", 0.25, _window),
]


def write_state(path: Path, scale: float) -> dict:
    """Writes the entries and returns what the benchmark must know of them."""
    choose = random.Random(SEED)
    entry_count = max(1, round(ENTRY_COUNT * scale))
    sample_at = entry_count // 3
    sample = None
    written = 0
    with path.open("wb") as output:
        output.write(b"[")
        pending = []
        for place, (prefix, share, make) in enumerate(OPERATORS):
            last = place == len(OPERATORS) - 1
            count = entry_count - written if last else round(entry_count * share)
            # Ascending identifiers with random gaps are sorted as they are made.
            gap = (1 << 48) // (count + 1)
            identifier = 0
            for _ in range(count):
                identifier += 1 + int(choose.random() * (gap - 1))
                identity = f"{identifier:012x}"
                value, created, expires = make(choose, f"{choose.getrandbits(48):012x}")
                expiry = "" if expires is None else f',"expiresAt":{expires}'
                entry = f'["{prefix}{identity}",{{"value":{value},"createdAt":{created}{expiry}}}]'
                if written == sample_at:
                    sample = json.loads(entry)
                written += 1
                pending.append(entry)
                if len(pending) == ENTRIES_PER_WRITE or written == entry_count:
                    output.write(",".join(pending).encode())
                    if written < entry_count:
                        output.write(b",")
                    pending.clear()
        output.write(b"]")
    return {"records": entry_count, "sample_key": sample[0], "sample_value": sample[1]["value"]}
