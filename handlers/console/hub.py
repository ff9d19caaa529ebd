"""What feeds the pages that are open: one look at all processes for all pages of this one, several times a second.

Laws: it begins with the first page and ends with the last. Each look is encoded once, whoever reads it. It takes its time: the
dearer a look, the longer the pause after it, so that it never takes more than its share of a core. A page that does not keep up
is told everything anew when it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from time import perf_counter
from typing import Any, Protocol

from handlers.base.gateway import Gateway
from handlers.console.running import running
from llm_proxy.console.changes import Changes, Row
from llm_proxy.console.console import Console
from llm_proxy.console.finished import newest
from llm_proxy.console.history import STEP, Piece, merged, point
from llm_proxy.console.waterfall import shown
from llm_proxy.telemetry.process_report import differ
from llm_proxy.wire.sse import dumps

log = logging.getLogger(__name__)

#: Seconds between two looks: at least, at most, and what part of a core a look with its pause may take.
_PAUSE, _LONGEST, _SHARE = 0.25, 2.0, 0.008
#: Seconds until a silent stream says that it is there, and how long the other processes are waited for.
_SILENT, _PATIENCE = 15.0, 0.4
#: Requests that have ended are told so many in a look.
_ENDED = 50
#: A piece of the history is complete in all processes so many seconds after its end: each folds once a second.
_LATE = 1.3
#: What of ``status`` changes all the time, and is no news.
_NO_NEWS = frozenset({"uptime", "running"})

BEGIN = b"retry: 2000\n\n"
_COMMENT = b":\n\n"


class Page(Protocol):
    """Who looks."""

    def told(self, data: bytes) -> bool:
        """Take what is to be sent; false: it is behind, and has not taken it. Nothing: see whether it may still look."""

    def end(self) -> None:
        """There is no more."""


def event(name: str, data: Any) -> bytes:
    """As server-sent events are written."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), dumps(data))


def look(gateway: Gateway, since: int | None) -> dict[str, Any]:
    """What one process has to tell: what runs, what has ended after the first ``since`` requests, the last piece of its
    history."""
    console, now = gateway.console, time.time()
    assert console is not None
    activity = console.activity
    activity.running(now, len(gateway.running))
    ended = [] if since is None else activity.since(since, _ENDED)
    pieces = activity.history.pieces(now - _LATE, now - _LATE - 2 * STEP)
    return {
        "row": console.row,
        "running": running(gateway),
        "count": activity.count,
        "ended": [shown(one) for one in ended],
        "piece": pieces[-1] if pieces else None,
    }


def status_of(gateway: Gateway) -> dict[str, Any]:
    """The part of ``/status`` that pages show everywhere, under the same names."""
    registry, workers = gateway.registry, gateway.reports()
    snapshot, outcome, books = registry.current, registry.outcome, gateway.books
    return {
        "state": "mixed" if differ(workers) else outcome.state,
        "problems": [*outcome.problems, *filter(None, [registry.prompts.problem])],
        "generation": snapshot.generation,
        "hash": snapshot.hash,
        "file_hash": outcome.file_hash,
        "noticed": {"cause": outcome.cause, "at": round(outcome.at, 3)},
        "last_good": registry.on_last_good,
        "models": len(snapshot.models),
        "running": sum(report.running for report in workers),
        "draining": gateway.stopping,
        "lame_duck": gateway.lame_duck,
        "uptime": round(time.time() - gateway.started_at, 3),
        "started_at": round(gateway.started_at, 3),
        "workers": [report.pid for report in workers] or [os.getpid()],
        "usage": books.ledger.report() if books.ledger is not None else None,
        "shared": books.shared.state if books.shared is not None else None,
    }


class Hub:
    """One process's."""

    def __init__(self, gateway: Gateway, console: Console) -> None:
        self._gateway, self._console = gateway, console
        #: The pages, and whether each knows what was told last.
        self._pages: dict[Page, bool] = {}
        self._task: asyncio.Task[None] | None = None
        self._changes = Changes()
        self._status: dict[str, Any] = {}
        #: How many requests of each process were told to have ended; and which piece of the history was told.
        self._counts: dict[int, int] = {}
        self._piece = 0
        self._quiet_since = 0.0
        #: Seconds of CPU that the last look took of this process.
        self.spent = 0.0

    def join(self, page: Page) -> None:
        """It wants to be told everything from now on."""
        self._pages[page] = False
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, page: Page) -> None:
        """It wants to hear no more."""
        self._pages.pop(page, None)
        if not self._pages and self._task is not None:
            self._task.cancel()
            self._task = None

    @property
    def watched(self) -> int:
        """How many pages look."""
        return len(self._pages)

    async def _run(self) -> None:
        self._changes, self._counts, self._status = Changes(), {}, {}
        self._quiet_since = perf_counter()
        while True:
            try:
                await self._turn()
            except Exception:  # the pages stay, and the next look may go well
                log.exception("a look for the console failed")
            await asyncio.sleep(min(_LONGEST, max(_PAUSE, self.spent / _SHARE)))

    async def _turn(self) -> None:
        others = await self._console.colleagues.ask("look", self._counts, _PATIENCE)
        began = time.thread_time()
        mine = look(self._gateway, self._counts.get(self._console.row))
        looks = [mine, *(one for one in others if one is not None)]
        self._tell(looks, time.time())
        self.spent = time.thread_time() - began

    def _tell(self, looks: list[dict[str, Any]], now: float) -> None:
        new: list[bytes] = []
        status = status_of(self._gateway)
        if any(status[name] != self._status.get(name) for name in status if name not in _NO_NEWS):
            new.append(event("status", status))
        self._status = status
        rows: list[Row] = [row for one in looks for row in one["running"]]
        if (changes := self._changes.next(rows, now)) is not None:
            new.append(event("running", changes))
        first = not self._counts
        self._counts |= {one["row"]: one["count"] for one in looks}
        ended = newest((one["ended"] for one in looks), _ENDED)
        if ended and not first:
            new.append(event("ended", {"rows": ended[::-1]}))
        new += self._point([one["piece"] for one in looks if one["piece"] is not None], now)
        self._send(b"".join(new), now)

    def _point(self, pieces: list[Piece], now: float) -> list[bytes]:
        newest_piece = int(now - _LATE) // STEP * STEP - STEP
        if newest_piece <= self._piece:
            return []
        first, self._piece = self._piece == 0, newest_piece
        if first:
            return []  # what was before, a page asks for by itself
        found = merged([[piece] for piece in pieces if piece["at"] == newest_piece])
        return [event("point", point(found[0]))] if found else []

    def _send(self, new: bytes, now: float) -> None:
        """Tell the pages that are up to date what is new, and the others all."""
        moment = perf_counter()
        if new:
            self._quiet_since = moment
        elif moment - self._quiet_since > _SILENT:
            new, self._quiet_since = _COMMENT, moment
        everything = b""
        for page, knows in list(self._pages.items()):
            if knows and not new:
                page.told(b"")
            elif knows:
                self._pages[page] = page.told(new)
            else:
                everything = everything or event("status", self._status) + event(
                    "running", self._changes.whole(now)
                )
                self._pages[page] = page.told(everything)

    async def end(self) -> None:
        """The process stops."""
        task, self._task = self._task, None
        for page in list(self._pages):
            page.end()
        self._pages.clear()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def hub_of(gateway: Gateway) -> Hub:
    """The process's, made when it is needed."""
    console = gateway.console
    assert console is not None
    if console.hub is None:
        console.hub = Hub(gateway, console)
    hub: Hub = console.hub
    return hub
