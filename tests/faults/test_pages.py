"""S17, S19: what a web page of somebody else can do here (nothing), and what one that the operator has named can."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.settings import Settings, SettingsError
from tests.handlers.kit import COMPLETION, WHOLE, access_lines, gateway
from tests.support.client import Answer, Connection, request
from tests.support.peer import Peer
from tests.support.scripts import answer_json

PATHS = [
    "/",
    "/docs",
    "/openapi.json",
    "/health",
    "/healthz",
    "/api/ping",
    "/api/status",
    "/api/chat",
    "/api/passthrough",
    "/api/passthrough/peer/x",
    "/v1/chat/completions",
    "/v1/models",
    "/v1/responses",
    "/v1/files",
    "/v1/messages",
    "/anthropic/v1/messages",
    "/ollama",
    "/ollama/api/chat",
    "/ollama/api/delete",
    "/ollama/nothing",
    "/v1beta/models/m:generateContent",
    "/gemini/v1beta/nothing",
    "/nothing",
    "//v1//models/",
]
OLLAMAS = ["/", "/api/chat", "/api/tags", "/v1/chat/completions", "/health", "/nothing"]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]

STRANGERS: dict[str, dict[str, str]] = {
    "cross-site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    "same-site": {"Sec-Fetch-Site": "same-site"},
    "a site of tomorrow": {"Sec-Fetch-Site": "other"},
    "a form": {"Origin": "null", "Content-Type": "text/plain", "Sec-Fetch-Mode": "navigate"},
    "fetch": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "an old browser": {"Origin": "https://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "another name": {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
    "two": {"Origin": "http://127.0.0.1, https://evil.example"},
    "a frame": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    "an extension": {"Origin": "chrome-extension://abcdef"},
    "a file": {"Origin": "file://"},
    "the wrong scheme": {"Origin": "ftp://127.0.0.1"},
    "nothing": {"Origin": ""},
}


async def ollama_url(proxy: Any) -> str:
    """Ollama's own port."""
    return str(proxy.service.gateway.ollama_url)


@pytest.mark.parametrize("who", STRANGERS)
async def test_s17_no_page_of_a_stranger_acts(who: str, tmp_path: Path) -> None:
    """A request that says it comes from a foreign page is 403 in the dialect of its path, whatever the path, the method
    and the port; no upstream is asked, and no page is told that it may read this."""
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url, ollama_port=0) as proxy:
        places = [(proxy.origin, path) for path in PATHS] + [
            (await ollama_url(proxy), path) for path in OLLAMAS
        ]
        for url, path in places:
            async with Connection(url) as client:
                for method in METHODS:
                    await client.send(method, path, headers=raw(STRANGERS[who]))
                    got = await client.rest(await client.head(), method)
                    assert got.status == 403, (method, url, path)
                    assert not [name for name in got.headers if name.startswith("access-control")]
                    assert method == "HEAD" or "origin" in str(got.json()["error"]).lower()
                    assert path != "/v1/messages" or method == "HEAD" or got.json()["type"] == "error"
        assert peer.connections == 0


def raw(headers: Mapping[str, str]) -> dict[str, str]:
    """The test client leaves out what is empty."""
    return {name: value or " " for name, value in headers.items()}


