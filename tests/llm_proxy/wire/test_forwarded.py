"""Who asked, as trusted proxies tell it. Pure."""

from __future__ import annotations

import pytest

from llm_proxy.wire.forwarded import Asked, Proxies, read_network

PROXIES = Proxies(map(read_network, ["10.0.0.0/8", "127.0.0.1", "::1", "192.168.1.5/24"]))

WAYS = [
    ("203.0.113.9", {"x-forwarded-for": "1.1.1.1"}, "203.0.113.9"),
    ("127.0.0.1", {}, "127.0.0.1"),
    ("127.0.0.1", {"x-forwarded-for": "1.1.1.1"}, "1.1.1.1"),
    ("::ffff:127.0.0.1", {"x-forwarded-for": "1.1.1.1"}, "1.1.1.1"),
    ("::1", {"x-forwarded-for": "2001:DB8::1"}, "2001:db8::1"),
    ("10.9.9.9", {"x-forwarded-for": "6.6.6.6, 1.1.1.1, 10.0.0.1,192.168.1.77"}, "1.1.1.1"),
    ("10.9.9.9", {"x-forwarded-for": "10.0.0.2, 10.0.0.1"}, "10.0.0.2"),
    ("10.9.9.9", {"x-forwarded-for": "1.1.1.1:4711"}, "1.1.1.1"),
    ("10.9.9.9", {"x-forwarded-for": "[2001:db8::1]:4711"}, "2001:db8::1"),
    ("10.9.9.9", {"x-forwarded-for": "6.6.6.6, nonsense, 10.0.0.1"}, "10.0.0.1"),
    ("10.9.9.9", {"x-forwarded-for": "6.6.6.6, unknown"}, "10.9.9.9"),
    ("10.9.9.9", {"x-forwarded-for": ""}, "10.9.9.9"),
    ("10.9.9.9", {"x-forwarded-for": "6.6.6.6,,"}, "10.9.9.9"),
    ("10.9.9.9", {"forwarded": "for=1.1.1.1"}, "1.1.1.1"),
    ("10.9.9.9", {"forwarded": 'For="[2001:db8::1]:4711";proto=https, for=10.0.0.1'}, "2001:db8::1"),
    ("10.9.9.9", {"forwarded": "for=6.6.6.6, for=_hidden"}, "10.9.9.9"),
    ("10.9.9.9", {"forwarded": "for=6.6.6.6, proto=http"}, "10.9.9.9"),
    ("10.9.9.9", {"forwarded": "for=6.6.6.6", "x-forwarded-for": "1.1.1.1"}, "1.1.1.1"),
    ("10.9.9.9", {"x-forwarded-for": "1.1.1.1," + "10.0.0.1," * 20_000 + "10.0.0.1"}, "10.0.0.1"),
    ("", {"x-forwarded-for": "1.1.1.1"}, ""),
]


@pytest.mark.parametrize(("peer", "fields", "client"), WAYS)
def test_who_the_client_is(peer: str, fields: dict[str, str], client: str) -> None:
    """The right-most address that is no trusted proxy, if the way there can be read."""
    assert PROXIES.asked(fields, peer).client == client


def test_what_was_asked_for() -> None:
    """Scheme, host and prefix are those that the outermost trusted proxy saw, and only what can be such a thing."""
    near = {"x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.example:8443"}
    far = {
        "x-forwarded-for": "6.6.6.6, 1.1.1.1, 10.0.0.1",
        "x-forwarded-proto": "gopher, https, http",
        "x-forwarded-host": "evil.test, a.example, inside",
        "x-forwarded-prefix": "/llm/",
    }
    odd = {"x-forwarded-proto": "javascript", "x-forwarded-host": "a/b", "x-forwarded-prefix": "//evil.test"}

    assert PROXIES.asked(near, "10.0.0.1") == Asked("1.1.1.1", "https", "a.example:8443")
    assert PROXIES.asked(far, "10.0.0.2") == Asked("1.1.1.1", "https", "a.example", "/llm")
    assert PROXIES.asked({"forwarded": "for=1.1.1.1;host=a.example;proto=https"}, "10.0.0.2") == Asked(
        "1.1.1.1", "https", "a.example"
    )
    assert PROXIES.asked(odd, "10.0.0.1") == Asked("10.0.0.1")
    assert PROXIES.asked(near, "203.0.113.9") == Asked("203.0.113.9")


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.0/33", "10.0.0", "*", "::1/129"])
def test_what_is_no_network(wrong: str) -> None:
    """Is told so."""
    with pytest.raises(ValueError, match="neither an address nor a network"):
        read_network(wrong)
