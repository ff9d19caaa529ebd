"""``/openapi.json`` and ``/docs``: served everywhere, made once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.support.client import request
from tests.support.gateway import RunningGateway

DEMO: dict[str, Any] = {"demo": {"demo": {}}}
PLACES = pytest.mark.parametrize("place", ["", "/api"])


@PLACES
async def test_the_document_is_served(place: str, tmp_path: Path) -> None:
    """At the root and below the prefix; it says where everything stands for this prefix."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        answer = await request(proxy.origin, "GET", place + "/openapi.json")
        head = await request(proxy.origin, "HEAD", place + "/openapi.json")

    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["openapi"] == "3.1.0"
    assert {"/api/chat", "/v1/chat/completions", "/ollama/api/chat", "/v1/messages"} < answer.json()[
        "paths"
    ].keys()
    assert (head.status, head.headers["content-length"], head.body) == (200, str(len(answer.body)), b"")


async def test_the_prefix_is_that_of_the_settings(tmp_path: Path) -> None:
    """Another prefix, another document."""
    async with RunningGateway(tmp_path, DEMO, ep_prefix="/llm") as proxy:
        answer = await request(proxy.origin, "GET", "/llm/openapi.json")

    paths = answer.json()["paths"].keys()
    assert "/llm/chat" in paths
    assert not [path for path in paths if path.startswith("/api/")]


@pytest.mark.parametrize("name", ["openapi.json", "docs"])
async def test_what_is_known_is_not_sent_again(name: str, tmp_path: Path) -> None:
    """The ETag stays while the program does, and is a 304 for whoever has it; any other tag gets the whole."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        first = await request(proxy.origin, "GET", f"/{name}")
        known = {"If-None-Match": f'"other", {first.headers["etag"]}'}
        again = await request(proxy.origin, "GET", f"/api/{name}", headers=known)
        other = await request(proxy.origin, "GET", f"/{name}", headers={"If-None-Match": '"other"'})

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (other.status, other.body) == (200, first.body)


class _Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.targets: list[str] = []
        self.names: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.attributes |= found.keys()
        self.targets += [str(found[name]) for name in ("href", "src", "action") if name in found]
        self.names += [str(found["id"])] if "id" in found else []
        if tag not in ("meta", "br", "input", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@PLACES
async def test_the_page_has_the_look_of_the_console(place: str, tmp_path: Path) -> None:
    """It begins with base URLs and a curl line, has the console's style sheet and script from where they really are, and no
    other; it is compressed for whoever takes that; what all endpoints answer alike stands once."""
    async with RunningGateway(tmp_path, DEMO) as proxy:
        answer = await request(proxy.origin, "GET", place + "/docs")
        packed = await request(proxy.origin, "GET", place + "/docs", headers={"Accept-Encoding": "gzip"})
        page = _Page()
        page.feed(text := answer.body.decode())
        beside = {target for target in page.targets if "console/" in target}
        files = [await request(proxy.origin, "GET", urljoin(f"{place}/docs", target)) for target in beside]

    assert gzip.decompress(packed.body) == answer.body
    assert len(packed.body) < len(answer.body) / 5
    assert [file.status for file in files] == [200] * 3
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    assert {target.removeprefix("../") for target in page.targets if target[0] != "#"} == {
        "openapi.json",
        "console",
        *(f"console/{name}" for name in ("icon.svg", "console.css", "theme.js")),
    }
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    for kind in ("style", "script"):  # what stands in it is named by the policy
        inside = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert len(inside) == 1
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()}'" in policy
    assert text.index("/v1/chat/completions") < text.index("<details")
    assert text.count(">rate_limit_exceeded") < 10


@PLACES
async def test_without_a_console_the_page_fetches_nothing(place: str, tmp_path: Path) -> None:
    """It shows every operation once; its links lead into it, or to the document beside it; there is no script, no image,
    no inline style but the one that the policy names."""
    async with RunningGateway(tmp_path, DEMO, console=False) as proxy:
        answer = await request(proxy.origin, "GET", place + "/docs")
        document = (await request(proxy.origin, "GET", "/openapi.json")).json()
    text = answer.body.decode()
    page = _Page()
    page.feed(text)
    style = text.partition("<style>")[2].partition("</style>")[0]
    policy = answer.headers["content-security-policy"]

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    assert {target for target in page.targets if not target.startswith("#")} == {"openapi.json"}
    assert {target[1:] for target in page.targets if target.startswith("#")} <= set(page.names)
    assert len(page.names) == len(set(page.names))
    assert policy.startswith("default-src 'none'; ")
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
    assert "url(" not in style
    for path in document["paths"]:
        assert re.search(rf"<code>{re.escape(path)}</code>", text), path


async def test_a_query_that_cannot_be_read_is_a_400(tmp_path: Path) -> None:
    """Also one with more arguments than anybody needs: nothing that a client sends is a fault of ours."""
    queries = ["limit=%FF", "&".join(f"a{number}=1" for number in range(101)), "limit=0"]
    async with RunningGateway(tmp_path, DEMO) as proxy:
        answers = [
            await request(proxy.origin, "GET", "/anthropic/v1/models?" + query)
            for query in (*queries, "limit=1")
        ]

    assert [answer.status for answer in answers] == [400, 400, 400, 200]
