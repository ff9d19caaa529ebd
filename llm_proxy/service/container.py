"""How much memory this process's container may use: the least of its control groups' limits and of what the machine has.

Laws: a file that is not there or makes no sense says nothing; nothing here raises. Sources: docs.kernel.org,
admin-guide/cgroup-v2 (``memory.max``), admin-guide/cgroup-v1/memory (``memory.limit_in_bytes``), cgroups(7) for
``/proc/self/cgroup``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

#: Where nothing can be found out (no POSIX): what small machines have.
_UNKNOWN = 2 << 30


def memory_of_container(root: Path = Path("/")) -> int:
    """Bytes. ``root``: where the file system begins."""
    limits = [limit for file in _limit_files(root) if (limit := _number_in(file)) is not None]
    return min([*limits, _physical()])


def share_of(limit: int | None, processes: int) -> int:
    """What each of ``processes`` may hold of ``limit``, or of half of what there is."""
    whole = memory_of_container() // 2 if limit is None else limit
    return max(1, whole // processes)


def _limit_files(root: Path) -> Iterator[Path]:
    """Those of this process's groups and of all above them. In a container the path may be the host's, whose lower part
    is not visible: then the container's own group is at the mount point."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    for line in [*lines, "0::/", "0:memory:/"]:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "memory" not in controllers.split(","):
            continue
        folder, name = (mount / "memory", "memory.limit_in_bytes") if controllers else (mount, "memory.max")
        inner = PurePosixPath(path.lstrip("/"))
        for part in (inner, *inner.parents):
            if ".." not in part.parts:
                yield folder / part / name


def _number_in(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None  # "max": none


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN
