"""Who may ask at all, by the addresses that were bound and the hosts and origins that the operator named."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from llm_proxy.clients.front_door import FrontDoor
from llm_proxy.settings import Settings
from llm_proxy.wire.host import LOOPBACK, HostRule, host_name
from llm_proxy.wire.listen_on import Places


def front_door(settings: Settings, bound: Iterable[str]) -> FrontDoor:
    """Who may ask at all. Only those hosts that the operator named, if he did; else, when every address that is ``bound``
    is this machine's own, only its own names: a web page could reach us there under a name of its own (DNS rebinding)."""
    addresses = tuple(bound)
    own = {*LOOPBACK, *Places.of(settings.host).hosts, *addresses}
    listed = bool(settings.allowed_hosts)
    guarded = listed or (bool(addresses) and all(map(is_loopback, addresses)))
    hosts = HostRule.of(settings.allowed_hosts, own) if guarded else None
    return FrontDoor.of(hosts, listed, settings.allowed_origins, settings.trusted_proxies)


def is_loopback(bound: str) -> bool:
    """Whether only this machine can reach that address."""
    return ip_address(host_name(bound)).is_loopback
