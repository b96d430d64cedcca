"""What the figures were measured on."""

import os
import platform
from datetime import datetime, timezone
from pathlib import Path

GIBIBYTE_IN_KIBIBYTES = 1024 * 1024


def _first_value(path: str, name: str) -> str:
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def _file_system(path: Path) -> str:
    best, kind = "", "unknown"
    try:
        for line in Path("/proc/self/mounts").read_text().splitlines():
            _, mount_point, mounted_kind, *_ = line.split()
            if path.is_relative_to(mount_point) and len(mount_point) >= len(best):
                best, kind = mount_point, mounted_kind
    except OSError:
        pass
    return kind


def facts(work: Path) -> list[tuple[str, str]]:
    """Name and value of what matters for the figures."""
    memory = _first_value("/proc/meminfo", "MemTotal").split()[0]
    memory = f"{int(memory) / GIBIBYTE_IN_KIBIBYTES:.1f} GiB" if memory.isdigit() else memory
    return [
        ("Date", datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")),
        ("Processor", _first_value("/proc/cpuinfo", "model name")),
        ("Cores", str(len(os.sched_getaffinity(0)))),
        ("Memory", memory),
        ("Kernel", f"{platform.system()} {platform.release()}"),
        ("File system", _file_system(work.resolve())),
        ("Load at the start", f"{os.getloadavg()[0]:.2f}"),
    ]
