"""The measured jobs: who runs, against which bar, and what must hold after it."""

import json
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bucket import BUCKET_PEERS, BucketDotctl, Server
from correctness import Check, check_entry, check_restored, check_source_untouched, read_json
from made_data import Source
from measure import CommandFailed, Contender, Result, remove, run, run_interleaved, tree_bytes
from peers import THREADS, Dotctl, Peer

PEAK_LIMIT_BYTES = 64 << 20
# With a bucket several packs are on their way at once.
BUCKET_PEAK_LIMIT_BYTES = 128 << 20
REPLAY_PEAK_LIMIT_BYTES = 256 << 20
# A Python with duckdb, orjson and sqlite-utils.
REPLAY_PYTHON = os.environ.get("COMPARE_PYTHON", "python3")
LOOKUP_LIMIT_S = 0.010
# Commands of a few milliseconds are run this many times as often.
LOOKUP_REPEAT_FACTOR = 6
LEVELS = [("zstd", "1"), ("zstd", "2"), ("zstd", "3"), ("zstd", "6"), ("gzip", None)]
CHUNK_BYTES = "1MiB"


@dataclass(frozen=True)
class Bar:
    """A promised limit: a ratio to a reference, or absolute if there is none."""

    subject: str
    quantity: str  # an attribute of Result: wall_s, written_bytes or peak_bytes
    limit: float
    reference: str | None = None


@dataclass
class Section:
    """A job's results with the bars and checks that belong to it."""

    name: str
    title: str
    source: Source
    results: list[Result]
    bars: list[Bar] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    in_milliseconds: bool = False
    peak_limit_bytes: int = PEAK_LIMIT_BYTES

    def result(self, name: str) -> Result | None:
        """The result of that name, if it was measured."""
        return next((result for result in self.results if result.name == name and result.measured), None)


@dataclass
class Field:
    """Everybody who takes part for one source."""

    source: Source
    dotctl: Dotctl
    peers: dict[str, Peer]
    repeat: int
    analyzer: bool

    def measure(self, name: str, title: str, contenders: list[Contender], **options) -> Section:
        results = run_interleaved(contenders, self.repeat, [self.source.path], **options)
        return Section(name, f"{title} ({self.source.name})", self.source, results)


def _printed(field_: Field, contender: Contender) -> dict:
    """Runs a dotctl command once more for what it prints; empty if it fails."""
    try:
        run(contender)
    except CommandFailed:
        return {}
    return read_json(field_.dotctl.stdout)


def snapshot(here: Field) -> Section:
    contenders = [here.dotctl.snapshot()]
    if zstd := here.peers.get("zstd"):
        contenders += [zstd.snapshot(), zstd.snapshot(level=1), zstd.snapshot(durable=True)]
    others = [here.peers[name].snapshot() for name in ("restic", "rustic", "borg") if name in here.peers]
    section = here.measure("snapshot", "snapshot into a new store", contenders + others)
    for reference in [f"zstd -3 -T{THREADS}", *(other.name for other in others)]:
        for quantity in ("wall_s", "written_bytes"):
            section.bars.append(Bar("dotctl snapshot", quantity, 1.0, reference))
    section.notes.append(
        "Written is the whole store: manifest, indexes and packs of dotctl, the repository without what "
        "`init` made for restic, rustic and borg."
    )
    if section.result("dotctl snapshot"):
        section.checks.append(check_source_untouched(here.source))
    return section


def restore(here: Field) -> Section:
    contenders = [here.dotctl.restore()]
    if zstd := here.peers.get("zstd"):
        contenders += [zstd.restore(), zstd.restore(durable=True)]
    contenders += [here.peers[name].restore() for name in ("restic", "rustic", "borg") if name in here.peers]
    section = here.measure("restore", "restore to a new file", contenders)
    section.bars.append(Bar("dotctl restore", "wall_s", 1.0, "zstd -d"))
    if section.result("dotctl restore"):
        printed = _printed(here, here.dotctl.restore())
        section.checks += check_restored(here.source, here.dotctl.restored, printed, here.dotctl.folder)
    for peer in [here.dotctl, *here.peers.values()]:
        peer.new_target()
    return section


def verify(here: Field) -> Section:
    contenders = [here.dotctl.verify(), here.dotctl.verify(quick=True)]
    contenders += [here.peers[name].verify() for name in ("zstd", "restic", "rustic", "borg") if name in here.peers]
    section = here.measure("verify", "verify all that is stored", contenders)
    section.bars += [
        Bar("dotctl verify", "wall_s", 1.3, "zstd -t"),
        Bar("dotctl verify --quick", "wall_s", 0.4, "zstd -t"),
    ]
    if section.result("dotctl verify"):
        printed = _printed(here, here.dotctl.verify())
        holds = printed.get("ok") is True and not printed.get("findings")
        section.checks.append(Check("verify finds nothing wrong", holds, str(printed.get("checked", ""))))
    return section


def inspect(here: Field) -> Section:
    contenders = [here.dotctl.inspect()]
    if here.analyzer and here.source.name == "database":
        output = here.dotctl.folder / "analyzer.txt"
        # It leaves a `-wal` and a `-shm` beside what it reads: let it read a second name.
        link = here.dotctl.folder / "analyzed.sqlite"
        remove(link)
        os.link(here.source.path, link)
        contenders.append(Contender("sqlite3_analyzer", ["sqlite3_analyzer", link], stdout=output))
    section = here.measure("inspect", "inspect the source", contenders)
    if here.source.name == "database":
        section.bars.append(Bar("dotctl inspect", "wall_s", 0.5, "sqlite3_analyzer"))
    if section.result("dotctl inspect"):
        section.checks.append(check_source_untouched(here.source))
    return section


def lookup(here: Field) -> Section:
    store = ["--store", here.dotctl.store]
    get = here.dotctl.contender("get", "get", "latest", here.source.sample_key, *store)
    contenders = [
        get,
        here.dotctl.contender("list", "list", *store),
        here.dotctl.contender("show", "show", "latest", *store),
        Contender("dotctl --help", [here.dotctl.path, "--help"]),
        Contender("true", ["true"]),
    ]
    often = Field(here.source, here.dotctl, here.peers, here.repeat * LOOKUP_REPEAT_FACTOR, here.analyzer)
    section = often.measure("lookup", "look up", contenders, settle=False)
    section.in_milliseconds = True
    section.bars += [Bar(f"dotctl {name}", "wall_s", LOOKUP_LIMIT_S) for name in ("list", "show", "--help")]
    section.notes.append("`true` shows what starting any process costs here.")
    if section.result("dotctl get"):
        _printed(here, get)
        section.checks.append(check_entry(here.source, here.dotctl.stdout))
    return section


def again(here: Field) -> Section:
    section = here.measure("again", "snapshot of the unchanged source again", [here.dotctl.snapshot_again()])
    if section.results[0].measured:
        checkpoint = _printed(here, here.dotctl.snapshot_again()).get("checkpoint", {})
        chunks, new_bytes = checkpoint.get("new_chunk_count"), checkpoint.get("new_bytes")
        section.checks.append(
            Check("no chunk is added", chunks == 0, f"new_chunk_count {chunks}, new_bytes {new_bytes}")
        )
    return section


def levels(here: Field) -> Section:
    """zstd levels and gzip with independent chunks, for the default's sake."""
    snapshots, restores = [], []
    for codec, level in LEVELS:
        name = f"{codec} {level}" if level else codec
        options = ["--codec", codec, "--chunk-bytes", CHUNK_BYTES] + (["--level", level] if level else [])
        snapshots.append(here.dotctl.snapshot_with(f"snapshot {name}", *options))
        restores.append(
            here.dotctl.restore(f"restore {name}", here.dotctl.store_of(f"snapshot {name}")),
        )
    section = here.measure("levels", f"levels, independent chunks of {CHUNK_BYTES}", snapshots)
    section.results += here.measure("levels", "", restores).results
    return section


def bucket(here: Field) -> list[Section]:
    """The image to and from a bucket of one server, beside the folder and the peers on the same server."""
    if here.source.name != "database":
        return []
    folder: Path = here.dotctl.folder.parent / "bucket"
    with Server(folder / "server") as server:
        dotctl = BucketDotctl(folder / "dotctl", here.source, here.dotctl.path, server)
        peers = [
            make(folder / name, here.source, server) for name, make in BUCKET_PEERS.items() if name in here.peers
        ]
        jobs = [
            ("snapshot", "snapshot into a new bucket", lambda one: one.snapshot()),
            ("restore", "restore out of a bucket", lambda one: one.restore()),
            ("verify", "verify all that is in a bucket", lambda one: one.verify()),
        ]
        sections = []
        for name, title, job in jobs:
            if name != "snapshot":
                for one in peers:
                    try:
                        one.ensure_stored()
                    except CommandFailed:
                        pass
            # s3s-fs does not list restic's packs, so that its check finds none.
            others = [job(one) for one in peers if name != "verify" or one.name != "restic"]
            contenders = [job(dotctl), job(here.dotctl), *others]
            section = here.measure("bucket", title, contenders)
            section.peak_limit_bytes = BUCKET_PEAK_LIMIT_BYTES
            subject = f"dotctl {name} (bucket)"
            section.bars.append(Bar(subject, "wall_s", 1.3, f"dotctl {name}"))
            if name != "verify":
                section.bars += [Bar(subject, "wall_s", 1.0, other.name) for other in others]
            sections.append(section)
        if sections[1].result("dotctl restore (bucket)"):
            try:
                run(dotctl.restore())
            except CommandFailed:
                pass
            printed = read_json(dotctl.stdout)
            sections[1].checks += check_restored(here.source, dotctl.restored, printed, dotctl.folder)
        sections[0].notes.append(
            "The server is s3s-fs on the loopback interface, which keeps objects as files and runs on the same cores as "
            "the commands. Written is the whole bucket; of restic and rustic without what `init` made."
        )
    remove(folder)
    return sections


