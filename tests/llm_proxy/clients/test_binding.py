"""Addresses and paths made into listening sockets."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from llm_proxy.clients.binding import listen, listen_unix, name_of, url_of
from llm_proxy.clients.http_server import StartError


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on loopback")


@needs_ipv6
@pytest.mark.parametrize(("hosts", "count"), [(["::"], 1), (["localhost"], 2), (["::1", "127.0.0.1"], 2)])
def test_both_families_on_one_port(hosts: list[str], count: int) -> None:
    """Clients of IPv4 and of IPv6 are accepted, on the one port that was picked."""
    sockets = listen(hosts, 0)
    port = sockets[0].getsockname()[1]
    for address in ("127.0.0.1", "::1"):
        socket.create_connection((address, port), 5).close()

    assert {found.getsockname()[1] for found in sockets} == {port}
    assert len(sockets) == count
    for found in sockets:
        found.close()


def test_all_or_none() -> None:
    """If one address cannot be had, the sentence names it, and none stays taken."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    with pytest.raises(StartError, match=r"^cannot listen on 192\.0\.2\.1:\d+: "):
        listen(["127.0.0.1", "192.0.2.1"], port)

    again = listen(["127.0.0.1"], port)
    with pytest.raises(StartError, match="already in use"):
        listen(["127.0.0.1"], port)

    assert url_of(again, "/api", secure=True) == f"https://127.0.0.1:{port}/api"
    again[0].close()


def test_a_socket_file(tmp_path: Path) -> None:
    """It has its mode; one that somebody serves is left alone, one that a dead process has left is made over; it is
    removed unless it is another's by now."""
    path = str(tmp_path / "s")
    first, file = listen_unix(path, 0o600)

    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert name_of(first) == url_of([first], "/api", secure=True) == f"unix:{path}"
    with pytest.raises(StartError, match="somebody listens there"):
        listen_unix(path, 0o600)

    first.close()
    second, newer = listen_unix(path, 0o666)
    if (newer.device, newer.inode) != (file.device, file.inode):
        file.remove()
    assert os.path.exists(path)
    newer.remove()
    newer.remove()
    assert not os.path.exists(path)
    second.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """What else has that name stays, and the sentence says why."""
    path = tmp_path / "s"
    path.write_text("mine")
    with pytest.raises(StartError, match="a file that is no socket"):
        listen_unix(str(path), 0o600)
    with pytest.raises(StartError, match="No such file"):
        listen_unix(str(tmp_path / "nowhere" / "s"), 0o600)

    assert path.read_text() == "mine"
