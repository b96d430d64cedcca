"""The programs that dotctl is measured against, and dotctl itself.

Each has a folder of its own below the run's folder. `snapshot` stores the
source into a new store, `restore` writes it to a new place, `verify` reads all
that is stored. All of them give a `Contender`; making a repository is outside
of the measured time.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from made_data import Source
from measure import Contender, remove, run, tree_bytes

PASSWORD = "benchmark"
THREADS = 2


class Peer:
    """What is common: the folder, the store in it, the restored file in it."""

    def __init__(self, folder: Path, source: Source):
        self.folder = folder
        self.source = source
        self.store = folder / "store"
        self.restored = folder / "restored"
        folder.mkdir(parents=True, exist_ok=True)

    def new_store(self) -> None:
        remove(self.store)

    def new_target(self) -> None:
        remove(self.restored)

    def ensure_stored(self) -> None:
        """Stores the source if nothing has, for a run of single tables."""
        if not self.store.exists():
            run(self.snapshot())

    def snapshot(self) -> Contender:
        raise NotImplementedError


class Zstd(Peer):
    def snapshot(self, level: int = 3, durable: bool = False) -> Contender:
        # Only level 3 is kept for `restore` and `verify`.
        output = self.store if level == 3 and not durable else self.folder / "other"
        compress = ["zstd", f"-{level}", f"-T{THREADS}", "-q", "-f", self.source.path, "-o", output]
        return Contender(
            name=f"zstd -{level} -T{THREADS}" + (" and fsync" if durable else ""),
            command=_then_fsync(compress, output) if durable else compress,
            prepare=lambda: remove(output),
            written_bytes=lambda: tree_bytes(output),
        )

    def restore(self, durable: bool = False) -> Contender:
        decompress = ["zstd", "-d", "-q", "-f", self.store, "-o", self.restored]
        return Contender(
            name="zstd -d" + (" and fsync" if durable else ""),
            command=_then_fsync(decompress, self.restored) if durable else decompress,
            prepare=self.new_target,
            written_bytes=lambda: tree_bytes(self.restored),
        )

    def verify(self) -> Contender:
        return Contender(name="zstd -t", command=["zstd", "-t", "-q", self.store])


def _then_fsync(command: list, output: Path) -> list:
    return ["sh", "-c", '"$@" && sync "$0"', output, *command]


class Repository(Peer):
    """A program whose store is a repository; to make one is not measured, nor is its first size counted."""

    # The program with what all of its commands take, and the words of each command.
    command: list[str]
    init: list[str]
    backup: list[str]
    check: list[str]
    # How many words of `backup` name it in the report.
    shown_words = 1

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def extract(self) -> list:
        """The words that write what is stored to `restored`."""
        raise NotImplementedError

    def new_store(self) -> None:
        super().new_store()
        run(self._contender(self.init))
        self.empty_bytes = tree_bytes(self.store)

    def snapshot(self) -> Contender:
        return self._contender(
            [*self.backup, self.source.path],
            self.shown_words,
            prepare=self.new_store,
            written_bytes=lambda: tree_bytes(self.store) - self.empty_bytes,
        )

    def restore(self) -> Contender:
        return self._contender(
            self.extract(), prepare=self.new_target, written_bytes=lambda: tree_bytes(self.restored)
        )

    def verify(self) -> Contender:
        return self._contender(self.check, len(self.check))

    def _contender(self, words: list, shown_words: int = 1, **rest) -> Contender:
        name = " ".join([self.command[0], *words[:shown_words]])
        return Contender(name, [*self.command, *words], environment=self.environment(), **rest)


class Restic(Repository):
    command = ["restic", "--no-cache", "-q"]
    init = ["init"]
    backup = ["backup"]
    check = ["check", "--read-data"]

    def environment(self) -> dict[str, str]:
        return {"RESTIC_REPOSITORY": str(self.store), "RESTIC_PASSWORD": PASSWORD}

    def extract(self) -> list:
        return ["restore", "latest", "--target", self.restored]


class Rustic(Repository):
    command = ["rustic"]
    init = ["init"]
    backup = ["backup"]
    check = ["check", "--read-data"]

    def environment(self) -> dict[str, str]:
        return {
            "RUSTIC_REPOSITORY": str(self.store),
            "RUSTIC_PASSWORD": PASSWORD,
            "RUSTIC_NO_CACHE": "true",
            "RUSTIC_NO_PROGRESS": "true",
            # Nobody's own profile.
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "configuration"),
        }

    def extract(self) -> list:
        return ["restore", "latest", self.restored]


class Borg(Repository):
    command = ["borg"]
    init = ["init", "--encryption", "none"]
    backup = ["create", "-C", "zstd,3", "--files-cache", "disabled", "::one"]
    check = ["check", "--verify-data"]
    shown_words = 3

    def environment(self) -> dict[str, str]:
        return {
            "BORG_REPO": str(self.store),
            "BORG_BASE_DIR": str(self.folder / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def extract(self) -> list:
        return ["extract", "::one"]

    def new_store(self) -> None:
        remove(self.folder / "base")
        super().new_store()

    def new_target(self) -> None:
        super().new_target()
        self.restored.mkdir()

    def restore(self) -> Contender:
        # It writes where it stands.
        return replace(super().restore(), directory=self.restored)


class Dotctl(Peer):
    """dotctl as its command line promises it, with JSON on stdout."""

    def __init__(self, folder: Path, source: Source, program: Path):
        super().__init__(folder, source)
        self.path = program
        self.stdout = folder / "stdout.json"

    def contender(self, name: str, *words, **rest) -> Contender:
        """`name` as shown; the words are the command with its own options."""
        command = [self.path, "--format", "json", "--no-progress", *words]
        return Contender(f"dotctl {name}", command, stdout=self.stdout, **rest)

    def snapshot(self) -> Contender:
        return self.contender(
            "snapshot",
            "snapshot",
            self.source.path,
            "--store",
            self.store,
            prepare=self.new_store,
            written_bytes=lambda: tree_bytes(self.store),
        )

    def snapshot_with(self, name: str, *options: str) -> Contender:
        """With a codec, level or chunk size, into a store of its own."""
        store = self.store_of(name)
        return self.contender(
            name,
            "snapshot",
            self.source.path,
            "--store",
            store,
            *options,
            prepare=lambda: remove(store),
            written_bytes=lambda: tree_bytes(store),
        )

    def store_of(self, name: str) -> Path:
        return self.folder / f"store {name}".replace(" ", "-")

    def snapshot_again(self) -> Contender:
        return self.contender("snapshot, unchanged", "snapshot", self.source.path, "--store", self.store)

    def restore(self, name: str = "restore", store: Path | None = None) -> Contender:
        return self.contender(
            name,
            "restore",
            "latest",
            "--to",
            self.restored,
            "--store",
            store or self.store,
            prepare=self.new_target,
            written_bytes=lambda: tree_bytes(self.restored),
        )

    def verify(self, quick: bool = False) -> Contender:
        options = ["--quick"] if quick else []
        return self.contender(" ".join(["verify", *options]), "verify", *options, "--store", self.store)

    def inspect(self) -> Contender:
        return self.contender("inspect", "inspect", self.source.path)


PEERS: dict[str, type[Peer]] = {"zstd": Zstd, "restic": Restic, "rustic": Rustic, "borg": Borg}
PACKAGES = {
    "zstd": "zstd",
    "restic": "restic",
    "borg": "borgbackup",
    "sqlite3_analyzer": "sqlite3-tools",
    "rclone": "rclone",
}
# The S3 server of the table `bucket`.
BUCKET_SERVER = "s3s-fs"


def install_missing(wanted: list[str], may_install: bool) -> list[str]:
    """Those of the wanted programs that are there, after an attempt with apt-get."""
    missing = [name for name in wanted if name in PACKAGES and not shutil.which(name)]
    packages = [PACKAGES[name] for name in missing]
    if packages and may_install and shutil.which("apt-get"):
        prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
        if not prefix or shutil.which("sudo"):
            command = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *packages]
            print(" ".join(command), file=sys.stderr)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    present = [name for name in wanted if shutil.which(name)]
    for name in wanted:
        if name in present:
            continue
        if name == BUCKET_SERVER:
            how = "cargo install s3s-fs --version ^0.14 --features binary --root WORK/peers"
        elif name == "rustic":
            how = "put rustic on PATH or run again with --build-rustic (cargo install, some minutes)"
        else:
            how = f"on Debian and Ubuntu: apt-get install {PACKAGES[name]}"
        print(f"{name} is not there and is left out; {how}", file=sys.stderr)
    return present


def build_rustic(folder: Path) -> None:
    """Installs rustic below the folder, at lowest priority."""
    command = ["nice", "-n", "19", "cargo", "install", "rustic-rs", "--no-default-features", "--root", folder]
    print(" ".join(map(str, command)), file=sys.stderr)
    if subprocess.run(command, check=False).returncode != 0:
        print("rustic could not be built and is left out", file=sys.stderr)


def version(name: str, program: Path | None = None) -> str:
    """The first line of what a program says of its version; `program` where it is not on PATH."""
    word = "version" if name == "restic" else "--version"
    ran = subprocess.run([program or name, word], capture_output=True, text=True, check=False)
    lines = (ran.stdout or ran.stderr).strip().splitlines()
    return lines[0].strip("* ") if lines else "unknown"
