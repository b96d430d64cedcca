"""What has changed in the sources since a checkpoint, always the same bytes.

A program of its own, so that the measuring process stays small:

    incremental_data.py database SOURCE TARGET   1 % of the rows with new values, 1 % more rows
    incremental_data.py state SOURCE TARGET      1 % of the entries changed, 1 % added, 1 % removed
    incremental_data.py pages OLD NEW TARGET           the pages of NEW that OLD does not have in their place
    incremental_data.py touch DATABASE STEP            one row in 10,000 with a new value, in place
"""

import random
import shutil
import sqlite3
import sys
from pathlib import Path

from database_data import KINDS, PAGE_BYTES, _things, _values
from state_data import OPERATORS

SEED = 20_261_123


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=DELETE")
    database.execute("PRAGMA cache_size=-524288")
    database.execute("PRAGMA synchronous=OFF")
    database.execute("BEGIN")
    return database


def _close(database: sqlite3.Connection) -> None:
    database.execute("COMMIT")
    # As the source is.
    database.execute("PRAGMA journal_mode=WAL")
    database.close()


def _update(database: sqlite3.Connection, choose: random.Random, share: float) -> None:
    makers = dict(KINDS)
    keys = [key for (key,) in database.execute("SELECT key FROM _cf_KV ORDER BY key")]
    for key in sorted(choose.sample(keys, round(len(keys) * share))):
        prefix, identity = key[: key.rindex(":") + 1], key[key.rindex(":") + 1 :]
        value = makers[prefix](choose, identity)
        database.execute("UPDATE _cf_KV SET value = ? WHERE key = ?", (value, key))
    keys = [key for (key,) in database.execute("SELECT id FROM things ORDER BY id")]
    made = _things(choose, len(keys))
    for key in sorted(choose.sample(keys, round(len(keys) * share))):
        database.execute("UPDATE things SET data = ? WHERE id = ?", (next(made)[2], key))


def change_database(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    choose = random.Random(SEED)
    database = _open(target)
    (values,) = database.execute("SELECT count(*) FROM _cf_KV").fetchone()
    (things,) = database.execute("SELECT count(*) FROM things").fetchone()
    _update(database, choose, 0.01)
    database.executemany("INSERT INTO _cf_KV VALUES (?, ?)", _values(choose, round(values / 100)))
    database.executemany("INSERT INTO things VALUES (?, ?, ?)", _things(choose, round(things / 100)))
    _close(database)


def touch(path: Path, step: int) -> None:
    database = _open(path)
    _update(database, random.Random(SEED + step), 0.0001)
    _close(database)


def change_state(source: Path, target: Path) -> None:
    choose = random.Random(SEED)
    makers = {prefix: make for prefix, _, make in OPERATORS}
    # Nothing inside of an entry looks like the place between two.
    bodies = source.read_text()[3:-3].split('}],["')

    def made(key: str) -> str:
        make = next(make for prefix, make in makers.items() if key.startswith(prefix))
        value, created, expires = make(choose, f"{choose.getrandbits(48):012x}")
        expiry = "" if expires is None else f',"expiresAt":{expires}'
        return f'{key}",{{"value":{value},"createdAt":{created}{expiry}'

    changed = []
    for body in bodies:
        share = choose.random()
        key = body[: body.index('"')]
        if share < 0.01:
            continue
        changed.append(made(key) if share < 0.02 else body)
        if share >= 0.99:
            changed.append(made(f"{key}5"))
    target.write_text('[["' + '}],["'.join(changed) + "}]]")


def changed_pages(old: Path, new: Path, target: Path) -> None:
    with old.open("rb") as before, new.open("rb") as after, target.open("wb") as output:
        while page := after.read(PAGE_BYTES):
            if page != before.read(PAGE_BYTES):
                output.write(page)


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "database":
        change_database(Path(words[0]), Path(words[1]))
    elif verb == "state":
        change_state(Path(words[0]), Path(words[1]))
    elif verb == "pages":
        changed_pages(*map(Path, words))
    else:
        touch(Path(words[0]), int(words[1]))
