"""What Linux says about the file system below a path, as far as it decides whether changes can be noticed.

Laws: reads ``/proc/self/mountinfo`` (proc(5)) and nothing else; where that is missing, nothing is known and nothing is
said.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

#: File systems whose changes another machine, or the host of a virtual one, can make without the kernel here knowing.
_REMOTE = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "nfs", "nfs4", "prl_fs", "smb3", "smbfs", "vboxsf", "virtiofs"}
)
_OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point and the type of the file system there."""

    point: str
    kind: str

    @property
    def is_remote(self) -> bool:
        """Whether changes may come from where inotify does not see them."""
        return self.kind in _REMOTE or self.kind.startswith("fuse")


def mounts(table: bytes | None = None) -> list[Mount]:
    """The mounts in ``table`` (by default those of this process), the later ones over the earlier."""
    if table is None:
        try:
            with open("/proc/self/mountinfo", "rb") as file:
                table = file.read()
        except OSError:
            return []
    found = []
    for line in table.splitlines():
        left, dash, right = line.partition(b" - ")
        fields = left.split(b" ")
        if dash and len(fields) > 4:
            point = _OCTAL.sub(lambda code: bytes([int(code[1], 8)]), fields[4])
            found.append(Mount(os.fsdecode(point), right.split(b" ")[0].decode("ascii", "replace")))
    return found


def mount_of(path: str, table: list[Mount]) -> Mount | None:
    """The mount that the real path ``path`` lies on."""
    best: Mount | None = None
    for mount in table:
        inside = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best
