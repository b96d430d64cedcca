"""Checks that what was measured was also right."""

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from made_data import Source, file_sha256
from measure import remove

PAGE_BYTES = 4096
# Bytes of a database's header that SQLite's own backup does not copy: journal
# mode, change counter, schema cookie, the version that the counter is valid for.
HEADER_BYTES_OF_A_COPY = (range(18, 20), range(24, 28), range(40, 44), range(92, 100))


@dataclass(frozen=True)
class Check:
    """One thing that had to hold."""

    claim: str
    holds: bool
    detail: str = ""


def read_json(path: Path) -> dict:
    """What dotctl printed; empty if it is not one JSON object."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {"value": document}


def check_source_untouched(source: Source) -> Check:
    """The source has its bytes, and nothing was left beside it."""
    actual = file_sha256(source.path)
    beside = [suffix for suffix in ("-wal", "-shm") if source.path.with_name(source.path.name + suffix).exists()]
    return Check(
        "the source is unchanged and has nothing new beside it",
        actual == source.sha256 and not beside,
        " ".join(beside) or actual,
    )


def check_restored(source: Source, restored: Path, printed: dict, scratch: Path) -> list[Check]:
    """The restored file is the source, and the printed hash is the file's."""
    if not restored.exists():
        return [Check("the restored file exists", False)]
    actual = file_sha256(restored)
    checks = [
        Check("restore prints the SHA-256 of what it wrote", printed.get("sha256") == actual, actual),
    ]
    if source.name == "state":
        checks.append(Check("the restored state is the source, byte for byte", actual == source.sha256))
        return checks
    difference = _difference_from_backup(source.path, restored, scratch)
    checks.append(
        Check(
            "the restored database equals SQLite's backup of the source, page for page",
            difference is None,
            difference or ("also byte for byte the source" if actual == source.sha256 else ""),
        )
    )
    answer = _quick_check(restored)
    checks.append(Check("the restored database passes PRAGMA quick_check", answer == "ok", answer))
    return checks


def _open_unlocked(path: Path) -> sqlite3.Connection:
    # The file is nobody's: `immutable` keeps SQLite from making files beside it.
    return sqlite3.connect(f"{path.resolve().as_uri()}?immutable=1", uri=True)


def _quick_check(path: Path) -> str:
    try:
        database = _open_unlocked(path)
        answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        database.close()
        return answer
    except sqlite3.DatabaseError as error:
        return str(error)


def _difference_from_backup(source: Path, restored: Path, scratch: Path) -> str | None:
    backup_path = scratch / "backup.sqlite"
    remove(backup_path)
    original, backup = _open_unlocked(source), sqlite3.connect(backup_path)
    original.backup(backup)
    backup.close()
    original.close()
    try:
        if backup_path.stat().st_size != restored.stat().st_size:
            return f"{restored.stat().st_size} bytes instead of {backup_path.stat().st_size}"
        with backup_path.open("rb") as left, restored.open("rb") as right:
            page_number = 1
            while expected := left.read(PAGE_BYTES):
                actual = right.read(PAGE_BYTES)
                if page_number == 1:
                    expected, actual = _without_copy_marks(expected), _without_copy_marks(actual)
                if expected != actual:
                    return f"page {page_number} differs"
                page_number += 1
        return None
    finally:
        remove(backup_path)


def _without_copy_marks(first_page: bytes) -> bytes:
    page = bytearray(first_page)
    for place in HEADER_BYTES_OF_A_COPY:
        page[place.start : place.stop] = bytes(len(place))
    return bytes(page)


def check_entry(source: Source, printed: Path) -> Check:
    """`get` printed the sample's value, alone or inside of an entry."""
    try:
        document = json.loads(printed.read_text())
    except (OSError, ValueError) as error:
        return Check("get prints the entry of the key", False, str(error))
    return Check("get prints the entry of the key", _contains(document, source.sample_value))


def _contains(document, value) -> bool:
    if document == value:
        return True
    if isinstance(document, dict):
        return any(_contains(inner, value) for inner in document.values())
    return isinstance(document, list) and any(_contains(inner, value) for inner in document)
