"""What was freed is given back to the operating system: glibc keeps it otherwise, and whoever looks sees the process as large
as it was at its worst (malloc_trim(3)). And while much is there, it is not looked through for garbage again and again.

Laws: beside the loop, a moment after much was let go, at most once at a time; where there is no glibc nothing is given back.
"""

from __future__ import annotations

import asyncio

from llm_proxy.live.background_thread import BackgroundThread, full_passes
from llm_proxy.relay.offload import TRIMS, trim

#: Seconds until the last references to what was let go are gone, too.
_MOMENT = 0.5


class Heap:
    """Call ``flood`` when much has come, and ``ebb`` when it was let go, on the loop."""

    def __init__(self) -> None:
        self._thread: BackgroundThread | None = None
        self._due: asyncio.TimerHandle | None = None
        #: Whether much is there, and whether full passes wait.
        self._full = self._waits = False

    def flood(self) -> None:
        """Much has come."""
        self._full = True
        if not self._waits:
            self._waits = True
            full_passes.wait()

    def ebb(self) -> None:
        """It was let go."""
        self._full = False
        self.give_back()

    def give_back(self) -> None:
        """Something large was."""
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(_MOMENT, self._run)

    def close(self) -> None:
        """Do nothing more."""
        if self._due is not None:
            self._due.cancel()
        if self._thread is not None:
            self._thread.close()
        self._let_pass()

    def _let_pass(self) -> None:
        if self._waits:
            self._waits = False
            full_passes.go_on()

    def _run(self) -> None:
        self._due = None
        if not self._full:
            self._let_pass()
        if not TRIMS:
            return
        self._thread = self._thread or BackgroundThread("heap")
        self._thread.run(trim)