async def test_s17_before_the_body(tmp_path: Path) -> None:
    """The head condemns it: 403 before a byte of the body, and no 100."""
    head = (
        "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nContent-Length: 1000\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy, Connection(proxy.url) as client:
        client.writer.write(head.encode())
        got = await client.rest(await client.head())

    assert (got.status, got.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert "LLM_PROXY_API_ALLOWED_ORIGINS" in got.json()["error"]["message"]


def own(url: str) -> list[dict[str, str]]:
    """What our own pages, typed addresses and programs send."""
    return [
        {},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Origin": url, "Sec-Fetch-Site": "same-origin"},
        {"Origin": url},
        {"Origin": url.replace("127.0.0.1", "localhost")},
        {"Origin": url.upper().replace("HTTP", "http")},
        {"Origin": "https://llm.example", "Host": "llm.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "app://obsidian.md", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "tauri://localhost"},
        {"Origin": "vscode-webview://0b5c", "Sec-Fetch-Site": "cross-site"},
    ]


async def test_s17_our_own_pages_act(tmp_path: Path) -> None:
    """What comes from the place that was asked, from nobody's page, or from a program with pages of its own, is served."""
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url, allowed_hosts="llm.example") as proxy,
    ):
        got = [await proxy.request("POST", "/chat", WHOLE, headers=headers) for headers in own(proxy.origin)]

    assert [answer.status for answer in got] == [200] * len(got)


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/api/docs", "/openapi.json", "/api/ping", "/api/passthrough/peer/x"]
)
async def test_s17_a_link_to_a_page(path: str, tmp_path: Path) -> None:
    """From anywhere leads to pages that do nothing but tell, as a page of its own; to nothing else."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with Peer(answer_json(COMPLETION)) as peer, gateway(tmp_path, peer.url) as proxy:
        got = await request(proxy.origin, "GET", path, headers=link)
        form = await request(proxy.origin, "POST", path, b"", headers=link)
        assert peer.connections == 0

    told = path.endswith(("docs", "json")) or path == "/"
    assert (got.status, form.status) == (200 if told else 403, 403)


PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
    "Access-Control-Request-Private-Network": "true",
    "Sec-Fetch-Site": "cross-site",
}


def words(value: str) -> set[str]:
    """The items of a list."""
    return {item.strip().lower() for item in value.split(",")}


@pytest.mark.parametrize("path", PATHS)
async def test_s19_a_preflight_is_ours(path: str, tmp_path: Path) -> None:
    """It is answered here, for every path, with what the page may send, and no upstream hears of it; a stranger's is 403."""
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url, allowed_origins="https://app.example") as proxy,
    ):
        headers = {**PREFLIGHT, "Origin": "https://app.example"}
        got = await request(proxy.origin, "OPTIONS", path, headers=headers)
        bad = await request(
            proxy.origin, "OPTIONS", path, headers={**headers, "Origin": "https://evil.example"}
        )
        assert peer.connections == 0

    assert (got.status, got.body, bad.status) == (204, b"", 403)
    assert got.headers["access-control-allow-origin"] == "https://app.example"
    assert got.headers["access-control-allow-credentials"] == "true"
    assert words(got.headers["access-control-allow-headers"]) >= {
        "authorization",
        "content-type",
        "x-stainless-os",
    }
    assert words(got.headers["access-control-allow-methods"]) >= {"get", "post", "delete", "put"}
    assert got.headers["access-control-allow-private-network"] == "true"
    assert "origin" in words(got.headers["vary"])
    assert "access-control-allow-origin" not in bad.headers
    assert "origin" in words(bad.headers["vary"])


