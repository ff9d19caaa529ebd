"""Who looks for model servers on this machine, and runs the local model, if somebody does: of the workers the first.

Laws: nobody looks where the operator has configured something. What was found is a generation of its own, and each worker has
it from the first. One that takes another program's place serves what that one has found from its first request on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from llm_proxy.live.config.shipped import is_shipped
from llm_proxy.live.state.registry import Registry
from llm_proxy.service.beside import Beside
from llm_proxy.service.listeners import Listeners
from llm_proxy.settings import Settings

if TYPE_CHECKING:
    from llm_proxy.service.first_minute import FirstMinute

log = logging.getLogger(__name__)

#: How long a worker of a program that takes another's place waits for what the first one finds on this machine, in seconds.
_FIRST_LOOK = 5.0


class Looking:
    """``beside``: where the first worker puts what it found, and the others read it."""

    def __init__(
        self, settings: Settings, env: Mapping[str, str], registry: Registry, beside: Beside, row: int
    ) -> None:
        self._settings, self._env, self._registry, self._beside, self._row = (
            settings,
            env,
            registry,
            beside,
            row,
        )
        #: Who looks, if somebody does.
        self.first_minute: FirstMinute | None = None
        self._task: asyncio.Task[None] | None = None
        beside.on_change = self._serve_what_is_found
        registry.on_swap.append(beside.swapped)

    async def first(self, listeners: Listeners) -> None:
        """Before a program that takes another's place accepts."""
        if self._row == 0:
            await self._begin(listeners)
        elif self._looks() or self._settings.local:
            await self._beside.heard(_FIRST_LOOK)
            await asyncio.shield(self._registry.touch("discovery", frozenset({"config"})))

    def start(self, listeners: Listeners) -> None:
        """Unless that has been done."""
        if self._row:
            self._beside.follow()
        elif self._task is None:
            self._begin(listeners)

    def stop(self) -> None:
        """The local model ends too."""
        self._beside.stop()
        if self._task is not None:
            self._task.cancel()
        if self.first_minute is not None:
            self.first_minute.stop()

    def _begin(self, listeners: Listeners) -> asyncio.Task[None]:
        """The task ends when what was found first is served."""
        self._task = asyncio.get_running_loop().create_task(self._look(listeners))
        return self._task

    def _looks(self) -> bool:
        """Whether model servers are looked for."""
        if self._settings.discover is False or self._registry.on_last_good:
            return False
        return is_shipped(self._registry.current.reading.data)

    async def _look(self, listeners: Listeners) -> None:
        looks = self._looks()
        if self._settings.with_cloud and not looks:
            log.warning("with_cloud means nothing beside a configuration of your own")
        if looks or self._settings.local:
            from llm_proxy.service.first_minute import FirstMinute  # few starts need it

            self.first_minute = FirstMinute(
                self._settings, self._env, self._registry, self._beside, looks=looks
            )
            await self.first_minute.begin(listeners)

    def _serve_what_is_found(self) -> None:
        """Something else is to be served beside the file."""
        self._registry.touch("discovery", frozenset({"config"}))
