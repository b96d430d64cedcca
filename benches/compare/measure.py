"""Runs commands and measures them: wall, processor time, peak memory, output.

Linux hands the peak of the process that starts a command on to the command
(`ru_maxrss` survives exec). So no figure is below the size of this process,
which `memory_floor_bytes` measures and which stays small because everything
large happens in processes of its own.
"""

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

KIBIBYTE = 1024
ERROR_TAIL_CHARACTERS = 400


class CommandFailed(Exception):
    """A measured command ended with another exit code than expected."""


@dataclass(frozen=True)
class Sample:
    """One run of one command."""

    wall_s: float
    processor_s: float
    peak_bytes: int


@dataclass
class Contender:
    """A command to measure beside others that do the same job."""

    name: str
    command: list[str]
    # Before each run, outside of the measured time.
    prepare: Callable[[], None] = lambda: None
    # What the command has written, after its run.
    written_bytes: Callable[[], int] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    directory: Path | None = None
    # Where stdout goes; nowhere if None.
    stdout: Path | None = None


@dataclass
class Result:
    """All runs of a contender; `failure` says why it has none or few."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    written_bytes: int | None = None
    failure: str | None = None

    @property
    def measured(self) -> bool:
        return bool(self.samples) and self.failure is None

    @property
    def wall_s(self) -> float:
        return statistics.median(sample.wall_s for sample in self.samples)

    @property
    def wall_range_s(self) -> tuple[float, float]:
        walls = [sample.wall_s for sample in self.samples]
        return min(walls), max(walls)

    @property
    def processor_s(self) -> float:
        return statistics.median(sample.processor_s for sample in self.samples)

    @property
    def peak_bytes(self) -> int:
        return max(sample.peak_bytes for sample in self.samples)


def run(contender: Contender, settle: bool = False) -> Sample:
    """Prepares and runs the command once; the preparation is not counted.

    With `settle`, earlier output is written out first, so that no one pays for
    another one's.
    """
    contender.prepare()
    if settle:
        os.sync()
    environment = os.environ | contender.environment
    stdout = open(contender.stdout, "wb") if contender.stdout else subprocess.DEVNULL
    try:
        with tempfile.TemporaryFile() as errors:
            started = time.perf_counter()
            process = subprocess.Popen(
                [str(word) for word in contender.command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
                env=environment,
                cwd=contender.directory,
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall_s = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                errors.seek(0)
                tail = errors.read().decode(errors="replace").strip()[-ERROR_TAIL_CHARACTERS:]
                raise CommandFailed(f"{contender.name}: exit code {process.returncode}: {tail}")
    except FileNotFoundError as error:
        raise CommandFailed(f"{contender.name}: {error}") from error
    finally:
        if contender.stdout:
            stdout.close()
    return Sample(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIBIBYTE)


def run_interleaved(contenders: list[Contender], repeat: int, warm: list[Path], settle: bool = True) -> list[Result]:
    """Runs all contenders in turn, `repeat` times, each round starting with the next.

    Rounds go through them in different strides: who runs after a command that leaves
    the machine's memory in disorder pays for it (half a second of a gigabyte's snapshot
    after borg), so that nobody is to follow the same one each time.

    `warm` is read before each round, so that it is in the page cache.
    """
    results = [Result(contender.name) for contender in contenders]
    count = len(contenders)
    strides = [stride for stride in range(1, count + 1) if math.gcd(stride, count) == 1]
    for turn in range(repeat):
        for path in warm:
            read_through(path)
        stride = strides[turn % len(strides)]
        for step in range(count):
            place = (turn + step * stride) % count
            contender, result = contenders[place], results[place]
            if result.failure:
                continue
            if settle:
                print(f"  {turn + 1}/{repeat} {contender.name}", file=sys.stderr, flush=True)
            try:
                result.samples.append(run(contender, settle))
                if contender.written_bytes:
                    result.written_bytes = contender.written_bytes()
            except CommandFailed as failure:
                result.failure = str(failure)
                print(f"  {failure}", file=sys.stderr, flush=True)
    return results


def read_through(path: Path) -> None:
    """Reads a file once, for the page cache."""
    buffer = bytearray(1 << 20)
    with path.open("rb", buffering=0) as source:
        while source.readinto(buffer):
            pass


def memory_floor_bytes() -> int:
    """What a command that needs next to nothing shows as its peak."""
    return run(Contender("true", ["true"])).peak_bytes


def tree_bytes(path: Path) -> int:
    """The length of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
