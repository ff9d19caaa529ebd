"""``no_proxy``: which hosts are reached without a proxy, as curl and Go read it.

An entry is ``*`` (all), a name (``x``, ``.x`` and ``*.x`` mean x and all below it), an address, or a network
(``10.0.0.0/8``, ``fd00::/8``); a name or an address may have a port. Entries are separated by commas or white space
and compared without case; IPv6 may stand in brackets, a dot at the end of a name means nothing. Names are not looked up: a
network is about hosts that are written as addresses (golang.org/x/net/http/httpproxy, curl's manual under NO_PROXY).

Laws: pure; what is not understood is kept, so that it can be told; looking a host up costs its labels and the number
of networks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network

_NAME = re.compile(
    r"(?=.*[a-z_])[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII
)
_PORT = re.compile(r"(.*?):([0-9]{1,5})", re.DOTALL)
#: Characters of a strange entry that are worth showing.
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Exceptions:
    """``hosts`` maps a name or an address to its ports (0: any). ``unknown`` are the entries that mean nothing."""

    everything: bool
    hosts: dict[str, frozenset[int]]
    networks: tuple[_Network, ...]
    unknown: tuple[str, ...]

    def cover(self, host: str, port: int) -> bool:
        """Whether ``host`` (without brackets) is reached directly."""
        if self.everything:
            return True
        address = _as_address(host)
        if address is not None:
            return self._has(str(address), port) or any(address in network for network in self.networks)
        labels = host.lower().rstrip(".").split(".")
        return any(self._has(".".join(labels[i:]), port) for i in range(len(labels)))

    def _has(self, host: str, port: int) -> bool:
        ports = self.hosts.get(host)
        return ports is not None and (0 in ports or port in ports)


def parse(text: str) -> Exceptions:
    """The meaning of a variable's value."""
    everything = False
    hosts: dict[str, frozenset[int]] = {}
    networks: list[_Network] = []
    unknown: list[str] = []
    for entry in re.split(r"[,\s]+", text):
        if not entry:
            continue
        if entry == "*":
            everything = True
        elif (network := _as_network(entry)) is not None:
            networks.append(network)
        elif (host := _as_host(entry.lower())) is not None:
            hosts[host[0]] = hosts.get(host[0], frozenset()) | {host[1]}
        else:
            unknown.append(_harmless(entry))
    return Exceptions(everything, hosts, tuple(networks), tuple(unknown))


def _as_network(entry: str) -> _Network | None:
    address, slash, length = entry.partition("/")
    if not slash or not length.isascii() or not length.isdigit():
        return None
    try:
        return ip_network(f"{address.removeprefix('[').removesuffix(']')}/{length}", strict=False)
    except ValueError:
        return None


def _as_host(entry: str) -> tuple[str, int] | None:
    """Name or address in the form in which they are compared, and the port (0: any)."""
    host, port = entry, 0
    if _as_address(entry) is None and (found := _PORT.fullmatch(entry)) is not None:
        host, port = found[1], int(found[2])
        if not 1 <= port <= 65535:
            return None
    if (address := _as_address(host)) is not None:
        return str(address), port
    name = host.removeprefix("*.").removeprefix(".").removesuffix(".")
    return (name, port) if _NAME.fullmatch(name) else None


def _as_address(text: str) -> _Address | None:
    """An address, with or without brackets; IPv4 written as IPv6 is IPv4; an interface (``%eth0``) says nothing here."""
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _harmless(entry: str) -> str:
    """A strange entry as it may be shown: what stands before an ``@`` may be a password."""
    return entry.rpartition("@")[2][:_SHOWN]
