"""Which port the service gets: the one that was asked for or none; else the usual one, or the next that is free.

Laws: who asked for a port that is taken is told who holds it; who asked for none, and gets another one than usual, is told
loudly. The usual port, 8080, is also that of llama.cpp, LocalAI and many others.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Collection, Sequence

from llm_proxy.clients.binding import PortBusy, listen
from llm_proxy.clients.http_server import StartError
from llm_proxy.net.port_holder import holder_of
from llm_proxy.settings import PREFIX

log = logging.getLogger(__name__)

#: So many ports after the usual one are tried.
MORE = 20


def listen_on(hosts: Sequence[str], port: int, name: str) -> list[socket.socket]:
    """On that port. ``name``: the setting that asks for it. Raises ``StartError``."""
    try:
        return listen(hosts, port)
    except PortBusy as error:
        flag = "--" + name.replace("_", "-")
        raise StartError(
            f"{error} by {holder_of(port)}; {PREFIX}{name.upper()} or {flag} names another port"
        ) from error


def listen_on_usual(
    hosts: Sequence[str], port: int, others: Collection[int | None] = ()
) -> list[socket.socket]:
    """On that port or on the next that is free; ``others`` are wanted for something else. Raises ``StartError``."""
    for candidate in range(port, min(port + MORE, 65535) + 1):
        if candidate in others:
            continue
        try:
            found = listen(hosts, candidate)
        except PortBusy:
            continue
        if candidate != port:
            facts = {"port": port, "holder": str(holder_of(port)), "listening": candidate}
            log.warning("the usual port is taken, another one is used", extra=facts)
        return found
    raise StartError(f"cannot listen: the ports {port} to {port + MORE} are all taken; --port names another")
