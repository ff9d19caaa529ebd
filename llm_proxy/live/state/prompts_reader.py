"""The prompt directory, read beside everything else: who wants to know waits for a moment, and is told later what took longer.

Laws: one look at a time, each in a daemon thread, since a file system may never answer; nothing is lost: who asks while a
look runs is told the result of one that began after that. A look that nobody waits for is made until two in a row are
equal, as those of a small directory are that are judged. A look that does not end is given up after ten minutes, a few
times: another may find a file system that answers. What to read, and what it means, is not known here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from llm_proxy.live.background_thread import yielding_gil
from llm_proxy.live.prompts.library import PromptSet, rebased

#: The directory as a set, and its digest. The function is given the set that serves.
Loaded = tuple[PromptSet, str]
Load = Callable[[PromptSet | None], Loaded]

#: How long after its beginning a look may be waited for once somebody is in a hurry, in seconds.
_HURRY = 0.03
#: A look that nobody waits for is repeated at most so often.
_TRIES = 3
#: After so many seconds another look is tried; so many may hang at once.
_GIVE_UP, _MAX_HUNG = 600.0, 3


@dataclass(frozen=True, slots=True)
class _Result:
    base: PromptSet | None
    found: Loaded | Exception


class PromptsReader:
    """``read`` in a worker thread, the rest anywhere. ``on_late`` is called, in a thread, when there is something that
    somebody did not wait for: ``read`` has it then."""

    def __init__(self, on_late: Callable[[], None] = lambda: None) -> None:
        self.on_late = on_late
        self._changed = threading.Condition()
        #: The look that counts; those with other numbers were given up.
        self._number = 0
        self._hung = 0
        self._busy = self._again = self._alone = self._hurried = False
        self._ready: _Result | None = None
        self._began = 0.0
        #: What the last look took, in CPU time and by the clock.
        self.cost = self.seconds = 0.0

    @property
    def pending(self) -> bool:
        """Whether a look runs, or has ended and was not asked for its result."""
        return self._busy or self._ready is not None

    def running_for(self) -> float:
        """Seconds since the look began that runs; 0 if none does."""
        return time.monotonic() - self._began if self._busy else 0.0

    def hurry(self) -> None:
        """Something else is to be done: whoever waits shall go on without the prompts."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def read(
        self, load: Load, served: PromptSet | None, patience: float, *, fresh: bool = True
    ) -> Loaded | None:
        """The directory now. None if that takes longer than ``patience`` seconds from the beginning of the look that
        runs: ``on_late`` will be called. Without ``fresh``, what it was called for. Raises what ``load`` raises."""
        with self._changed:
            self._hurried = False
            if self._ready is not None:
                self._again |= fresh
            else:
                if not self._busy or self._gives_up():
                    self._begin(load, served)
                else:
                    # Whoever only comes for what was late asks for nothing new: looks would follow each other without end.
                    self._again |= fresh
                    self._alone = False
                self._wait(patience)
            ready, self._ready = self._ready, None
            if ready is None:
                self._alone = True
            elif self._again:
                self._begin(load, served)
                self._alone = True
        if ready is None:
            return None
        if isinstance(ready.found, Exception):
            raise ready.found
        prompts, digest = ready.found
        if ready.base is not None and served is not None:
            prompts = rebased(prompts, ready.base, served)
        return prompts, digest

    def _wait(self, patience: float) -> None:
        while self._busy:
            limit = min(patience, _HURRY) if self._hurried else patience
            rest = self._began + limit - time.monotonic()
            if rest <= 0:
                return
            self._changed.wait(rest)

    def _gives_up(self) -> bool:
        if self.running_for() < _GIVE_UP or self._hung >= _MAX_HUNG:
            return False
        self._hung += 1
        return True

    def _begin(self, load: Load, served: PromptSet | None) -> None:
        self._number += 1
        self._busy, self._again, self._alone, self._began = True, False, False, time.monotonic()
        arguments = (self._number, load, served)
        threading.Thread(target=self._work, args=arguments, name="prompts-reader", daemon=True).start()

    def _work(self, number: int, load: Load, served: PromptSet | None) -> None:
        result = _Result(served, self._looked(load, served))
        for _ in range(_TRIES - 1):
            if not self._alone or isinstance(result.found, Exception):
                break
            before = result.found[1]
            result = _Result(served, self._looked(load, served))
            if not isinstance(result.found, Exception) and result.found[1] == before:
                break
        with self._changed:
            if number != self._number:
                self._hung -= 1
                return
            self._busy, self._ready = False, result
            late = self._alone
            self._changed.notify_all()
        if late:
            self.on_late()

    def _looked(self, load: Load, served: PromptSet | None) -> Loaded | Exception:
        began, begun = time.monotonic(), time.thread_time()
        try:
            with yielding_gil():
                found: Loaded | Exception = load(served)
        except Exception as error:  # noqa: BLE001 (whoever reads gets it)
            found = error
        self.seconds, self.cost = time.monotonic() - began, time.thread_time() - begun
        return found
