"""What the machine gives a service: descriptors, file watches, a clock, places to write. Linux's own files say it (proc(5), inotify(7))."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from llm_proxy.cli.doctor.findings import Finding, broken, note, ok
from llm_proxy.clients.http_server import LEAST_DESCRIPTORS
from llm_proxy.settings import PREFIX, Settings

#: Fewer descriptors than this are few for a service: half of them are for clients.
_FEW = 4096
#: When this was written; an earlier clock is wrong.
_WRITTEN = 1_795_000_000
_INOTIFY = Path("proc/sys/fs/inotify")


def look(settings: Settings, root: Path = Path("/")) -> Iterator[Finding]:
    """All of them."""
    yield _descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE))
    yield from _inotify(settings, root)
    yield _clock(time.time())
    yield from _folders(settings)


def _descriptors(soft: int, hard: int) -> Finding:
    if hard == resource.RLIM_INFINITY:
        return ok("open files", "no limit")
    if hard < LEAST_DESCRIPTORS:
        return broken(
            "open files",
            f"{hard} are allowed, {LEAST_DESCRIPTORS} are needed",
            "raise ulimit -n; in a unit: LimitNOFILE",
        )
    if hard < _FEW:
        return note(
            "open files",
            f"{hard} are allowed: about {hard // 2} client connections at once",
            "raise ulimit -n to 65536; in a unit: LimitNOFILE=65536",
        )
    return ok("open files", f"{min(hard, 65_536)} are allowed")


def _inotify(settings: Settings, root: Path) -> Iterator[Finding]:
    if settings.watch == "poll":
        yield ok("file watches", f"not wanted ({PREFIX}WATCH=poll): files are swept twice a second")
        return
    try:
        instances, watches = (
            int((root / _INOTIFY / name).read_text()) for name in ("max_user_instances", "max_user_watches")
        )
    except (OSError, ValueError):
        yield note(
            "file watches",
            "this system has no inotify: files are swept twice a second instead",
            f"nothing has to be done; {PREFIX}WATCH=poll says so",
        )
        return
    used = _instances(root)
    if used >= instances:
        yield note(
            "file watches",
            f"all {instances} inotify instances of this user are in use: files would be swept instead",
            "sysctl fs.inotify.max_user_instances=1024",
        )
    wanted = _folders_below(settings.prompts_dir) + 2
    if wanted > watches:
        yield note(
            "file watches",
            f"{wanted} directories are to be watched, {watches} may be",
            f"sysctl fs.inotify.max_user_watches={max(65_536, 2 * wanted)}",
        )
    if used < instances and wanted <= watches:
        yield ok("file watches", f"{wanted} directories of {watches} that may be watched")


def _instances(root: Path) -> int:
    """How many inotify descriptors this user's programs have, as far as may be seen."""
    count, me = 0, os.getuid()
    for process in (root / "proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != me:
                continue
            count += sum(os.readlink(one) == "anon_inode:inotify" for one in (process / "fd").iterdir())
        except OSError:
            continue
    return count


def _folders_below(path: Path, most: int = 100_000) -> int:
    count = 0
    for _ in os.walk(path):
        count += 1
        if count >= most:
            break
    return count


def _clock(now: float) -> Finding:
    if now < _WRITTEN:
        return broken(
            "clock",
            f"it says {time.strftime('%Y-%m-%d', time.gmtime(now))}: certificates and keys would not be valid yet",
            "set it, or start a time service (chrony, systemd-timesyncd)",
        )
    return ok("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def _folders(settings: Settings) -> Iterator[Finding]:
    """Where the settings want something to be written."""
    for name, path in (
        ("STATE", settings.state),
        ("LAST_GOOD", settings.last_good),
        ("LOG_FILENAME", Path(settings.log_filename).parent if settings.log_filename else None),
    ):
        if path is None:
            continue
        nearest = path
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if os.access(nearest, os.W_OK | os.X_OK):
            yield ok(PREFIX + name, "can be written")
        else:
            yield broken(PREFIX + name, "cannot be written by this user", f"chown or chmod {nearest}")
