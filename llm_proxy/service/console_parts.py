"""The console's part of a process: what it keeps, what it answers the other workers, and how it begins and ends.

Laws: nothing of it is there where the operator has switched it off. While nobody looks it costs a look at one list a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from handlers.base.charging import face_of
from handlers.base.gateway import Gateway
from handlers.base.telling import TellingHandler
from handlers.console.hub import look
from handlers.console.running import stop
from llm_proxy.console.activity import Activity
from llm_proxy.console.console import Colleagues, Console, NoColleagues
from llm_proxy.console.kept_states import KeptStates
from llm_proxy.console.sessions import Sessions
from llm_proxy.live.background_thread import BackgroundThread
from llm_proxy.service.shared_state import SharedState
from llm_proxy.service.worker_messages import WorkerMessages

#: Seconds between two looks at what has ended.
_BEAT = 1.0


class ConsoleParts:
    """``start()`` when the process serves, ``stop()`` at its end."""

    def __init__(self, gateway: Gateway, shared: SharedState | None, row: int) -> None:
        self._gateway = gateway
        self._messages: WorkerMessages | None = None
        colleagues: Colleagues = NoColleagues()
        if shared is not None and shared.mailboxes is not None:
            board = shared.board
            self._messages = WorkerMessages(shared.mailboxes, row, lambda other: board.get(other) is not None)
            colleagues = self._messages
        self._own_sessions = shared is None
        self.console = Console(
            shared.sessions if shared is not None and shared.sessions is not None else Sessions(),
            Activity(face_of),
            KeptStates(gateway.registry.current),
            row,
            gateway.settings.console_write,
            colleagues,
        )
        gateway.console, gateway.ended = self.console, self.console.activity.note
        gateway.registry.on_swap.append(self.console.states.add)
        self._thread = BackgroundThread("console")
        self._timer: asyncio.TimerHandle | None = None
        self._tell()

    def _tell(self) -> None:
        gateway, console = self._gateway, self.console
        states, activity = console.states, console.activity

        def flights(_: Any) -> dict[str, int]:
            rows = [one.upstream for one in gateway.running if isinstance(one, TellingHandler)]
            return Counter(f"{row.provider}\0{row.name}" for row in rows if row is not None)

        def recent(_: Any) -> Any:
            self._count()
            return activity.recent()

        def history(span: list[float]) -> Any:
            self._count()
            return activity.history.pieces(*span)

        def text(generation: int) -> str | None:
            found = states.find(generation)
            data = found.data if found is not None else None
            return data.decode(errors="replace") if data is not None else None

        console.colleagues.answers.update(
            {
                "look": lambda counts: look(gateway, (counts or {}).get(str(console.row))),
                "recent": recent,
                "history": history,
                "flights": flights,
                "stop": lambda name: stop(gateway, name),
                "text": text,
                "generations": lambda current: self._thread.run(states.listed, current),
                "changes": lambda pair: self._thread.run(states.changes, *pair),
            }
        )

    def start(self) -> None:
        """Call on the running loop."""
        if self._messages is not None:
            self._messages.start()
        self._beat()

    def _beat(self) -> None:
        self._count()
        self._timer = asyncio.get_running_loop().call_later(_BEAT, self._beat)

    def _count(self) -> None:
        self.console.activity.running(time.time(), len(self._gateway.running))

    async def end_pages(self) -> None:
        """Let the pages that look go elsewhere."""
        if self.console.hub is not None:
            await self.console.hub.end()

    def stop(self) -> None:
        """Nothing of it goes on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._messages is not None:
            self._messages.stop()
        self._thread.close()
        if self._own_sessions:
            self.console.sessions.release()
