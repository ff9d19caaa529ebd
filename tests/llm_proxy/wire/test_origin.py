"""Hosts and origins: what is the same, what a setting may say, what it lets in. Pure."""

from __future__ import annotations

import pytest

from llm_proxy.wire.host import HostRule, host_and_port, read_host
from llm_proxy.wire.origin import Origin, OriginRule, read_origin

HOSTS = [
    ("localhost", "localhost", None),
    ("LocalHost.:80", "localhost", 80),
    ("good.example:", "good.example", None),
    ("127.0.0.1:8080", "127.0.0.1", 8080),
    ("[::1]:8080", "::1", 8080),
    ("[0:0:0:0:0:0:0:1]", "::1", None),
    ("::1", "::1", None),
    ("[::ffff:127.0.0.1]:1", "127.0.0.1", 1),
    ("[fe80::1%eth0]", "fe80::1", None),
    ("2130706433", "2130706433", None),
    ("", "", None),
]


@pytest.mark.parametrize(("text", "name", "port"), HOSTS)
def test_one_spelling_for_each_host(text: str, name: str, port: int | None) -> None:
    """Case, port, brackets, the dot at the end and the forms of an address make no difference."""
    assert host_and_port(text) == (name, port)


@pytest.mark.parametrize("allowed", ["good.example", "GOOD.example.", "good.example:99", "*", "*.example"])
def test_a_setting_names_hosts(allowed: str) -> None:
    """As names, with ports that say nothing, by their domain, or all."""
    rule = HostRule.of([read_host(allowed)])

    assert rule.allows("good.example")
    assert rule.allows("evil.test") == (allowed == "*")
    assert not HostRule.of(["*.example"]).allows("example")
    assert not HostRule.of(["*.good.example"]).allows("notgood.example")


@pytest.mark.parametrize(
    "wrong", ["https://good.example", "10.0.0.0/8", "a b", "*.*", "a.*", "*.10.0.0.1/x", ".x"]
)
def test_what_is_no_host(wrong: str) -> None:
    """Is told so."""
    with pytest.raises(ValueError, match=r"is (a URL|no host)"):
        read_host(wrong)


FITS = [
    ("https://app.example", "https://app.example", True),
    ("https://app.example", "https://APP.example:443", True),
    ("https://app.example:443", "https://app.example", True),
    ("https://app.example", "http://app.example", False),
    ("https://app.example", "https://app.example:8443", False),
    ("https://app.example", "https://app.example.evil.test", False),
    ("https://app.example", "https://evil.test", False),
    ("https://app.example", "null", False),
    ("https://app.example", "", False),
    ("https://app.example", "https://app.example, https://evil.test", False),
    ("https://app.example", "https://app.example/path", False),
    ("https://app.example", "https://user@app.example", False),
    ("https://*.example", "https://a.b.example", True),
    ("https://*.example", "https://example", False),
    ("https://*.example", "https://notexample", False),
    ("http://localhost:*", "http://localhost:3000", True),
    ("http://localhost:*", "http://localhost", True),
    ("http://localhost:*", "https://localhost:3000", False),
    ("http://localhost", "http://localhost:3000", False),
    ("http://[::1]:3000", "http://[0::1]:3000", True),
    ("https://*", "https://anything.test:8443", True),
    ("chrome-extension://*", "chrome-extension://abcdef", True),
    ("chrome-extension://abcdef", "chrome-extension://abcdef", True),
    ("chrome-extension://abcdef", "chrome-extension://other", False),
    ("app://obsidian.md", "app://obsidian.md", True),
    ("tauri://localhost", "tauri://localhost", True),
    ("file://", "file://", True),
    ("file://*", "file://", True),
    ("*", "https://anything.test", True),
    ("*", "null", True),
]


@pytest.mark.parametrize(("allowed", "asks", "fits"), FITS)
def test_which_origins_an_entry_means(allowed: str, asks: str, fits: bool) -> None:
    """Scheme, host and port, and nothing that only looks like them."""
    assert OriginRule.of([read_origin(allowed)]).allows(Origin.of(asks)) == fits


WRONG = {
    "app.example": "no scheme",
    "localhost:3000": "no scheme",
    "https://app.example/": "only a slash",
    "https://app.example/path": "a path",
    "https://user:p@app.example": "a path or more",
    "https://": "a host that is none",
    "https://a*.example": "a host that is none",
    "https://*.*.example": "a host that is none",
    "https://app.example:x": "a host that is none",
    "null": "a page of anybody",
    "https://app example": "no origin",
    "1http://x": "no origin",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_origin(wrong: str) -> None:
    """Says what is wrong with it."""
    with pytest.raises(ValueError, match=WRONG[wrong]):
        read_origin(wrong)
