"""HTTPS_PROXY, HTTP_PROXY and NO_PROXY, as the service reads them."""

from __future__ import annotations

from llm_proxy.service.server import proxies
from llm_proxy.upstreams.proxies import Proxies
from llm_proxy.upstreams.target import split_url


def chosen(env: dict[str, str], url: str) -> str | None:
    """The proxy's host for an upstream, None if it is reached directly."""
    route = Proxies(proxies(env)).choose(split_url(url))
    return route.host if route else None


def test_the_usual_variables() -> None:
    """Either case works, each scheme has its own, NO_PROXY excepts hosts."""
    env = {"HTTPS_PROXY": "http://p1:3128", "http_proxy": "http://p2", "NO_PROXY": "internal.example"}

    assert chosen(env, "https://api.openai.com/v1") == "p1"
    assert chosen(env, "http://gpu-box:8000/v1") == "p2"
    assert chosen(env, "https://a.internal.example/v1") is None
    assert chosen({}, "https://api.openai.com/v1") is None


def test_this_machine_is_reached_directly() -> None:
    """A proxy never stands between us and a server on loopback."""
    env = {"HTTP_PROXY": "http://p"}

    assert chosen(env, "http://127.0.0.1:11434") is None
    assert chosen(env, "http://localhost:8000/v1") is None
