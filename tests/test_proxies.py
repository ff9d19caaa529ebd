"""The proxy variables, and those of certificates, as the service reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.service.surroundings import proxies, warnings
from llm_proxy.settings import SettingsError
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.target import ProxyRoute, split_url

CA = str(Path(__file__).parent / "data" / "tls" / "ca.pem")


def route(env: dict[str, str], url: str) -> ProxyRoute | None:
    """The proxy for an upstream."""
    return Proxies(proxies(env)).choose(split_url(url))


def chosen(env: dict[str, str], url: str) -> str | None:
    """The proxy's host for an upstream, None if it is reached directly."""
    found = route(env, url)
    return found.host if found else None


def test_the_usual_variables() -> None:
    """Either case works, each scheme has its own, NO_PROXY excepts hosts."""
    env = {"HTTPS_PROXY": "http://p1:3128", "http_proxy": "http://p2", "NO_PROXY": "internal.example"}

    assert chosen(env, "https://api.openai.com/v1") == "p1"
    assert chosen(env, "http://gpu-box:8000/v1") == "p2"
    assert chosen(env, "https://a.internal.example/v1") is None
    assert chosen({}, "https://api.openai.com/v1") is None


def test_which_variable_wins() -> None:
    """Lower case before upper case, a scheme's own before that for all; an empty one counts as unset."""
    env = {"all_proxy": "p0", "ALL_PROXY": "p1", "HTTPS_PROXY": "p2", "https_proxy": ""}

    assert chosen(env, "http://h/") == "p0"
    assert chosen(env, "https://h/") == "p2"
    assert chosen({"ALL_PROXY": "p1"}, "https://h/") == "p1"
    assert chosen({"HTTP_PROXY": "p1"}, "http://h/") == "p1"
    assert chosen({"HTTP_PROXY": "p1", "http_proxy": "p2"}, "http://h/") == "p2"
    assert chosen({"HTTP_PROXY": "p1", "REQUEST_METHOD": "GET"}, "http://h/") is None
    assert chosen({"HTTPS_PROXY": "p1", "REQUEST_METHOD": "GET"}, "https://h/") == "p1"


def test_this_machine_is_reached_directly() -> None:
    """A proxy never stands between us and a server on loopback, or on a Unix socket."""
    env = {"HTTP_PROXY": "http://p"}

    assert chosen(env, "http://127.0.0.1:11434") is None
    assert chosen(env, "http://127.8.0.1:11434") is None
    assert chosen(env, "http://[::1]:11434") is None
    assert chosen(env, "http://localhost:8000/v1") is None
    assert chosen(env, "http+unix://%2Frun%2Fvllm.sock/v1") is None


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("p", ProxyRoute("p", 80)),
        ("p:3128", ProxyRoute("p", 3128)),
        ("http://p:3128/", ProxyRoute("p", 3128)),
        ("HTTP://us%40er:p%3Ass@p", ProxyRoute("p", 80, "Basic dXNAZXI6cDpzcw==")),
        ("https://p", ProxyRoute("p", 443, scheme="https")),
        ("https://p:3128", ProxyRoute("p", 3128, scheme="https")),
        ("socks5://p", ProxyRoute("p", 1080, scheme="socks5")),
        ("socks5h://[::1]:9050", ProxyRoute("::1", 9050, scheme="socks5h")),
        ("socks5://us%40er:p%3Ass@p:1", ProxyRoute("p", 1, scheme="socks5", login=(b"us@er", b"p:ss"))),
        (" http://p:3128 ", ProxyRoute("p", 3128)),
    ],
)
def test_what_a_proxy_may_be(url: str, found: ProxyRoute) -> None:
    """HTTP, with or without TLS, and SOCKS5, with usual ports and percent-encoded credentials."""
    assert route({"ALL_PROXY": url}, "http://h/") == found


@pytest.mark.parametrize(
    "name", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
)
@pytest.mark.parametrize(
    "url",
    [
        *(
            "socks4://p:1",
            "socks://p:1",
            "ftp://p",
            "garbage:/x",
            "://p",
            "http://",
            "http://p:99999",
            "http://p:x",
        ),
        *(
            "http://p:0",
            "http://p/path",
            "http://p?q",
            "http://[::1",
            "http://p q",
            "socks5://:x@p",
            "socks5://u@p",
        ),
        "socks5://user:" + "x" * 256 + "@p",
    ],
)
def test_what_no_proxy_may_be(name: str, url: str) -> None:
    """One sentence that names the variable and what is allowed, and shows nothing of the value."""
    before, colon, after = url.partition("://")
    secret = url if "@" in url else f"{before}{colon}me:s3cret@{after}"
    for value in (url, secret):
        with pytest.raises(SettingsError, match=name) as caught:
            proxies({name: value})
        assert "s3cret" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_warnings() -> None:
    """Entries and places that mean nothing are told, each in a sentence."""
    told = list(warnings({"no_proxy": "10.1.,good.example", "REQUESTS_CA_BUNDLE": CA}))
    assert [line.split(" ")[:2] for line in told] == [["no_proxy:", '"10.1."'], ["REQUESTS_CA_BUNDLE", "is"]]
    assert list(warnings({"SSL_CERT_FILE": CA, "SSL_CERT_DIR": "/", "REQUESTS_CA_BUNDLE": CA})) == []


@pytest.mark.parametrize("name", ["/nonexistent.pem", __file__, "/"])
def test_certificates_that_are_not_there(name: str) -> None:
    """A file that is missing, that is a directory or holds no certificate is a warning that names the variable."""
    (told,) = warnings({"SSL_CERT_FILE": name})
    assert told.startswith("SSL_CERT_FILE: the file ")
    (told,) = warnings({"SSL_CERT_FILE": CA, "SSL_CERT_DIR": "/tmp:/nonexistent"})
    assert told.startswith("SSL_CERT_DIR: ")
