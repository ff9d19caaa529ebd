"""Work on large bodies and answers, beside the event loop: few threads, a bounded queue, and nobody's work before all others'.

Laws: what is asked of it is pure and in steps, so a client that leaves costs at most the step that has begun: what has not
begun is never done. Who waits is served in the order of what they ask for (start-time fair queuing: each owner's bytes since
it began to wait), so a small body overtakes large ones, and a large one is overtaken only as long as others have asked for
less. One thread is kept free of large work. Beyond the bound a request is refused, with a time to come back; an answer,
which has been paid for, never is. While anything runs, the interpreter changes hands soon (``yielding_gil``).
When large work is over, what the C library keeps of its memory for later is given back.
Made for one event loop; the threads begin with the first job.
"""

from __future__ import annotations

import asyncio
import ctypes
import heapq
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from llm_proxy.errors import Overloaded
from llm_proxy.live.background_thread import BackgroundThread, yielding_gil
from llm_proxy.wire.large_json import much
from llm_proxy.wire.letting_go import let_go

T = TypeVar("T")

#: The work is Python's own, which one thread does at a time: a second one lets small jobs pass a large one.
THREADS = 2
#: How many jobs may wait. They hold their bodies, whose sum others bound.
WAITING = 1024
#: From this many bytes on a job may not have the last free thread.
HEAVY = 1024 * 1024
#: From this many bytes on what a job writes is written in slices.
MUCH = 128 * 1024
#: Seconds after large work when its memory is given back: by then it has mostly been answered.
TRIM_AFTER = 2.0
#: What a refused client is told to wait, in seconds.
RETRY_AFTER = "1"


@dataclass(order=True, slots=True)
class _Job:
    """``tag``: when it is its turn, in bytes of work; ``number`` keeps the order among equals."""

    tag: int
    number: int
    size: int = field(compare=False)
    work: partial[Any] = field(compare=False)
    future: asyncio.Future[Any] = field(compare=False)


class Offload:
    """``await offload.run(owner, size, function, *arguments)``. To give a job up, resolve its future."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._idle = [BackgroundThread(f"large-{number}") for number in range(threads)]
        self._threads = tuple(self._idle)
        self._bound = waiting
        self._light: list[_Job] = []
        self._heavy: list[_Job] = []
        self._heavy_running = 0
        self._number = 0
        self._trimming: asyncio.TimerHandle | None = None
        #: The turn that was served last, and how far each owner's jobs reach.
        self._now = 0
        self._reach: WeakKeyDictionary[Hashable, int] = WeakKeyDictionary()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return len(self._light) + len(self._heavy)

    @property
    def running(self) -> int:
        """How many jobs are being done."""
        return len(self._threads) - len(self._idle)

    def run(
        self, owner: Hashable, size: int, function: Callable[..., T], *arguments: Any, paid: bool = False
    ) -> asyncio.Future[T]:
        """Do ``function(*arguments)``, work on ``size`` bytes for ``owner`` (a connection), when it is its turn. ``paid``: it
        is about an answer. Raises ``Overloaded``."""
        if not paid and not self._room():
            raise Overloaded(
                "too many large requests wait to be read; try again later", retry_after=RETRY_AFTER
            )
        tag = max(self._now, self._reach.get(owner, 0)) + size
        self._reach[owner] = tag
        self._number += 1
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        job = _Job(tag, self._number, size, partial(function, *arguments), future)
        heapq.heappush(self._heavy if size >= HEAVY else self._light, job)
        self._begin()
        return future

    def let_go(self, values: list[Any], then: Callable[[], None] | None = None) -> None:
        """Throw ``values`` away, which may be large, when the loop has nothing to do with them any more: in parts, beside it.
        ``then``: what to do when they are gone."""
        asyncio.get_running_loop().call_soon(self._let_go, values, then)

    def _let_go(self, values: list[Any], then: Callable[[], None] | None) -> None:
        thread = self._idle[-1] if self._idle else self._threads[-1]
        done = thread.run(_calmly, partial(let_go, values), False)
        if then is not None:
            done.add_done_callback(lambda _: then())

    def close(self) -> None:
        """End the threads after what they are doing."""
        if self._trimming is not None:
            self._trimming.cancel()
        for thread in self._threads:
            thread.close()

    def _room(self) -> bool:
        """Whether another request may wait; those that were given up do not count."""
        if self.waiting >= self._bound:
            for jobs in (self._light, self._heavy):
                for job in jobs:
                    if job.future.done():
                        self.let_go([*job.work.args])
                jobs[:] = [job for job in jobs if not job.future.done()]
                heapq.heapify(jobs)
        return self.waiting < self._bound

    def _begin(self) -> None:
        """Give free threads what is next."""
        while self._idle and (job := self._next()) is not None:
            thread, heavy = self._idle.pop(), job.size >= HEAVY
            self._heavy_running += heavy
            self._now = max(self._now, job.tag - job.size)
            done = thread.run(_calmly, job.work, job.size >= MUCH)
            done.add_done_callback(partial(self._done, thread, job, heavy))

    def _next(self) -> _Job | None:
        for jobs in (self._light, self._heavy):
            while jobs and jobs[0].future.done():  # its client has left
                self.let_go([*heapq.heappop(jobs).work.args])
        may_heavy = self._heavy and self._heavy_running < max(1, len(self._threads) - 1)
        if may_heavy and (not self._light or self._heavy[0] < self._light[0]):
            return heapq.heappop(self._heavy)
        return heapq.heappop(self._light) if self._light else None

    def _done(self, thread: BackgroundThread, job: _Job, heavy: bool, done: asyncio.Future[Any]) -> None:
        self._idle.append(thread)
        self._heavy_running -= heavy
        if heavy and self._trimming is None:
            self._trimming = asyncio.get_running_loop().call_later(TRIM_AFTER, self._trim)
        error = done.exception()
        if not job.future.done():
            if error is None:
                job.future.set_result(done.result())
            else:
                job.future.set_exception(error)
        elif error is None:
            self.let_go([done.result()])  # nobody waits for it any more
        self._begin()

    def _trim(self) -> None:
        self._trimming = None
        if self._idle:
            self._idle[-1].run(trim)


def _trimmer() -> Callable[[int], int] | None:
    """``malloc_trim`` of glibc (malloc_trim(3)), if that is the C library: others give memory back by themselves."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None


_malloc_trim = _trimmer()
#: Whether ``trim`` does anything here.
TRIMS = _malloc_trim is not None


def trim() -> None:
    """Give memory that is free back to the system. Others go on meanwhile."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def _calmly(work: Callable[[], T], large: bool) -> T:
    with yielding_gil(), much() if large else nullcontext():
        return work()
