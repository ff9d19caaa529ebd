"""What one process keeps for the console, and its way to the others.

Laws: nothing here is asked for while nobody looks, but for the list to which requests are appended as they end.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from llm_proxy.console.activity import Activity
from llm_proxy.console.kept_states import KeptStates
from llm_proxy.console.sessions import Sessions

#: What a process answers to a question of another: values that JSON can hold, both ways.
Answerer = Callable[[Any], Any | Awaitable[Any]]

#: From ``perf_counter`` seconds to Unix seconds, the same for all of a process's life: a request's beginning does not move.
CLOCK = time.time() - perf_counter()


class Colleagues(Protocol):
    """The other processes of the service."""

    #: By the name of a question.
    answers: dict[str, Answerer]

    async def ask(self, name: str, given: Any = None, seconds: float = 1.0) -> list[Any]:
        """What those answer that do so in time."""


class NoColleagues:
    """There is one process."""

    def __init__(self) -> None:
        self.answers: dict[str, Answerer] = {}

    async def ask(self, name: str, given: Any = None, seconds: float = 1.0) -> list[Any]:
        """Nobody answers."""
        return []


@dataclass(slots=True)
class Console:
    """``row``: which of the processes this is; ``writes``: whether files may be written."""

    sessions: Sessions
    activity: Activity
    states: KeptStates
    row: int = 0
    writes: bool = False
    colleagues: Colleagues = field(default_factory=NoColleagues)
    #: What feeds the pages that are open; made for the first of them.
    hub: Any = None
    #: What is known of what model servers hold in memory, once somebody has looked.
    in_memory: Any = None
    #: When the last requests were looked at for what they say of upstreams (monotonic seconds), and that.
    lately: tuple[float, Any] | None = None

    async def everywhere(self, name: str, given: Any = None, seconds: float = 1.0) -> list[Any]:
        """What this process answers, and then what the others do."""
        mine = self.colleagues.answers[name](given)
        if hasattr(mine, "__await__"):
            mine = await mine
        return [mine, *await self.colleagues.ask(name, given, seconds)]
