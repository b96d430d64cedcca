#!/usr/bin/env python3
"""Checkpoints of what has changed, beside restic, rustic, borg and zstd.

Prints Markdown: a database and a state of which a few percent have changed, and
a restore after a hundred increments, each with its bars. Every run begins with a
copy of the same store that holds the older content; making that is not measured.
"""

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import machine
import peers
from made_data import Source, file_sha256, prepare
from measure import Contender, Result, read_through, remove, run, run_interleaved, tree_bytes
from report import Judgement, judgement_table, table

HERE = Path(__file__).resolve().parent
PARTS = ("database", "state", "chain")
PEAK_BYTES_MAX = 64 << 20
CHAIN_CHECKPOINTS = 100


class Bench:
    def __init__(self, arguments: argparse.Namespace):
        self.dotctl = arguments.dotctl.resolve()
        self.repeat = arguments.repeat
        self.work = arguments.work.resolve()
        self.folder = self.work / "incremental"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.scale = arguments.scale
        self.peers = [name for name in ("restic", "rustic", "borg") if shutil.which(name)]
        self.judgements: list[Judgement] = []

    def judge(self, source: str, subject: str, quantity: str, limit: str, actual: str, met: bool) -> None:
        self.judgements.append(Judgement(source, subject, quantity, limit, actual, met))

    def judge_peaks(self, source: str, results: list[Result]) -> None:
        own = [result for result in results if result.name.startswith("dotctl") and result.measured]
        peak = max(result.peak_bytes for result in own)
        shown = f"{peak / (1 << 20):.1f} MiB"
        self.judge(source, "dotctl", "largest peak", "≤ 64 MiB", shown, peak <= PEAK_BYTES_MAX)

    def made(self, name: str, *words: object) -> Path:
        """A file that `incremental_data.py` makes, made now unless it is there."""
        path = self.folder / name
        if not path.exists():
            partial = path.with_name(f"{name}.partial")
            command = [sys.executable, HERE / "incremental_data.py", *words, partial]
            subprocess.run([str(word) for word in command], check=True)
            partial.rename(path)
        return path

    def snapshot(self, name: str, store: Path, source: Path, namespace: str, *options: str, **rest) -> Contender:
        words = ["snapshot", source, "--namespace", namespace, "--store", store, "--no-progress", *options]
        return Contender(f"dotctl {name}", [self.dotctl, *words], **rest)

    def restore(self, name: str, store: Path, target: Path) -> Contender:
        words = ["restore", "latest", "--to", target, "--store", store, "--no-progress"]
        return Contender(f"dotctl {name}", [self.dotctl, *words], prepare=lambda: remove(target))


def source_of(path: Path, name: str) -> Source:
    return Source(name, path, path.stat().st_size, "", 0, "", None, 0.0)


def repositories(bench: Bench, old: Source, new: Source) -> list[Contender]:
    """Backups of `new` by programs that have `old` already."""
    contenders = []
    for name in bench.peers:
        peer = peers.PEERS[name](bench.folder / f"{name}-{old.name}", old)
        run(peer.snapshot())
        kept = peer.folder / "kept"
        remove(kept)
        # What borg knows of its repository lies beside it.
        folders = [folder for folder in ("store", "base") if (peer.folder / folder).exists()]
        for folder in folders:
            shutil.copytree(peer.folder / folder, kept / folder)
        kept_bytes = tree_bytes(kept / "store")

        def prepare_store(peer=peer, kept=kept, folders=folders) -> None:
            for folder in folders:
                remove(peer.folder / folder)
                shutil.copytree(kept / folder, peer.folder / folder)

        words = [*peer.backup[:-1], "::two"] if name == "borg" else peer.backup
        contenders.append(
            Contender(
                " ".join([name, *words[: peer.shown_words]]),
                [*peer.command, *words, new.path],
                prepare=prepare_store,
                written_bytes=lambda peer=peer, kept_bytes=kept_bytes: tree_bytes(peer.store) - kept_bytes,
                environment=peer.environment(),
            )
        )
    return contenders


