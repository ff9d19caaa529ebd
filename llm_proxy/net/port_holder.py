"""Who listens on a port of this machine, as far as ``/proc`` tells us.

Laws: blocking, read once somebody could not have the port; what cannot be read says nothing, and nothing here raises. Of
a command line only the program's name is told: the rest may hold secrets. Sources: proc(5), proc_pid_net(5).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: A socket that listens (include/net/tcp_states.h).
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A program. ``pid`` is 0 where only its user is known."""

    name: str = ""
    pid: int = 0
    user: str = ""

    def __str__(self) -> str:
        if self.pid:
            return f"{self.name} (pid {self.pid})"
        return f"a program of the user {self.user}" if self.user else "another program"


def holder_of(port: int, root: Path = Path("/proc")) -> PortHolder:
    """Who listens on ``port``, at whatever address."""
    found = dict(_listening(port, root))
    if not found:
        return PortHolder()
    for pid in _pids(root):
        if _inodes(root / pid) & found.keys():
            return PortHolder(_name(root / pid), int(pid))
    return PortHolder(user=_user(min(found.values())))


def _listening(port: int, root: Path) -> Iterator[tuple[str, int]]:
    """The inode and the user's number of each socket that listens there."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (root / "self/net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTEN and fields[1].endswith(f":{port:04X}"):
                yield fields[9], int(fields[7])


def _pids(root: Path) -> list[str]:
    try:
        return sorted((name for name in os.listdir(root) if name.isdigit()), key=int)
    except OSError:
        return []


def _inodes(process: Path) -> set[str]:
    """Those of the sockets that a process has open; none where it is another user's."""
    found: set[str] = set()
    try:
        names = os.listdir(process / "fd")
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(process / "fd" / name)
        except OSError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _name(process: Path) -> str:
    """The program; of an interpreter, what it runs."""
    try:
        words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        name = (process / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "a program"
    if name.startswith(("python", "node", "ruby", "java")):
        what = words[2:3] if words[1:2] == ["-m"] else [w.rpartition("/")[2] for w in words[1:2]]
        what = [word for word in what if word and not word.startswith("-")]
        name = " ".join([name, *what])
    return "".join(c if c.isprintable() else "?" for c in name)[:60]


def _user(number: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return str(number)
