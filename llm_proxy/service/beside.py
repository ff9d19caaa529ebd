"""What is served beside the configuration file for this run: servers that were found, and the model that we run.

Laws: nothing is ever written to the file; what was found counts only beside the file that comes with the program, and the
first edit of that ends it for good; our own model counts beside any file. One process of the service finds, the others
follow it. ``added`` may be called from any thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from llm_proxy.live.config.additions import written
from llm_proxy.live.config.shipped import is_shipped
from llm_proxy.live.state.snapshot import Snapshot
from llm_proxy.service.shared_page import SharedPage

#: How often a process that follows looks, in seconds.
_LOOK = 0.25
#: The same while a start waits for it.
_SOON = 0.02


class Beside:
    """``found`` and ``local`` map providers to what ``models-config.json`` has for them. ``page``: by which workers know
    of each other's findings; ``on_change`` is called when something is new."""

    def __init__(self, page: SharedPage | None = None) -> None:
        self.found: Mapping[str, Any] = {}
        self.local: Mapping[str, Any] = {}
        #: For ``/status``: what was found where, and why something is not used. None: nobody looks.
        self.report: Any = None
        self.ended = False
        self.on_change: Callable[[], None] = lambda: None
        self._page = page
        self._seen = 0
        self._following: asyncio.Task[None] | None = None
        if page is not None:
            self._read(page)

    def added(self, data: bytes | OSError) -> bytes:
        """What is served beside ``data``, the contents of the file."""
        found = self.found if self.found and not self.ended and is_shipped(data) else {}
        return written({**found, **self.local})

    def change(
        self,
        *,
        found: Mapping[str, Any] | None = None,
        local: Mapping[str, Any] | None = None,
        report: Any = None,
    ) -> None:
        """Take note of what is new, and tell the others."""
        before = self.found, self.local
        self.local = self.local if local is None else local
        if not self.ended:
            self.found = self.found if found is None else found
            self.report = self.report if report is None else report
        if self._page is not None:
            state = {"found": self.found, "local": self.local, "report": self.report}
            self._page.put(json.dumps(state).encode())
        if before != (self.found, self.local):
            self.on_change()

    def swapped(self, snapshot: Snapshot) -> None:
        """Another state serves: once it comes from a file of the operator's own, nothing is looked for any more."""
        if not self.ended and not is_shipped(snapshot.reading.data):
            self.ended, self.found, self.report = True, {}, None

    def follow(self) -> None:
        """Learn what another process finds, from now on."""
        if self._page is not None:
            self._following = asyncio.get_running_loop().create_task(self._keep_following(self._page))

    async def heard(self, seconds: float) -> None:
        """Wait until another process has found something, at most so long."""
        end = asyncio.get_running_loop().time() + seconds
        while self._page is not None and not self._page.version():
            if asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(_SOON)
        if self._page is not None:
            self._read(self._page)

    def stop(self) -> None:
        """Follow no more."""
        if self._following is not None:
            self._following.cancel()

    async def _keep_following(self, page: SharedPage) -> None:
        while True:
            if page.version() != self._seen:
                before = self.found, self.local
                self._read(page)
                if before != (self.found, self.local):
                    self.on_change()
            await asyncio.sleep(_LOOK)

    def _read(self, page: SharedPage) -> None:
        self._seen = page.version()
        data = page.take()
        if data:
            state = json.loads(data)
            self.found = {} if self.ended else state["found"]
            self.local = state["local"]
            self.report = None if self.ended else state["report"]