def increments(bench: Bench, old: Source, new: Source, kinds: list[tuple[str, ...]]) -> list[Contender]:
    """dotctl's increments of `new` on `old`, and its full checkpoints."""
    contenders = []
    for options in kinds:
        title = " ".join(options).replace("--kind ", "")
        for full in (False, True):
            name = " ".join(word for word in ["full snapshot" if full else "snapshot", title] if word)
            kept = bench.folder / f"kept-{old.name}-{title}"
            store = bench.folder / f"store-{old.name}-{title}-{full}"
            if not full:
                remove(kept)
                run(bench.snapshot("base", kept, old.path, "a", *options))
            kept_bytes = 0 if full else tree_bytes(kept)

            def prepare_store(full=full, kept=kept, store=store) -> None:
                remove(store)
                if not full:
                    # Packs are never rewritten: a second name does.
                    shutil.copytree(kept, store, copy_function=os.link)

            contenders.append(
                bench.snapshot(
                    name,
                    store,
                    new.path,
                    "a",
                    *options,
                    prepare=prepare_store,
                    written_bytes=lambda store=store, kept_bytes=kept_bytes: tree_bytes(store) - kept_bytes,
                )
            )
    return contenders


def check(bench: Bench, store: Path, new: Source) -> str:
    """The increment gives back the source."""
    target = bench.folder / "restored"
    run(bench.restore("restore", store, target))
    equal = file_sha256(target) == file_sha256(new.path)
    remove(target)
    if not equal:
        raise SystemExit(f"{store} does not give back {new.path}")
    return f"- holds: what was stored of {new.name} on its base restores to the source, byte for byte"


def results_table(results: list[Result], extra: dict[str, list[str]] | None = None) -> str:
    headings = ["Command", "Wall s", "Min–max", "CPU s", "Peak MiB", "Stored MB"]
    rows = []
    for one in results:
        if not one.measured:
            rows.append([f"{one.name}: failed {one.failure}", *([""] * 5)])
            continue
        low, high = one.wall_range_s
        stored = "" if one.written_bytes is None else f"{one.written_bytes / 1e6:.3f}"
        rows.append(
            [
                one.name,
                f"{one.wall_s:.3f}",
                f"{low:.3f}–{high:.3f}",
                f"{one.processor_s:.3f}",
                f"{one.peak_bytes / (1 << 20):.0f}",
                stored,
            ]
        )
    return table(headings, rows)