def replay(here: Field) -> Section:
    """Event logs into a database; every peer keeps each entity's last state, once, in order."""
    log, folder = here.source.path, here.dotctl.folder
    shuffled = log.with_name("events-shuffled.ndjson")
    image = folder / "image.sqlite"

    def contender(name: str, source: Path) -> Contender:
        return here.dotctl.contender(
            name, "replay", source, "--into", image, prepare=lambda: remove(image), written_bytes=lambda: tree_bytes(image)
        )

    contenders = [contender("replay", log)]
    if shuffled.exists():
        contenders.append(contender("replay, shuffled", shuffled))
    scripts = Path(__file__).resolve().parent / "replay_peers"
    slow = []
    for name, program in [
        ("DuckDB", [REPLAY_PYTHON, scripts / "with_duckdb.py"]),
        ("Python with orjson", [REPLAY_PYTHON, scripts / "with_orjson.py"]),
        ("jq into sqlite3", [scripts / "with_jq.sh"]),
        ("sqlite-utils", [REPLAY_PYTHON, scripts / "with_sqlite_utils.py"]),
    ]:
        target = folder / f"{program[-1].stem}.db"
        peer = Contender(
            name, [*program, log, target], prepare=lambda target=target: remove(target),
            written_bytes=lambda target=target: tree_bytes(target),
        )
        (slow if name in ("jq into sqlite3", "sqlite-utils") else contenders).append(peer)
    section = here.measure("replay", "event logs into a database", contenders)
    # A minute and more each: once is enough to see by how much.
    section.results += run_interleaved(slow, 1, [log])
    section.bars += [Bar("dotctl replay", "wall_s", 0.5, "DuckDB")]
    section.bars += [Bar("dotctl replay", "wall_s", 1.0, name) for name in ("Python with orjson", "jq into sqlite3", "sqlite-utils")]
    section.bars += [Bar("dotctl replay, shuffled", "wall_s", 2.0, "dotctl replay")]
    section.bars += [Bar(name, "peak_bytes", REPLAY_PEAK_LIMIT_BYTES) for name in ("dotctl replay", "dotctl replay, shuffled")]
    section.notes.append(
        "dotctl also keeps the keys and positions that a later run needs, and waits until its image is on the disk. "
        "jq and sqlite-utils ran once."
    )
    if section.result("dotctl replay"):
        printed = _printed(here, contenders[0])
        facts = json.loads(log.with_name(f"{log.name}.facts.json").read_text())
        for field_, known in [("things", "entities"), ("duplicates", "duplicates"), ("events_read", "records")]:
            section.checks.append(Check(f"replay tells {field_}", printed.get(field_) == facts[known], str(printed.get(field_))))
        ours = sqlite3.connect(image)
        for name in ("with_orjson", "with_jq", "with_sqlite_utils"):
            other = folder / f"{name}.db"
            if other.exists():
                section.checks.append(_same_entities(ours, other, name))
        ours.close()
    return section


def _same_entities(ours: sqlite3.Connection, other: Path, name: str) -> Check:
    """Ids and types are the other's, and every member that its payload has."""
    theirs = sqlite3.connect(other)
    different = count = 0
    pairs = zip(
        ours.execute("SELECT id, type, data FROM entities ORDER BY id"),
        theirs.execute("SELECT id, type, data FROM things ORDER BY id"),
    )
    for (identity, kind, data), (other_identity, other_kind, other_data) in pairs:
        count += 1
        if (identity, kind) != (other_identity, other_kind) or not (
            json.loads(other_data).items() <= json.loads(data).items()
        ):
            different += 1
    total = theirs.execute("SELECT count(*) FROM things").fetchone()[0]
    theirs.close()
    return Check(f"the entities are those of {name}", different == 0 and count == total, f"{different} of {count}")


SECTIONS: dict[str, Callable[[Field], Section | list[Section]]] = {
    "snapshot": snapshot,
    "restore": restore,
    "verify": verify,
    "inspect": inspect,
    "lookup": lookup,
    "again": again,
    "bucket": bucket,
    "levels": levels,
    "replay": replay,
}
# What is measured of each source; of event logs nothing else makes sense.
SECTIONS_OF = {"events": {"replay"}}
NEED_A_STORE = {"restore", "verify", "lookup", "again", "bucket"}
# Not measured unless they are asked for.
EXTRA = {"levels", "bucket"}
