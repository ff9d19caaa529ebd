"""Memory that the kernel writes to a file when a process crashes: it would hold keys, which Python cannot wipe.

Laws: the soft limit alone is lowered, so that whoever looks into a crash may raise it again while the process runs
(``prlimit --core=unlimited --pid PID``). Children inherit it. systemd-coredump heeds the limit too (coredump.conf(5)).
"""

from __future__ import annotations

import resource
from contextlib import suppress


def no_core_files() -> None:
    """Let a crash leave no image of the memory."""
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
