"""Whether the receiver of a body is ready for more: the awaitable that its callback gave, watched.

Laws: a future that the callback gave is the caller's and never cancelled by us; a task made from its coroutine is ours
and does not outlive the request. This module refuses to know what is held back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from llm_proxy.net.faults import Aborted


class FlowControl:
    """For one awaitable: shut by ``hold`` until that is done."""

    __slots__ = ("_awaited", "_own")

    def __init__(self) -> None:
        self._awaited: asyncio.Future[Any] | None = None
        self._own = False

    def hold(self, result: Awaitable[Any], opened: Callable[[Exception | None], None]) -> bool:
        """Shut the gate until ``result`` is done, then call ``opened`` with its error, or None. False, and nothing
        happens, if it is done already."""
        future = asyncio.ensure_future(result)
        own = future is not result
        if not own and future.done() and not future.cancelled() and future.exception() is None:
            return False
        self._awaited, self._own = future, own
        future.add_done_callback(lambda done: self._done(done, opened))
        return True

    def drop(self) -> None:
        """Forget what was waited for; ``opened`` will not be called."""
        if self._awaited is not None and self._own:
            self._awaited.cancel()
        self._awaited = None

    def _done(self, future: asyncio.Future[Any], opened: Callable[[Exception | None], None]) -> None:
        error: BaseException | None
        if future.cancelled():
            error = Aborted("the body's receiver was cancelled", "body", "aborted")
        else:
            error = future.exception()  # also marks it as seen, when nobody waits any more
        if self._awaited is not future:
            return
        self._awaited = None
        opened(error if isinstance(error, Exception) else None)