def named(results: list[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)


def database(bench: Bench) -> str:
    old = dataclasses.replace(prepare("database", bench.work, bench.scale), name="database")
    new = source_of(bench.made("changed.sqlite", "database", old.path), "database")
    pages = bench.made("changed.pages", "pages", old.path, new.path)
    output = bench.folder / "changed.pages.zst"
    zstd = Contender(
        "zstd -3 of the changed pages",
        ["zstd", "-3", "-T2", "-q", "-f", pages, "-o", output],
        written_bytes=lambda: tree_bytes(output),
    )
    contenders = [*increments(bench, old, new, [(), ("--kind", "rows")]), zstd, *repositories(bench, old, new)]
    results = run_interleaved(contenders, bench.repeat, [new.path])
    ours, full, rows = (named(results, f"dotctl {name}") for name in ("snapshot", "full snapshot", "snapshot rows"))
    least = named(results, zstd.name).written_bytes
    for one in (ours, rows):
        ratio = one.written_bytes / least
        bench.judge("database", one.name, "stored bytes", f"≤ 0.35 × {zstd.name}", f"{ratio:.2f}", ratio <= 0.35)
    ratio = ours.wall_s / full.wall_s
    bench.judge("database", ours.name, "wall", f"≤ 0.6 × {full.name}", f"{ratio:.2f}", ratio <= 0.6)
    bench.judge_peaks("database", results)
    held = check(bench, bench.folder / "store-database--False", new)
    return "\n\n".join(
        [
            "### A database of which 1 % of the rows have changed and 1 % are new",
            results_table(results),
            f"{tree_bytes(pages) / 1e6:.1f} MB of pages are not as they were, of {new.raw_bytes / 1e6:.1f} MB.",
            held,
        ]
    )


def state(bench: Bench) -> str:
    old = dataclasses.replace(prepare("state", bench.work, bench.scale), name="state")
    new = source_of(bench.made("changed.json", "state", old.path), "state")
    contenders = [*increments(bench, old, new, [()]), *repositories(bench, old, new)]
    results = run_interleaved(contenders, bench.repeat, [new.path])
    ours = named(results, "dotctl snapshot")
    stored = ours.written_bytes / 1e6
    bench.judge("state", ours.name, "stored bytes", "≤ 1.5 MB", f"{stored:.3f} MB", stored <= 1.5)
    bench.judge_peaks("state", results)
    held = check(bench, bench.folder / "store-state--False", new)
    return "\n\n".join(
        [
            "### A state of which 1 % of the entries have changed, 1 % are new and 1 % are gone",
            results_table(results),
            held,
        ]
    )


def chain(bench: Bench) -> str:
    """A hundred checkpoints of a database, each of which changes one row in 10,000."""
    old = prepare("database", bench.work, bench.scale)
    source, store = bench.folder / "chain.sqlite", bench.folder / "chain-store"
    full_store, targets = bench.folder / "chain-full", [bench.folder / "chain-1", bench.folder / "chain-2"]
    remove(store)
    shutil.copyfile(old.path, source)
    made = [run(bench.snapshot("first", store, source, "a"))]
    first_bytes = tree_bytes(store)
    for step in range(CHAIN_CHECKPOINTS):
        subprocess.run([sys.executable, HERE / "incremental_data.py", "touch", source, str(step)], check=True)
        made.append(run(bench.snapshot("increment", store, source, "a")))
    remove(full_store)
    run(bench.snapshot("full", full_store, source, "a", "--base", "none"))
    listed = subprocess.run(
        [bench.dotctl, "show", "latest", "--store", store, "--format", "json"], check=True, capture_output=True
    )
    shown = json.loads(listed.stdout)
    contenders = [
        bench.restore("restore of the chain", store, targets[0]),
        bench.restore("restore of a full checkpoint", full_store, targets[1]),
    ]
    results = run_interleaved(contenders, max(bench.repeat, 5), [])
    read_through(targets[0])
    if file_sha256(targets[0]) != file_sha256(source):
        raise SystemExit("the chain does not give back the source")
    ratio = results[0].wall_s / results[1].wall_s
    bench.judge("chain", results[0].name, "wall", f"≤ 1.5 × {results[1].name}", f"{ratio:.2f}", ratio <= 1.5)
    walls = sorted(sample.wall_s for sample in made[1:])
    increment = Result("dotctl snapshot, each of the hundred", made[1:], tree_bytes(store) - first_bytes)
    bench.judge_peaks("chain", [*results, increment])
    for path in [source, *targets]:
        remove(path)
    return "\n\n".join(
        [
            f"### A database after {CHAIN_CHECKPOINTS} increments of one row in 10,000 each",
            results_table([*results, increment]),
            f"Stored of the last row is what all of them added; the median increment took {walls[len(walls) // 2]:.3f} s. "
            f"The last checkpoint has {shown['chain']['delta_run_count']} runs of changes. "
            "What was restored is the source, byte for byte.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dotctl", type=Path, required=True, help="program to measure")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder for data and stores")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size (default 1.0)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command (default 3)")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated (default: %(default)s)")
    parser.add_argument("--make-only", action="store_true", help="make the changed sources and stop")
    arguments = parser.parse_args()
    own_programs = arguments.work.resolve() / "peers" / "bin"
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), str(own_programs)])
    bench = Bench(arguments)
    if arguments.make_only:
        old = prepare("database", bench.work, bench.scale)
        new = bench.made("changed.sqlite", "database", old.path)
        bench.made("changed.pages", "pages", old.path, new)
        bench.made("changed.json", "state", prepare("state", bench.work, bench.scale).path)
        return
    facts = ", ".join(f"{name.lower()} {value}" for name, value in machine.facts(bench.work))
    texts = [{"database": database, "state": state, "chain": chain}[part](bench) for part in arguments.parts.split(",")]
    print("\n\n".join([facts, judgement_table(bench.judgements), *texts]))


if __name__ == "__main__":
    main()
