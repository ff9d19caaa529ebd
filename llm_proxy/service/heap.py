"""What was freed is given back to the operating system: glibc keeps it otherwise, and whoever looks sees the process as large
as it was at its worst (malloc_trim(3)).

Laws: beside the loop, a moment after much was let go, at most once at a time; where there is no glibc nothing happens.
"""

from __future__ import annotations

import asyncio

from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.relay.offload import TRIMS, trim

#: Seconds until the last references to what was let go are gone, too.
_MOMENT = 0.5


class Heap:
    """Call it, on the loop, when much was let go."""

    def __init__(self) -> None:
        self._thread: BackgroundThread | None = None
        self._due: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if TRIMS and self._due is None:
            self._due = asyncio.get_running_loop().call_later(_MOMENT, self._run)

    def close(self) -> None:
        """Do nothing more."""
        if self._due is not None:
            self._due.cancel()
        if self._thread is not None:
            self._thread.close()

    def _run(self) -> None:
        self._due = None
        self._thread = self._thread or BackgroundThread("heap")
        self._thread.run(trim)
