"""Looks which model servers run on this machine, as long as the configuration is the one that comes with the program.

Laws: it goes on beside everything else, and nobody waits for it; ports of our own are not asked; nothing beyond this machine
is asked. Each change is handed on once, and said once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from llm_proxy.service.discovery import rounds
from llm_proxy.service.discovery.asking import Asker
from llm_proxy.service.discovery.kinds import OLLAMA, PORTS
from llm_proxy.service.discovery.rounds import Known
from llm_proxy.wire.host import LOOPBACK

log = logging.getLogger(__name__)

#: Seconds between two rounds.
EVERY = 10.0


class Discovery:
    """``first()`` once, then ``go_on()``; ``stop()`` at any time. ``ports``: those to ask; none: the known ones. ``env``: for
    ``OLLAMA_HOST``, which may name another."""

    def __init__(self, ports: Collection[int], env: Mapping[str, str]) -> None:
        more, self.note = ollama_port(env.get("OLLAMA_HOST", ""))
        self._ports = tuple(ports) or tuple(dict.fromkeys((*more, *PORTS)))
        if ports:
            self.note = ""
        self.known: dict[int, Known] = {}
        self.on_change: Callable[[Mapping[str, Any]], None] = lambda providers: None
        self._asker: Asker | None = None
        self._going: asyncio.Task[None] | None = None

    async def first(self, own: Collection[int]) -> None:
        """The first round. ``own``: the ports on which we listen ourselves."""
        self._ports = tuple(port for port in self._ports if port not in own)
        self._asker = Asker()
        await self._round()

    def go_on(self) -> None:
        """A round every so often."""
        self._going = asyncio.get_running_loop().create_task(self._keep_looking())

    def stop(self) -> None:
        """Ask nobody any more."""
        if self._going is not None:
            self._going.cancel()
        if self._asker is not None:
            self._asker.close()
            self._asker = None

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            before = self.known
            try:
                await self._round()
            except Exception:  # the next round may be better
                log.exception("model servers on this machine could not be looked for")
                continue
            self._tell(before)

    async def _round(self) -> None:
        asker = self._asker
        if asker is None:
            return
        before = rounds.providers(self.known)
        seen = await asker.ask_all(rounds.due(self.known, self._ports), self.known)
        self.known = rounds.after(self.known, seen)
        providers = rounds.providers(self.known)
        if providers != before:
            self.on_change(providers)

    def _tell(self, before: Mapping[int, Known]) -> None:
        """Log which servers are new, and which are gone."""
        for port, one in self.known.items():
            old = before.get(port)
            was, now = old is not None and bool(old.name), bool(one.name)
            if now and not was:
                log.info("model server found", extra=server_facts(one))
            elif was and not now and old is not None:
                log.info("model server gone", extra=server_facts(old))


def server_facts(one: Known) -> dict[str, Any]:
    """A server, for the log."""
    kind = one.at.kind
    facts = {"provider": one.name, "server": kind.title if kind else None, "address": one.at.address}
    return {**facts, "models": list(one.at.models)}


def ollama_port(host: str) -> tuple[tuple[int, ...], str]:
    """The port that ``OLLAMA_HOST`` names on this machine, in Ollama's own form (``envconfig``: scheme, host and port are
    optional; ``0.0.0.0`` is everywhere), and what is to be said of one that is elsewhere."""
    text = host.strip().strip("\"'").partition("://")[2] or host.strip().strip("\"'")
    text = text.partition("/")[0]
    name, colon, number = text.rpartition(":")
    if not colon or "]" in number:
        name, number = text, ""
    port = OLLAMA.ports[0]
    with contextlib.suppress(ValueError):
        port = int(number) if number else port
    if not text:
        return (), ""
    if name.strip("[]") not in ("", "0.0.0.0", "::", *LOOPBACK, *(n.strip("[]") for n in LOOPBACK)):  # noqa: S104
        return (), "OLLAMA_HOST names another machine, which is not asked: put it into models-config.json"
    return ((port,) if 0 < port < 65536 else ()), ""
