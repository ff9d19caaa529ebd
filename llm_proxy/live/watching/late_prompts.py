"""Prompts that somebody did not wait for: they are told to the registry when they are there, and to people when they are not.

Laws: whoever asked first is the cause that is told; a hint that came while the directory was being read leads to another look.
The configuration goes on meanwhile. Called on the event loop, but for what the reader's thread calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from llm_proxy.live.state.prompts_reader import PromptsReader
from llm_proxy.live.state.reading import Part
from llm_proxy.live.watching.hints import WATCHER, first_cause

log = logging.getLogger("llm_proxy.live.state.registry")

#: A look that takes longer is reported, in seconds.
HANGS = 3.0
_HANGING = "reading the prompt directory takes very long: all prompts stay as they were"


class LatePrompts:
    """``on_come`` is called with the cause when there is something to be read at once."""

    def __init__(self, on_come: Callable[[str], object]) -> None:
        self.reader = PromptsReader(self._in_loop)
        self._on_come = on_come
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Who asked for what is not there yet, and whether somebody asked since.
        self._causes: frozenset[str] = frozenset()
        self._fresh = True
        self._told = self._closed = False

    @property
    def problem(self) -> str:
        """What is to be said of prompts that do not come; empty if nothing is."""
        return _HANGING if self.reader.running_for() > HANGS else ""

    def asked(self, parts: frozenset[Part], *, hurry: bool) -> None:
        """Somebody says that ``parts`` may have changed; ``hurry``: something has, and a sweep does not just come round."""
        self._loop = self._loop or asyncio.get_running_loop()
        if "prompts" in parts:
            self._fresh = True
        elif hurry and self.reader.pending:
            self.reader.hurry()

    def take(self, parts: frozenset[Part]) -> bool:
        """Whether the look at ``parts`` that begins needs the prompts as they are now, not as they came."""
        fresh = self._fresh
        if "prompts" in parts:
            self._fresh = False
        return fresh

    def wait(self, causes: frozenset[str]) -> None:
        """They were late for a look that ``causes`` led to."""
        # Whoever asked by name has had an answer.
        self._causes |= causes.intersection(WATCHER) or frozenset({"start"})
        asyncio.get_running_loop().call_later(HANGS + 0.01, self._tell)

    def close(self) -> None:
        """Say nothing any more."""
        self._closed = True

    def _tell(self) -> None:
        if self.problem and not self._told and not self._closed:
            self._told = True
            log.warning(_HANGING, extra={"seconds": HANGS})

    def _in_loop(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._come)

    def _come(self) -> None:
        if self._closed:
            return
        if self._told:
            self._told = False
            log.info("the prompt directory can be read again")
        causes, self._causes = self._causes or frozenset({"start"}), frozenset()
        self._on_come(first_cause(causes))
