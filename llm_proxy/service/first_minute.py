"""What a start does for somebody who has configured nothing: looks for model servers on this machine, runs the local model
if that was asked for, and says what was found and what to do next.

Laws: the service listens first, and none of this delays it. With a configuration of one's own nothing is looked for; the
local model, asked for by ``--local``, is served beside it. One process of the service does all this.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llm_proxy
from llm_proxy.live.config.shipped import is_shipped
from llm_proxy.live.state.registry import Registry, Snapshot
from llm_proxy.service.beside import Beside
from llm_proxy.service.discovery import cloud
from llm_proxy.service.discovery.discovery import Discovery, server_facts
from llm_proxy.service.discovery.report import Found, Next, curl, facts, table
from llm_proxy.service.discovery.rounds import providers
from llm_proxy.service.listeners import Listeners
from llm_proxy.service.local_model.packages import MODEL, find, folder
from llm_proxy.service.local_model.process import LocalModel
from llm_proxy.settings import Settings
from llm_proxy.telemetry.log import say

log = logging.getLogger(__name__)


def own_command() -> str:
    """How ``llm-proxy`` is called here: it is no command of a checkout."""
    python = Path(sys.executable)
    if python.with_name("llm-proxy").exists():
        return "llm-proxy"
    home = Path(llm_proxy.__file__).parent.parent
    try:
        here = Path.cwd()
    except OSError:  # it has been removed
        here = Path("/")
    shown = python.relative_to(here) if here != Path("/") and python.is_relative_to(here) else python
    place = "" if home == here else f"PYTHONPATH={shlex.quote(str(home))} "
    return f"{place}{shlex.quote(str(shown))} -m llm_proxy"


class FirstMinute:
    """``start()`` and ``stop()`` on the event loop."""

    def __init__(
        self, settings: Settings, env: Mapping[str, str], registry: Registry, beside: Beside
    ) -> None:
        self._settings, self._registry, self._beside = settings, registry, beside
        files = find([*sys.path, str(folder())]) if settings.local else None
        self.model = LocalModel(files) if files is not None else None
        self._local_problem = "its packages could not be fetched" if settings.local and files is None else ""
        shipped = is_shipped(registry.current.reading.data) and not registry.on_last_good
        self._keys = cloud.keys_in(env) if shipped and settings.discover is not False else ()
        ports = settings.discover if isinstance(settings.discover, tuple) else ()
        self.discovery = Discovery(ports, env) if shipped and settings.discover is not False else None
        self._cloud = cloud.rows_of(self._keys) if settings.with_cloud else {}
        self._where = Next("")
        self._task: asyncio.Task[None] | None = None

    def start(self, listeners: Listeners) -> None:
        """Begin."""
        url = str(listeners.urls(self._settings.ep_prefix)["url"])
        keys = self._registry.current.access is not None
        console = getattr(self._settings, "console", False)
        origin = url.removesuffix(self._settings.ep_prefix) if url.startswith("http") else ""
        address = f"{origin}/console" if console and origin else ""
        self._where = Next(url, address, keys, f"{own_command()} init")
        if self._settings.with_cloud and self.discovery is None:
            log.warning("with_cloud means nothing beside a configuration of your own")
        if self.model is not None:
            self.model.on_change = self._local_changed
            self.model.start()
        if self.discovery is not None or self.model is not None or self._local_problem:
            self._registry.on_swap.append(self._on_swap)
            self._task = asyncio.get_running_loop().create_task(self._begin(listeners.ports))

    def stop(self) -> None:
        """End what was begun."""
        if self._task is not None:
            self._task.cancel()
        if self.discovery is not None:
            self.discovery.stop()
        if self.model is not None:
            self.model.stop()

    def _on_swap(self, snapshot: Snapshot) -> None:
        if self.discovery is not None and not is_shipped(snapshot.reading.data):
            self.discovery.stop()
            self.discovery = None
            log.info("the configuration is yours now: model servers are not looked for any more")

    async def _begin(self, own: frozenset[int]) -> None:
        looking = self.discovery
        try:
            if looking is not None:
                await looking.first(own)
                looking.on_change = self._found_changed
                if self.discovery is not None:
                    self._found_changed(providers(looking.known))
            if self.model is not None:
                await self.model.settled.wait()
            await self._served()
            if self.discovery is looking:  # else an edit came first, and there is nothing to say
                self._tell()
        except Exception:  # the service goes on without it
            log.exception("model servers on this machine could not be looked for")
        if self.discovery is not None:
            self.discovery.go_on()

    async def _served(self) -> None:
        """Wait until what was found is served: whoever is told of a model may ask it."""
        reading = self._registry.current.reading
        if self._beside.added(reading.data) != reading.added:
            await asyncio.shield(self._registry.touch("discovery", frozenset({"config"})))

    def _found_changed(self, found: Mapping[str, Any]) -> None:
        self._beside.change(found={**self._cloud, **found}, report=facts(self._found()))

    def _local_changed(self) -> None:
        assert self.model is not None
        self._beside.change(local=self.model.providers())

    def _found(self) -> Found:
        looking, model = self.discovery, self.model
        up = model is not None and bool(model.url)
        problem = self._local_problem or (model.problem if model is not None and not up else "")
        return Found(
            known=looking.known if looking else {},
            keys=self._keys,
            with_cloud=self._settings.with_cloud,
            local=MODEL if up else "",
            local_problem=problem,
            notes=(looking.note,) if looking and looking.note else (),
        )

    def _tell(self) -> None:
        """Say what there is, and what to do next."""
        found = self._found()
        if self.discovery is not None:
            self._beside.change(report=facts(found))
        if self._settings.log_format != "json":
            say(table(found, self._where, looked=self.discovery is not None))
            return
        for one in found.servers:
            log.info("model server found", extra=server_facts(one))
        for other in facts(found)["unused"]:
            log.info("a port is not used", extra=other)
        for key in found.keys:
            used = self._settings.with_cloud and not key.reason
            log.info("a key is available", extra={"variable": key.variable, "used": used})
        if found.local_problem:
            log.warning("no local model", extra={"problem": found.local_problem})
        tried = " ".join(line.strip().removesuffix(" \\") for line in curl(found.model, self._where))
        log.info(
            "try it", extra={"model": found.model, "curl": tried, "console": self._where.console or None}
        )
