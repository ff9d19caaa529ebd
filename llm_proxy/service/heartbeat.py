"""Says to the other processes of the service how this one is: at each change of its configuration, and once a second.

Laws: one row of the scoreboard is ours, and nobody else writes it. Everything here is called on the event loop.
"""

from __future__ import annotations

import asyncio
import os
import time

from handlers.base.gateway import Gateway
from llm_proxy.service.scoreboard import Scoreboard
from llm_proxy.telemetry.process_report import ProcessReport

#: Seconds between two heartbeats.
_BEAT = 1.0


class Heartbeat:
    """``start()`` when the process serves, ``stop()`` at its end."""

    def __init__(self, gateway: Gateway, board: Scoreboard, row: int) -> None:
        self._gateway = gateway
        self._board = board
        self._row = row
        self._leaving = False
        self._timer: asyncio.TimerHandle | None = None
        registry = gateway.registry
        registry.on_swap.append(lambda _: self._publish())
        registry.on_notice.append(lambda _: self._publish())
        registry.on_verdict.append(self._publish)

    def start(self) -> None:
        """Begin to beat."""
        self._publish()
        self._timer = asyncio.get_running_loop().call_later(_BEAT, self.start)

    @property
    def order(self) -> int:
        """The number of the last order to read the files again."""
        return self._board.order

    def obeyed(self, order: int) -> None:
        """Say that it was done."""
        self._board.obey(self._row, order)

    def leave(self) -> None:
        """Say that this process takes no new connections any more."""
        self._leaving = True
        self._publish()

    def stop(self) -> None:
        """Beat no more. The row is cleared by whoever notices that the process has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def reports(self) -> list[ProcessReport]:
        """All processes of the service, this one as it is now."""
        self._publish()
        return self._board.read()

    def _publish(self) -> None:
        registry = self._gateway.registry
        snapshot = registry.current
        facts = ProcessReport(
            pid=os.getpid(),
            hash=snapshot.hash,
            generation=snapshot.generation,
            loaded_at=snapshot.loaded_at,
            state=registry.outcome.state,
            running=len(self._gateway.running),
            draining=self._leaving,
            beat=time.monotonic(),
        )
        self._board.publish(self._row, facts)
