"""Makes the sources once and remembers them in the work folder.

Runs as a program of its own, `python3 made_data.py state|database|events|shuffled FILE SCALE`,
so that the measuring process stays small (see `measure.py`).
"""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILE_NAMES = {
    "state": "state.json",
    "database": "database.sqlite",
    "events": "events.ndjson",
    "shuffled": "events-shuffled.ndjson",
}
GENERATOR_FILES = {
    "state": ("vocabulary.py", "state_data.py"),
    "database": ("vocabulary.py", "v8_values.py", "database_data.py"),
    "events": ("vocabulary.py", "event_data.py"),
    "shuffled": ("vocabulary.py", "event_data.py"),
}


@dataclass(frozen=True)
class Source:
    """A made file with what the benchmark must know of it."""

    name: str
    path: Path
    raw_bytes: int
    sha256: str
    records: int
    sample_key: str
    sample_value: object
    made_in_s: float


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file in hex, in constant memory."""
    digest = hashlib.sha256()
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as source:
        while count := source.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest()


def _generator_sha256(name: str) -> str:
    return hashlib.sha256(b"".join((HERE / file).read_bytes() for file in GENERATOR_FILES[name])).hexdigest()


def prepare(name: str, work: Path, scale: float) -> Source:
    """The source of this name and scale, made now unless it is there."""
    folder = work / "data" / f"scale-{scale:g}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE_NAMES[name]
    facts_path = folder / f"{path.name}.facts.json"
    generator = _generator_sha256(name)
    facts = json.loads(facts_path.read_text()) if facts_path.exists() else {}
    if facts.get("generator_sha256") != generator or not path.exists():
        print(f"making {path} …", file=sys.stderr)
        subprocess.run([sys.executable, __file__, name, path, str(scale)], check=True)
        facts = json.loads(facts_path.read_text())
    for suffix in ("-wal", "-shm"):
        # The source has neither; another program may have opened it meanwhile.
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return Source(
        name=name,
        path=path,
        raw_bytes=path.stat().st_size,
        sha256=facts["sha256"],
        records=facts["records"],
        sample_key=facts["sample_key"],
        sample_value=facts["sample_value"],
        made_in_s=facts["made_in_s"],
    )


def _make(name: str, path: Path, scale: float) -> None:
    if name == "state":
        from state_data import write_state as write
    elif name in ("events", "shuffled"):
        from event_data import write_events

        def write(partial: Path, scale: float) -> dict:
            return write_events(partial, scale, shuffled=name == "shuffled")
    else:
        from database_data import write_database as write
    facts_path = path.with_name(f"{path.name}.facts.json")
    facts_path.unlink(missing_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    for leftover in (partial, partial.with_name(f"{partial.name}-wal"), partial.with_name(f"{partial.name}-shm")):
        leftover.unlink(missing_ok=True)
    started = time.monotonic()
    facts = write(partial, scale)
    facts["made_in_s"] = round(time.monotonic() - started, 1)
    facts["sha256"] = file_sha256(partial)
    facts["generator_sha256"] = _generator_sha256(name)
    partial.rename(path)
    facts_path.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    _make(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
