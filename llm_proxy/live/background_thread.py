"""A thread of one's own for work that may block, or that takes long enough to be felt by the event loop.

Laws: one job at a time, in order. The thread begins with the first job, so a process may fork before. It is a
daemon: a file system that never answers must not keep the process from ending, and the threads of
``concurrent.futures`` are joined at exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

#: How long a thread may keep the interpreter from the event loop, in seconds. Python's own 5 ms are lost anew after
#: every system call of the loop: with 20 busy streams they add up to a tenth of a second.
_TURN = 0.0005
_NEVER = 1_000_000
#: After so many looks at the youngest objects those that are left are looked at once more: four times that much at most.
_SOON = 3


_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class BackgroundThread:
    """``await worker.run(function, *arguments)``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._offered: asyncio.Future[None] | None = None

    def run(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Begin ``function(*arguments)`` in the thread; the future has its result. Call on the running loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._jobs.put((loop, future, function, arguments))
        return future

    def offer(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have ``function`` run, unless the last one that was offered still runs: it should raise nothing."""
        if self._offered is None or self._offered.done():
            self._offered = self.run(function, *arguments)

    def close(self) -> None:
        """End after the jobs that are queued, without waiting for them."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, function, arguments = job
            try:
                result = function(*arguments)
            except BaseException as error:  # noqa: BLE001 (whoever awaits the future gets it)
                _tell(loop, _fail, future, error)
            else:
                _tell(loop, _succeed, future, result)
                del result  # perhaps the last reference to an old snapshot
            # What was raised has this frame in its traceback: if that had the future, a ring would keep all that the work
            # has made until the garbage collector comes by.
            del job, loop, future, function, arguments


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed while we worked
        loop.call_soon_threadsafe(function, *arguments)


def _succeed(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


class FullPasses:
    """How many reasons there are for the garbage collector to make no full pass, which holds every thread until all objects of
    the process are visited: 10 ms for each large body that is there. What is not so young is looked at in smaller parts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._thresholds = (0, 0, 0)

    def wait(self) -> None:
        """One more."""
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._thresholds = gc.get_threshold()
                gc.set_threshold(self._thresholds[0], _SOON, _NEVER)

    def go_on(self) -> None:
        """One less."""
        with self._lock:
            self._count -= 1
            if self._count == 0:
                gc.set_threshold(*self._thresholds)


#: Those of this process.
full_passes = FullPasses()


class _Yielding:
    """How many threads are at such work, and what is to be put back when the last of them is through."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._turn = 0.0

    def begin(self) -> None:
        full_passes.wait()
        with self._lock:
            self._count += 1
            if self._count == 1:
                self._turn = sys.getswitchinterval()
                sys.setswitchinterval(_TURN)

    def end(self) -> None:
        full_passes.go_on()
        with self._lock:
            self._count -= 1
            if self._count == 0:
                sys.setswitchinterval(self._turn)


_yielding = _Yielding()


@contextlib.contextmanager
def yielding_gil() -> Iterator[None]:
    """For work that computes much: other threads get the interpreter soon after they ask for it, and the garbage
    collector makes no full pass. Several threads may be at such work at once."""
    _yielding.begin()
    try:
        yield
    finally:
        _yielding.end()
