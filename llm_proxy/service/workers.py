"""The parent of the worker processes: it forks them, restarts them, passes signals on, and serves nothing itself.

Laws: the parent has one thread and no event loop, now and always, so that a worker can be forked again at any time.
Its signals are held back and taken one by one, so that none is lost and none arrives in the middle of a fork. Workers
that die at once are restarted ever more slowly; one that hangs is killed and replaced (``liveness``). When a new version of
the program serves in our place (``upgrade``), workers end when nobody is left who asks them, and nobody follows them.
What a worker does is not known here.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llm_proxy.service.liveness import Liveness
from llm_proxy.service.manager_reports import ParentReports
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.service.signal_wait import ALARM, next_signal
from llm_proxy.service.signals import SIGNALS
from llm_proxy.service.systemd import Manager
from llm_proxy.service.upgrade import Upgrade

log = logging.getLogger(__name__)

#: A worker that lived for less, in seconds, died at once; so many such deaths in a row are forgiven.
_YOUNG, _FORGIVEN = 10.0, 2
#: The first and the longest pause before a restart after more deaths than that, in seconds.
_PAUSE, _LONGEST = 0.5, 30.0
#: How often the scoreboard is looked at while a worker is coming up, and when all serve, in seconds.
_LOOK, _WATCH = 0.02, 1.0
#: A worker that drains has this much longer than the drain limit, then it is killed; after "at once" just this.
_GRACE, _AT_ONCE = 5.0, 1.0


def restart_delay(deaths: int) -> float:
    """How long to wait before the next restart, in seconds, after so many early deaths in a row."""
    return 0.0 if deaths <= _FORGIVEN else min(_LONGEST, _PAUSE * 2.0 ** (deaths - _FORGIVEN - 1))


@dataclass(slots=True)
class _Place:
    """One worker of the service and its successors. ``pid`` is 0 between two of them."""

    row: int
    pid: int = 0
    begun: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0
    liveness: Liveness = field(default_factory=Liveness)


class Supervisor:
    """``serve(row)`` is what a worker does until its end; it returns the exit status and is called in the worker.

    ``on_up`` is called once, when all workers serve. ``drain``: how long workers may take to end, in seconds, after
    ``lame_duck`` seconds in which they go on.
    ``on_stop`` is called when the service begins to stop, or another has taken its place. ``reports`` are for whoever
    manages the service. ``upgrade`` starts a new version.
    """

    def __init__(
        self,
        board: Scoreboard,
        serve: Callable[[int], int],
        drain: float,
        on_up: Callable[[], None],
        on_stop: Callable[[], None],
        lame_duck: float = 0.0,
        reports: ParentReports | None = None,
        upgrade: Upgrade | None = None,
    ) -> None:
        self._upgrade = upgrade
        self._reports = reports or ParentReports(Manager(), board)
        self._board = board
        self._serve = serve
        self._drain, self._lame_duck = drain, lame_duck
        self._on_up = on_up
        self._on_stop = on_stop
        #: Called with the row of a worker that has ended, however it did.
        self.on_end: Callable[[int], None] = lambda row: None
        self._places = [_Place(row) for row in range(board.rows)]
        self._up = False
        self._stops = 0
        #: Whether another program serves in our place.
        self._replaced = False
        self._kill_at = float("inf")

    def run(self) -> int:
        """Until told to stop. Returns the exit status: 0, or 1 if a worker had to be killed."""
        signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, ALARM))
        killed = False
        while not (self._ending and not any(place.pid for place in self._places)):
            settled = False
            if not self._ending:
                self._fork_due()
                settled = self._look()
                self._look_at_successor()
            if not self._stops:
                self._kill_hung()
            self._reports.turn((place.row, place.begun) for place in self._places if place.pid)
            got = next_signal(SIGNALS, min(self._poll_interval(settled), self._reports.pause))
            if got is not None:
                self._on_signal(got)
            self._reap()
            if time.monotonic() >= self._kill_at:
                killed |= self._stops == 1
                self._send(signal.SIGKILL)
                self._kill_at = time.monotonic() + _AT_ONCE
        if killed:
            log.error("workers did not end and were killed")
        log.info("stopped")
        return int(killed)

    @property
    def _ending(self) -> bool:
        """Whether nobody follows a worker that ends."""
        return self._replaced or self._stops > 0

    def _poll_interval(self, settled: bool) -> float:
        """How long there is nothing to do unless a signal comes, in seconds; ``settled``: all workers serve."""
        now = time.monotonic()
        if self._ending:
            return min(max(0.0, self._kill_at - now), 1.0)
        settled &= not (self._upgrade and self._upgrade.running)
        dues = [place.restart_at - now for place in self._places if not place.pid]
        return max(0.0, min([*dues, _WATCH if settled else _LOOK]))

    def _all_serve(self) -> bool:
        found = [self._board.get(place.row) for place in self._places]
        return all(facts is not None and not facts.draining for facts in found)

    def _look(self) -> bool:
        """Whether all workers serve; then do what waits for that."""
        if not self._all_serve():
            return False
        if not self._up:
            self._up = True
            self._on_up()
            self._reports.up()
        return True

    def _look_at_successor(self) -> None:
        """If it serves, end when nobody asks us any more."""
        if self._upgrade is None or not self._upgrade.look():
            return
        self._replaced = True
        self._reports.handed_over()
        self._board.replace()
        self._on_stop()
        self._send(signal.SIGTERM)

    def _kill_hung(self) -> None:
        """End workers whose event loops do not turn any more; ``_reap`` finds them dead, and others follow."""
        now = time.monotonic()
        for place in self._places:
            report = self._board.get(place.row)
            if place.pid and place.liveness.look(now, report.beat if report else None):
                log.error(
                    "worker hangs and is killed",
                    extra={"pid": place.pid, "silent": round(place.liveness.silent, 1)},
                )
                os.kill(place.pid, signal.SIGKILL)
                place.liveness = Liveness()

    def _on_signal(self, number: signal.Signals) -> None:
        match number:
            case signal.SIGTERM | signal.SIGINT:
                self._stop()
            case signal.SIGQUIT:
                self._stops = max(self._stops, 1)
                self._stop()
            case signal.SIGHUP:
                self._reports.reread()
                self._send(signal.SIGHUP)
            case signal.SIGUSR2:
                if self._upgrade is not None and not self._ending:
                    self._upgrade.begin(self._newest())

    def _newest(self) -> tuple[int, str]:
        """Number and hash of the configuration that runs, by the workers' word."""
        return max(((facts.generation, facts.hash) for facts in self._board.read()), default=(0, ""))

    def _stop(self) -> None:
        """The first time: drain. The second: at once. Then: kill."""
        self._stops += 1
        if self._upgrade is not None:
            self._upgrade.cancel()
        now = time.monotonic()
        self._reports.stopping()
        if self._stops == 1:
            workers = self._board.read()
            running = sum(facts.running for facts in workers)
            limits = {"drain_seconds": self._drain, "lame_duck_seconds": self._lame_duck}
            log.info("stopping", extra={"workers": len(workers), "running": running, **limits})
            self._board.stop()
            self._on_stop()
            self._send(signal.SIGTERM)
            self._kill_at = now + self._lame_duck + self._drain + _GRACE
        elif self._stops == 2:
            self._board.stop()
            self._on_stop()
            self._send(signal.SIGQUIT)
            self._kill_at = now + _AT_ONCE
        else:
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid:
                os.kill(place.pid, number)  # it is there: nobody but us reaps it

    def _fork_due(self) -> None:
        for place in self._places:
            if not place.pid and place.restart_at <= time.monotonic():
                self._fork(place)

    def _fork(self, place: _Place) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        place.begun = time.monotonic()
        place.liveness = Liveness()
        try:
            pid = os.fork()
        except OSError as error:
            self._log_death(place, f"cannot fork: {error.strerror}")
            return
        if pid == 0:
            status = 1
            try:
                status = self._serve(place.row)
            finally:
                os._exit(status)  # whatever happened: this is no parent, and must not go on as one
        place.pid = pid
        if self._up:
            log.info("worker started", extra={"pid": pid})

    def _reap(self) -> None:
        """Take note of every child that has ended; as process 1 of a container there are also others' children."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._upgrade is not None:
                self._upgrade.ended(pid, code)
            for place in self._places:
                if place.pid == pid:
                    self._worker_ended(place, code)

    def _worker_ended(self, place: _Place, code: int) -> None:
        self._board.clear(place.row)
        self.on_end(place.row)
        pid, place.pid, place.restart_at = place.pid, 0, 0.0
        if self._ending:
            return
        if code == 0:  # it was told to end, and drained
            place.deaths = 0
            log.info("worker ended", extra={"pid": pid})
            return
        how = f"exit status {code}" if code > 0 else f"signal {-code} ({signal.strsignal(-code)})"
        self._log_death(place, how, pid)

    def _log_death(self, place: _Place, how: str, pid: int | None = None) -> None:
        """A worker has died: say so, and see when the next may come."""
        lived = time.monotonic() - place.begun
        place.deaths = place.deaths + 1 if lived < _YOUNG else 1
        pause = restart_delay(place.deaths)
        place.restart_at = time.monotonic() + pause
        facts = {"pid": pid, "problem": how, "lived": round(lived, 3), "restart_in": pause}
        log.error("worker died", extra=facts)
