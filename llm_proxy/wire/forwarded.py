"""Who asked a proxy, and for what, as the proxy tells it: ``X-Forwarded-*``, or ``Forwarded`` (RFC 7239).

Laws: pure. Nothing is believed but what a trusted proxy has written: the client is the right-most address that is none of
theirs (nginx: ``real_ip_recursive``), and of every other list as many items from the right count as there were trusted
hops. What cannot be read ends the way back. Where there is an ``X-Forwarded-`` field, ``Forwarded`` says nothing: a proxy
writes one kind and may let the other pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from llm_proxy.wire.host import address, host_and_port

Network = IPv4Network | IPv6Network

#: All fields that can say something.
FIELDS = frozenset(
    {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix", "forwarded"}
)
#: Items of a list that are looked at; no way is so long.
_HOPS = 32
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+){0,16}/?")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,300}")
_PAIR = re.compile(r"\s*([A-Za-z-]{1,20})=(?:\"((?:[^\"\\]|\\.){0,400})\"|([^\s;,\"]{1,400}))\s*")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for and by whom. Empty: nobody who is trusted has said so."""

    client: str
    scheme: str = ""
    host: str = ""
    prefix: str = ""


def read_network(text: str) -> str:
    """One entry of a setting: an address, or a network as ``10.0.0.0/8``. Raises ``ValueError``, in words."""
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise ValueError("is neither an address nor a network such as 10.0.0.0/8") from None


class Proxies:
    """Addresses and networks whose word is taken."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """``networks`` as ``read_network`` gives them."""
        self._networks: tuple[Network, ...] = tuple(map(ip_network, networks))

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, client: str) -> bool:
        """Whether that address (see ``host.address``) is one of them."""
        found = ip_address(client)
        return any(found in network for network in self._networks)

    def asked(self, headers: Mapping[str, str], peer: str) -> Asked:
        """Who asked ``peer``, the address at the other end of the connection; ``peer`` itself if that one is not trusted.
        ``headers``: fields by name in small letters, those of one name joined by commas."""
        client = address(peer)
        if client is None or not self.trusts(client):
            return Asked(client or peer)
        told = {name: headers[name] for name in FIELDS if name in headers}
        if set(told) == {"forwarded"}:
            told = _elements(told["forwarded"])
        way = _items(told.get("x-forwarded-for", ""))
        hops = 1
        for at, item in enumerate(reversed(way)):
            found = _client(item)
            if found is None:
                break
            client, hops = found, at + 1
            if not self.trusts(found):
                break
        proto = _own(told.get("x-forwarded-proto", ""), hops).lower()
        host = _own(told.get("x-forwarded-host", ""), hops)
        prefix = _own(told.get("x-forwarded-prefix", ""), hops)
        return Asked(
            client,
            proto if proto in ("http", "https") else "",
            host if _HOST.fullmatch(host) else "",
            prefix.rstrip("/") if len(prefix) <= 1024 and _PREFIX.fullmatch(prefix) else "",
        )


def _items(value: str) -> list[str]:
    """The last items of a list."""
    return [item.strip() for item in value.rsplit(",", _HOPS)[-_HOPS:]] if value else []


def _own(value: str, hops: int) -> str:
    """That item of a list which the outermost trusted proxy wrote, or the only one there is."""
    items = _items(value)
    return items[-min(hops, len(items))] if items else ""


def _client(item: str) -> str | None:
    """An address with or without a port; None for a name, ``unknown``, or nonsense."""
    return address(item) or address(host_and_port(item)[0])


def _elements(value: str) -> dict[str, str]:
    """``Forwarded``, written as the other fields are."""
    names = {"for": "x-forwarded-for", "proto": "x-forwarded-proto", "host": "x-forwarded-host"}
    found: dict[str, list[str]] = {}
    for element in _items(value):
        pairs = dict(_pairs(element))
        for name, other in names.items():
            if name in pairs or name == "for":
                found.setdefault(other, []).append(pairs.get(name, "unknown"))
    return {name: ",".join(items) for name, items in found.items()}


def _pairs(element: str) -> Iterator[tuple[str, str]]:
    for part in element.split(";")[:16]:
        if pair := _PAIR.fullmatch(part):
            yield pair[1].lower(), (pair[2] or pair[3] or "").replace(",", "")
