"""Two million events of an emitter, 675 MB of NDJSON, in the order in which they were sent.

60 % created, 30 % updated with the whole entity, 10 % deleted; one in twenty is
sent again later, byte for byte. With `shuffled` the same lines in random order.
Every payload holds its whole entity, so that a program that keeps each entity's
last payload does the same job as one that knows what the verbs mean.
"""

import random
from pathlib import Path

from vocabulary import PATHS, REGIONS, STATUSES, decimal, skewed

EVENT_COUNT = 2_000_000
DUPLICATE_SHARE = 0.05
DELETED_SHARE = 0.10
UPDATED_SHARE = 0.30
SEED = 20_261_122
FIRST_MS = 1_767_225_600_000
# A line sent again follows within as many events, as a batch that is retried.
RETRY_DISTANCE = 5_000
LINES_PER_WRITE = 8_192
# A few types are small enough for one row each; a type's weight is its share of the entities.
TYPES = [("Customer", 40), ("Order", 35), ("Session", 20), ("Product", 5)]
SMALL_TYPES = ["Plan", "Region", "Currency", "Setting"]
SMALL_TYPE_ENTITIES = 20


def _time_text(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    days, seconds = divmod(seconds, 86_400)
    # The year of FIRST_MS is long enough for all events.
    month_days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    day = days - FIRST_MS // 86_400_000
    month = 0
    while day >= month_days[month]:
        day -= month_days[month]
        month += 1
    hours, seconds = divmod(seconds, 3600)
    return f"2026-{month + 1:02}-{day + 1:02}T{hours:02}:{seconds // 60:02}:{seconds % 60:02}.{rest:03}Z"


def _payload(choose, identity: str, kind: str, revision: int) -> str:
    return (
        f'{{"$id":"{identity}","$type":"{kind}","name":"{choose.getrandbits(32):08x}",'
        f'"status":"{skewed(choose, STATUSES)}","region":"{skewed(choose, REGIONS)}",'
        f'"amount":{decimal(choose.random() * 500)},"path":"{skewed(choose, PATHS)}","revision":{revision}}}'
    )


def write_events(path: Path, scale: float, shuffled: bool) -> dict:
    """Writes the lines and returns what the benchmark must know of them."""
    choose = random.Random(SEED)
    line_count = max(100, round(EVENT_COUNT * scale))
    event_count = round(line_count * (1 - DUPLICATE_SHARE))
    kinds = [kind for kind, weight in TYPES for _ in range(weight)]
    live: list[tuple[str, str, int]] = []
    lines: list[str] = []
    retries: dict[int, list[str]] = {}
    duplicates = deleted = created = 0
    now = FIRST_MS
    for sequence in range(1, event_count + 1):
        now += 1 + int(choose.random() * 900)
        choice = choose.random()
        if choice < DELETED_SHARE and live:
            verb = "deleted"
            place = int(choose.random() * len(live))
            live[place], live[-1] = live[-1], live[place]
            identity, kind, revision = live.pop()
            payload = f'{{"$id":"{identity}","$type":"{kind}"}}'
            deleted += 1
        elif choice < DELETED_SHARE + UPDATED_SHARE and live:
            verb = "updated"
            place = int(choose.random() * len(live))
            identity, kind, revision = live[place]
            live[place] = (identity, kind, revision + 1)
            payload = _payload(choose, identity, kind, revision + 1)
        else:
            verb = "created"
            small = created < len(SMALL_TYPES) * SMALL_TYPE_ENTITIES
            kind = SMALL_TYPES[created % len(SMALL_TYPES)] if small else choose.choice(kinds)
            identity = f"{kind.lower()}_{choose.getrandbits(64):016x}"
            live.append((identity, kind, 1))
            payload = _payload(choose, identity, kind, 1)
            created += 1
        line = (
            f'{{"verb":"thing.{verb}","store":"things","payload":{payload},"timestamp":"{_time_text(now)}",'
            f'"idempotencyKey":"{identity}:{verb}:{now}","_meta":{{"namespace":"tenant-42"}},"_seq":{sequence}}}\n'
        )
        lines.append(line)
        if len(lines) + len(retries) <= line_count and choose.random() < DUPLICATE_SHARE / (1 - DUPLICATE_SHARE):
            retries.setdefault(sequence + 1 + int(choose.random() * RETRY_DISTANCE), []).append(line)
        for again in retries.pop(sequence, ()):
            lines.append(again)
            duplicates += 1
    for again in retries.values():
        lines.extend(again)
        duplicates += len(again)
    if shuffled:
        random.Random(SEED + 1).shuffle(lines)
    with path.open("w", encoding="ascii", newline="") as output:
        for start in range(0, len(lines), LINES_PER_WRITE):
            output.write("".join(lines[start : start + LINES_PER_WRITE]))
    return {
        "records": len(lines),
        "duplicates": duplicates,
        "entities": len(live),
        "deleted": deleted,
        "sample_key": live[0][0],
        "sample_value": live[0][2],
    }
