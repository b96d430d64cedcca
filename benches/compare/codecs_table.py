#!/usr/bin/env python3
"""The codecs of dotctl beside gzip, zstd and Parquet on the same bytes.

Prints a Markdown table: how many times smaller each makes four sorts of state
(`codec_data.py`), and the processor's seconds for it (user and system: dotctl and DuckDB use two threads). It needs gzip and zstd; Parquet is written by
DuckDB, where COMPARE_PYTHON names a Python that has it.
"""

import argparse
import json
import os
import subprocess
from pathlib import Path

from codec_data import PATTERNS, make
from measure import Contender, Result, remove, run_interleaved, tree_bytes
from report import table

HERE = Path(__file__).resolve().parent
CODECS = ["zstd --level 3", "zstd", "zstd-dictionary", "columnar", "auto"]
# What the spike promises of each sort: at least and at most so many times smaller.
RANGES = {"series": (10, 50), "keys": (10, 20), "repeated": (7, 15), "general": (5, 10)}
PARQUET = """
import sys, duckdb
source, target = sys.argv[1:]
duckdb.sql("SET threads = 2")
lines = f"read_csv('{source}', columns={{'line': 'VARCHAR'}}, delim='\\x01', quote='', escape='', header=false, max_line_size=16777216)"
shape = duckdb.sql(f"SELECT json_group_structure(line::JSON -> 1) FROM {lines}").fetchall()[0][0]
rows = f"(SELECT line::JSON ->> 0 AS key, unnest(json_transform(line::JSON -> 1, '{shape}')) FROM {lines})"
duckdb.sql(f"COPY {rows} TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
"""


def contenders(source: Path, folder: Path, dotctl: Path) -> list[Contender]:
    """Everybody who makes a file smaller."""
    made = []
    for codec in CODECS:
        store = folder / codec.replace(" ", "")
        command = [dotctl, "snapshot", source, "--namespace", "a", "--store", store, "--codec", *codec.split()]
        made.append(
            Contender(
                f"dotctl {codec}",
                [*command, "--base", "none", "--format", "json", "--no-progress"],
                prepare=lambda store=store: remove(store),
                written_bytes=lambda store=store: tree_bytes(store / "packs"),
            )
        )
    for name, command in {
        "gzip -6": ["gzip", "-6", "-c", source],
        "zstd -3": ["zstd", "-3", "-q", "-c", source],
        "zstd -19": ["zstd", "-19", "-q", "-c", source],
    }.items():
        output = folder / name.replace(" ", "")
        made.append(
            Contender(name, command, stdout=output, written_bytes=lambda output=output: tree_bytes(output))
        )
    python = os.environ.get("COMPARE_PYTHON")
    if python:
        output = folder / "parquet"
        command = [python, "-c", PARQUET, source, output]
        written = lambda: tree_bytes(output)  # noqa: E731
        made.append(Contender("Parquet, zstd", command, prepare=lambda: remove(output), written_bytes=written))
    return made


def check_restored(source: Path, folder: Path, dotctl: Path) -> None:
    """Every codec gives back the same bytes."""
    for codec in CODECS:
        store, target = folder / codec.replace(" ", ""), folder / "restored.ndjson"
        remove(target)
        command = [dotctl, "restore", "latest", "--to", target, "--store", store, "--as", "ndjson"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if target.read_bytes() != source.read_bytes():
            raise SystemExit(f"{codec} does not give back {source}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dotctl", type=Path, required=True, help="program to measure")
    parser.add_argument("--work", type=Path, default=HERE / "work", help="folder for data and stores")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full size (default 1.0)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each command (default 3)")
    arguments = parser.parse_args()
    results: dict[str, list[Result]] = {}
    raw_bytes = {}
    for pattern in PATTERNS:
        folder = arguments.work / "codecs" / pattern
        remove(folder)
        folder.mkdir(parents=True)
        source = folder / "state.ndjson"
        make(pattern, source, arguments.scale)
        raw_bytes[pattern] = source.stat().st_size
        dotctl = arguments.dotctl.resolve()
        results[pattern] = run_interleaved(contenders(source, folder, dotctl), arguments.repeat, [source], False)
        check_restored(source, folder, dotctl)
        remove(folder)

    def cell(pattern: str, position: int) -> str:
        result = results[pattern][position]
        if not result.measured:
            return "failed"
        ratio = raw_bytes[pattern] / result.written_bytes
        return f"{ratio:.1f} ×, {result.processor_s:.2f} s"

    names = [result.name for result in next(iter(results.values()))]
    rows = [["the spike promises", *(f"{low}–{high} ×" for low, high in RANGES.values())]]
    rows += [[name, *(cell(pattern, position) for pattern in PATTERNS)] for position, name in enumerate(names)]
    headings = ["", *(f"{pattern}, {raw_bytes[pattern] / 1e6:.1f} MB" for pattern in PATTERNS)]
    print(table(headings, rows))
    failures = [result.failure for found in results.values() for result in found if result.failure]
    print(json.dumps(failures, indent=1) if failures else "")


if __name__ == "__main__":
    main()