@pytest.mark.parametrize(
    ("allowed", "asks", "told", "credentials"),
    [
        ("https://app.example", "https://app.example", "https://app.example", True),
        ("https://a.example, https://app.example", "https://app.example", "https://app.example", True),
        ("https://*.example", "https://app.example", "https://app.example", False),
        ("http://localhost:*", "http://localhost:3000", "http://localhost:3000", False),
        ("*", "https://app.example", "*", False),
        ("*", "null", "*", False),
        ("https://app.example", "app://obsidian.md", "app://obsidian.md", False),
        ("https://app.example", "https://evil.example", None, False),
        ("https://app.example", "null", None, False),
    ],
)
async def test_s19_what_an_allowed_page_may_read(
    allowed: str, asks: str, told: str | None, credentials: bool, tmp_path: Path
) -> None:
    """Whole answers, streams and errors carry the same fields; never credentials for everybody; a cache is told that answers
    differ, also to those who say nothing of an origin."""
    page = {"Origin": asks, "Sec-Fetch-Site": "cross-site"}
    stream = {**WHOLE, "stream": True}
    async with (
        Peer(answer_json(COMPLETION)) as peer,
        gateway(tmp_path, peer.url, allowed_origins=allowed) as proxy,
    ):
        asked: list[Answer] = [
            await proxy.request("POST", "/chat", WHOLE, headers=page),
            await proxy.request("POST", "/chat", stream, headers=page),
            await request(proxy.origin, "POST", "/ollama/api/chat", {**WHOLE, "stream": True}, headers=page),
            await proxy.request("GET", "/passthrough/peer/v1/x", headers=page),
            await proxy.request("POST", "/chat", b"{", headers=page),
            await proxy.request("POST", "/chat", {**WHOLE, "model": "none"}, headers=page),
            await proxy.request("GET", "/nothing", headers=page),
            await proxy.request("GET", "/chat", headers=page),
            await proxy.request("POST", "/chat", b"x", headers={**page, "Content-Encoding": "br"}),
        ]
        plain = await proxy.request("POST", "/chat", WHOLE)

    for got in asked:
        assert got.headers.get("access-control-allow-origin") == told
        assert ("access-control-allow-credentials" in got.headers) == credentials
        assert "origin" in words(got.headers["vary"])
        if told is None:
            assert got.status == 403
        else:
            exposed = words(got.headers["access-control-expose-headers"])
            assert exposed >= {"x-request-id", "x-llm-provider", "x-dropped-params", "retry-after"}
            assert "x-ratelimit-remaining-requests" in exposed
    assert [got.status for got in asked[4:]] == [400, 404, 404, 405, 415] or told is None
    assert plain.status == 200
    assert "origin" in words(plain.headers["vary"])
    assert "access-control-allow-origin" not in plain.headers


async def test_s19_what_a_relayed_answer_has(tmp_path: Path) -> None:
    """Its own fields are exposed too, and the upstream's words about pages are not passed on."""
    fields = {"X-Vendor-Cost": "3", "Access-Control-Allow-Origin": "*", "Vary": "Accept"}
    page = {"Origin": "https://app.example"}
    async with (
        Peer(answer_json(COMPLETION, headers=fields)) as peer,
        gateway(tmp_path, peer.url, allowed_origins="https://app.example") as proxy,
    ):
        got = await proxy.request("GET", "/passthrough/peer/v1/x", headers=page)
        (seen,) = peer.requests

    assert got.headers["access-control-allow-origin"] == "https://app.example"
    assert got.headers["x-vendor-cost"] == "3"
    assert words(got.headers["access-control-expose-headers"]) >= {"x-vendor-cost", "x-request-id"}
    assert not {name.lower() for name, _ in seen.headers} & {"origin", "sec-fetch-site", "referer"}


async def test_the_log_says_who_was_refused(tmp_path: Path) -> None:
    """The access line has the client's address, the code and the origin."""
    async with gateway(tmp_path, "http://127.0.0.1:1") as proxy:
        with access_lines() as lines:
            await proxy.request("GET", "/ping", headers={"Origin": "https://evil.example"})
            await proxy.request("GET", "/tags")

    assert (lines[0]["code"], lines[0]["origin"]) == ("origin_not_allowed", "https://evil.example")
    assert [line["client"] for line in lines] == ["127.0.0.1"] * 2


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ALLOWED_ORIGINS", "https://a.example,https://b.example/", "item 2 has a path"),
        ("ALLOWED_ORIGINS", "null", "item 1 is what a page of anybody can have"),
        ("ALLOWED_HOSTS", "https://a.example", "item 1 is a URL"),
        ("TRUSTED_PROXIES", "10.0.0.1,proxy", "item 2 is neither an address nor a network"),
    ],
)
def test_a_malformed_setting(name: str, value: str, says: str) -> None:
    """Is told with its place and what is allowed, never with its value."""
    with pytest.raises(
        SettingsError, match=rf"LLM_PROXY_API_{name}: {says}.*\(allowed: comma-separated"
    ) as told:
        Settings.read({f"LLM_PROXY_API_{name}": value})

    assert value not in str(told.value)
