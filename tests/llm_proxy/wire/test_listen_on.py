"""Where to listen, as an operator writes it."""

from __future__ import annotations

import pytest

from llm_proxy.wire.listen_on import Places, Target, needed


@pytest.mark.parametrize(
    ("text", "hosts", "paths"),
    [
        ("127.0.0.1", ("127.0.0.1",), ()),
        ("[::1], 127.0.0.1 ,", ("::1", "127.0.0.1"), ()),
        ("::", ("::",), ()),
        ("LocalHost,localhost", ("localhost",), ()),
        ("fe80::1%eth0", ("fe80::1%eth0",), ()),
        ("unix:/run/x.sock", (), ("/run/x.sock",)),
        ("unix:///run/x.sock,a.example", ("a.example",), ("/run/x.sock",)),
    ],
)
def test_places(text: str, hosts: tuple[str, ...], paths: tuple[str, ...]) -> None:
    """Hosts with and without brackets, and sockets, each once."""
    assert Places.of(text) == Places(hosts, paths)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no host"),
        (",", "names no host"),
        ("127.0.0.1:80", "has a port"),
        ("[::1]:80", "has a port"),
        ("[::1", "has a port"),
        ("http://localhost", "is a URL or a path"),
        ("/run/x.sock", "is a URL or a path"),
        ("::zz", "is no IPv6 address"),
        ("[localhost]", "is no IPv6 address"),
        ("a b", "not allowed"),
        ("a\0b", "not allowed"),
        ("unix:x.sock", "absolute path"),
        ("unix:/run/", "absolute path"),
        ("unix:/" + "x" * 107, "at most 107 bytes"),
        (",".join("abcdefghij"[n % 10] for n in range(65)), "more than 64"),
    ],
)
def test_what_is_no_place(text: str, problem: str) -> None:
    """It is told in words."""
    with pytest.raises(ValueError, match=problem):
        Places.of(text)


def test_what_others_take_in_is_not_needed() -> None:
    """All of IPv4 is in 0.0.0.0, everything is in ::, and nothing is bound twice."""
    loop, all4 = Target("a", "127.0.0.1", False), Target("b", "0.0.0.0", False)
    six, both = Target("c", "::1", True), Target("d", "::", True, both=True)

    assert needed([loop, six, loop]) == [loop, six]
    assert needed([loop, all4, six]) == [all4, six]
    assert needed([loop, all4, both, six]) == [both]
