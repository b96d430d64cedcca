"""One S3 server on this machine, and the peers that store into a bucket of it.

The server is s3s-fs, which keeps objects as files: so what is stored is counted
as files, and a new bucket is a new folder. It runs beside the commands, on the
same cores, for all of them alike.
"""

import os
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from measure import Contender, remove, run, tree_bytes
from peers import BUCKET_SERVER, PASSWORD, THREADS, Dotctl, Restic, Rustic, Zstd

BUCKET = "checkpoints"
ACCESS_KEY_ID = "benchmark"
SECRET_ACCESS_KEY = "benchmark-secret"
REGION = "us-east-1"
START_LIMIT_S = 10


class Server:
    """The server, from `with` on; `files` is the bucket's folder."""

    def __init__(self, folder: Path):
        self.root = folder
        self.files = folder / BUCKET

    def __enter__(self) -> "Server":
        self.files.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint_url = f"http://127.0.0.1:{port}"
        keys = ["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY]
        command = [BUCKET_SERVER, *keys, "--host", "127.0.0.1", "--port", str(port), str(self.root)]
        environment = os.environ | {"RUST_LOG": "error"}
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + START_LIMIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.__exit__()
                    raise RuntimeError(f"{BUCKET_SERVER} did not start: {' '.join(command)}") from None
                time.sleep(0.05)

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait()

    def environment(self) -> dict[str, str]:
        """What every program finds its keys by, and nothing of this machine's."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": "",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def prefix(self, name: str) -> Path:
        """Where the objects below a prefix lie."""
        return self.files / name


class BucketDotctl(Dotctl):
    """dotctl with a bucket as its store."""

    def __init__(self, folder, source, program, server: Server):
        super().__init__(folder, source, program)
        self.server = server
        self.store = f"s3://{BUCKET}/dotctl"

    def contender(self, name: str, *words, **rest) -> Contender:
        words = [*words, "--endpoint-url", self.server.endpoint_url, "--region", REGION]
        return super().contender(f"{name} (bucket)", *words, environment=self.server.environment(), **rest)

    def new_store(self) -> None:
        remove(self.server.prefix("dotctl"))

    def snapshot(self) -> Contender:
        return replace(super().snapshot(), written_bytes=lambda: tree_bytes(self.server.prefix("dotctl")))


class BucketZstd(Zstd):
    """A file made by zstd, copied by rclone."""

    name = "zstd"

    def __init__(self, folder, source, server: Server):
        super().__init__(folder, source)
        self.server = server
        self.file = folder / "compressed.zst"

    def environment(self) -> dict[str, str]:
        return self.server.environment() | {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_SERVER_TYPE": "s3",
            "RCLONE_CONFIG_SERVER_PROVIDER": "Other",
            "RCLONE_CONFIG_SERVER_ENV_AUTH": "true",
            "RCLONE_CONFIG_SERVER_REGION": REGION,
            "RCLONE_CONFIG_SERVER_ENDPOINT": self.server.endpoint_url,
        }

    def _shell(self, name: str, script: str, **rest) -> Contender:
        command = ["sh", "-ec", script, self.source.path, self.file, f"server:{BUCKET}/zstd/one.zst", self.restored]
        return Contender(name, command, environment=self.environment(), **rest)

    def _forget(self) -> None:
        remove(self.file)
        remove(self.server.prefix("zstd"))

    def snapshot(self) -> Contender:
        return self._shell(
            f"zstd -3 -T{THREADS} and rclone copy",
            f'zstd -3 -T{THREADS} -q -f "$0" -o "$1"; rclone copyto "$1" "$2"',
            prepare=self._forget,
            written_bytes=lambda: tree_bytes(self.server.prefix("zstd")),
        )

    def restore(self) -> Contender:
        def prepare() -> None:
            remove(self.file)
            self.new_target()

        return self._shell(
            "rclone copy and zstd -d", 'rclone copyto "$2" "$1"; zstd -d -q -f "$1" -o "$3"', prepare=prepare
        )

    def verify(self) -> Contender:
        return self._shell("rclone cat and zstd -t", 'rclone cat "$2" | zstd -t -q')


class BucketRepository:
    """What restic and rustic have in common here: the repository is in the bucket."""

    name: str
    server: Server

    def new_store(self) -> None:
        remove(self.server.prefix(self.name))
        run(self._contender(self.init))
        self.empty_bytes = tree_bytes(self.server.prefix(self.name))

    def ensure_stored(self) -> None:
        if not self.server.prefix(self.name).exists():
            run(self.snapshot())

    def snapshot(self) -> Contender:
        def written() -> int:
            return tree_bytes(self.server.prefix(self.name)) - self.empty_bytes

        return replace(super().snapshot(), written_bytes=written)


class BucketRestic(BucketRepository, Restic):
    name = "restic"

    def __init__(self, folder, source, server: Server):
        super().__init__(folder, source)
        self.server = server

    def environment(self) -> dict[str, str]:
        repository = f"s3:{self.server.endpoint_url}/{BUCKET}/{self.name}"
        return self.server.environment() | {"RESTIC_REPOSITORY": repository, "RESTIC_PASSWORD": PASSWORD}


class BucketRustic(BucketRepository, Rustic):
    name = "rustic"

    def __init__(self, folder, source, server: Server):
        super().__init__(folder, source)
        self.server = server

    def environment(self) -> dict[str, str]:
        options = {
            "BUCKET": BUCKET,
            "ROOT": f"/{self.name}",
            "ENDPOINT": self.server.endpoint_url,
            "REGION": REGION,
            "ACCESS_KEY_ID": ACCESS_KEY_ID,
            "SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        }
        there = {f"OPENDAL_{name}": value for name, value in options.items()}
        return super().environment() | self.server.environment() | {"RUSTIC_REPOSITORY": "opendal:s3"} | there


BUCKET_PEERS = {"zstd": BucketZstd, "restic": BucketRestic, "rustic": BucketRustic}
