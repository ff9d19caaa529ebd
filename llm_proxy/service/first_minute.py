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
    """``begin()`` and ``stop()`` on the event loop. ``looks``: whether model servers are looked for."""

    def __init__(
        self,
        settings: Settings,
        env: Mapping[str, str],
        registry: Registry,
        beside: Beside,
        *,
        looks: bool,
    ) -> None:
        self._settings, self._registry, self._beside = settings, registry, beside
        files = find([*sys.path, str(folder())]) if settings.local else None
        self.model = LocalModel(files) if files is not None else None
        self._local_problem = "its packages could not be fetched" if settings.local and files is None else ""
        self._keys = cloud.keys_in(env) if looks else ()
        ports = settings.discover if isinstance(settings.discover, tuple) else ()
        self.discovery = Discovery(ports, env) if looks else None
        self._cloud = cloud.rows_of(self._keys) if settings.with_cloud else {}
        self._where = Next("")

    async def begin(self, listeners: Listeners) -> None:
        """Look once, say what was found, and look on. Returns when what was found first is served."""
        self._where = self._next(listeners)
        self._registry.on_swap.append(self._on_swap)
        if self.model is not None:
            self.model.on_change = self._local_changed
            self.model.start()
        looking = self.discovery
        try:
            if looking is not None:
                await looking.first(listeners.ports)
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

    def _next(self, listeners: Listeners) -> Next:
        url = str(listeners.urls(self._settings.ep_prefix)["url"])
        origin = url.removesuffix(self._settings.ep_prefix) if url.startswith("http") else ""
        console = self._settings.console and origin
        keys = self._registry.current.access is not None
        return Next(url, f"{origin}/console" if console else "", keys, f"{own_command()} init")

    def stop(self) -> None:
        """End what was begun."""
        if self.discovery is not None:
            self.discovery.stop()
        if self.model is not None:
            self.model.stop()

    def _on_swap(self, snapshot: Snapshot) -> None:
        if self.discovery is not None and not is_shipped(snapshot.reading.data):
            self.discovery.stop()
            self.discovery = None
            log.info("the configuration is yours now: model servers are not looked for any more")

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
