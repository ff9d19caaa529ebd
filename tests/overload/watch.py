"""The real program with a watch in it: ``python -m tests.overload.watch FILE`` serves, and notes in ``FILE`` every piece of work that
kept others waiting, in seconds of CPU time of the thread that did it: a machine that is busy with other things counts little.

``turn``: the event loop between two looks at its sockets, all callbacks together. ``held``: a thread that computed on while another
one asked for the interpreter, so one call that does not let go of it, seen where it ended.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from llm_proxy import rest_api

#: What is worth a line, in seconds.
LEAST = 0.004
_BEAT = 0.0005


class Watch:
    """``begin`` it in the thread of the loop."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self) -> None:
        """From now on."""
        threading.Thread(target=self._beat, daemon=True, name="watch").start()

    def note(self, kind: str, seconds: float, where: str) -> None:
        """A line, if it was long."""
        if seconds >= LEAST:
            self._out.write(json.dumps({"kind": kind, "seconds": round(seconds, 5), "where": where}) + "\n")
            self._out.flush()

    def _beat(self) -> None:
        me = threading.get_ident()
        before: dict[int, float] = {}
        while True:
            time.sleep(_BEAT)
            frames = sys._current_frames()
            spent = {}
            for thread in threading.enumerate():
                if thread.ident is not None and thread.ident != me:
                    try:
                        spent[thread.ident] = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
                    except (OSError, ValueError):
                        continue
            for ident, seconds in spent.items():
                longest = seconds - before.get(ident, seconds)
                if longest >= LEAST and ident in frames:
                    self.note("held", longest, _where(frames[ident]))
            before = spent
            del frames


def _where(frame: Any) -> str:
    """Cheap, since it holds the interpreter too."""
    found: list[str] = []
    while frame is not None and len(found) < 6:
        code = frame.f_code
        found.append(f"{code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(found)


def _name(callback: Any) -> str:
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return f"task {owner.get_coro().__qualname__}"  # type: ignore[union-attr]
    return str(getattr(callback, "__qualname__", type(callback).__name__))


class _Selector(selectors.DefaultSelector):
    """Knows when a turn of the loop begins and ends. ``handles``: what took longest in it."""

    watch: Watch
    began: float | None = None
    longest = 0.0
    what: Any = None
    count = 0

    def select(self, timeout: float | None = None) -> Any:
        if self.began is not None:
            spent = time.thread_time() - self.began
            if spent >= LEAST:
                where = f"{self.count} callbacks, {self.longest * 1000:.1f} ms in {_name(self.what)}"
                self.watch.note("turn", spent, where)
        self.longest, self.what, self.count = 0.0, None, 0
        found = super().select(timeout)
        self.began = time.thread_time()
        return found


def main() -> int:
    """See the module."""
    watch = Watch(Path(sys.argv[1]).open("a"))  # noqa: SIM115 (for the life of the process)
    selector = _Selector()
    selector.watch = watch
    run = asyncio.events.Handle._run

    def timed(self: Any) -> None:
        began, callback = time.thread_time(), self._callback
        run(self)
        seconds = time.thread_time() - began
        selector.count += 1
        if seconds > selector.longest:
            selector.longest, selector.what = seconds, callback

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selector)

    def serve(main: Any) -> None:
        watch.begin()
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(main)

    rest_api._run = serve
    return rest_api.run({})


if __name__ == "__main__":
    sys.exit(main())
