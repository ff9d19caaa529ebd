"""What a provider's ``"*"`` lists: what its upstream lists now, on every face; and an upstream that cannot be asked harms nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from google import genai
from ollama import AsyncClient
from openai import AsyncOpenAI

from llm_proxy.relay import live_lists
from tests.handlers.kit import COMPLETION, MESSAGES
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.peer import Exchange, Peer, Script
from tests.support.scripts import answer, answer_json, silent

LISTS: dict[str, tuple[str, Any]] = {
    "openai": ("/v1/models", {"object": "list", "data": [{"id": "one"}, {"id": "two/three"}]}),
    "vllm": ("/v1/models", [{"id": "one"}, {"id": "two/three"}, {"id": "one"}, 7, {"id": ""}]),
    "ollama": ("/api/tags", {"models": [{"name": "one", "model": "x"}, {"model": "two/three"}, {}]}),
    "anthropic": (
        "/v1/models",
        {"data": [{"type": "model", "id": "one"}, {"id": "two/three"}], "has_more": False},
    ),
    "gemini": ("/v1beta/models", {"models": [{"name": "models/one"}, {"name": "models/two/three"}]}),
}
BASES = {"openai": "/v1", "vllm": "/v1"}


class Listing(Peer):
    """An upstream that lists ``names`` (or answers as ``script`` says), after ``gate``, and answers chats of OpenAI's."""

    def __init__(self, *names: str, script: Script | None = None) -> None:
        super().__init__(self._answer)
        self.names = list(names)
        self.other = script
        self.gate = asyncio.Event()
        self.gate.set()

    async def _answer(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            await answer_json({**COMPLETION, "model": json.loads(exchange.request.body)["model"]})(exchange)
            return
        await self.gate.wait()
        listed = answer_json({"data": [{"id": name} for name in self.names]})
        await (self.other or listed)(exchange)

    @property
    def asked(self) -> int:
        return sum(seen.method == "GET" for seen in self.requests)


def provider(peer: Peer, **rows: Any) -> dict[str, Any]:
    return {"defaults": {"api_type": "openai", "api_host": peer.url + "/v1"}, "*": {}, **rows}


async def names(proxy: RunningGateway, path: str = "/v1/models") -> set[str]:
    found = (await request(proxy.origin, "GET", path)).json()
    return {
        entry.get("id") or entry.get("baseModelId") or entry["name"]
        for entry in found.get("data", found.get("models"))
    }


async def until_listed(proxy: RunningGateway, wanted: set[str]) -> None:
    """Wait for that list, as whoever watches it would."""
    async with asyncio.timeout(20):
        while await names(proxy) != wanted:
            await asyncio.sleep(0.01)


async def row(proxy: RunningGateway, name: str = "p") -> dict[str, Any]:
    told = (await request(proxy.url, "GET", "/status/models")).json()["models"]
    (found,) = [entry for entry in told if entry["provider"] == name and entry["name"] == "*"]
    return dict(found)


@contextmanager
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Upstreams are asked again soon."""
    monkeypatch.setattr(live_lists, "EVERY", 0.02)
    monkeypatch.setattr(live_lists, "_AGAIN", 0.02)
    yield


@pytest.mark.parametrize("kind", LISTS)
async def test_every_dialect(kind: str, tmp_path: Path) -> None:
    """Its own list is asked for with our key, and shown on each face; a name with a slash, and nothing that is no name."""
    path, listed = LISTS[kind]
    async with Peer(answer_json(listed)) as peer:
        defaults = {
            "api_type": kind,
            "api_host": peer.url + BASES.get(kind, ""),
            "api_token": "planted-upstream-key",
        }
        config = {"p": {"defaults": defaults, "*": {}, "mine": {}}}
        async with RunningGateway(tmp_path, config) as proxy:
            await until_listed(proxy, {"one", "two/three", "mine"})
            for other in ("/api/tags", "/ollama/api/tags", "/anthropic/v1/models", "/v1beta/models"):
                assert await names(proxy, other) == {"one", "two/three", "mine"}, other
            assert (await request(proxy.origin, "GET", "/v1/models/two/three")).status == 200
            told = await row(proxy)
        seen = peer.requests[0]

    assert (seen.method, seen.path.partition("?")[0]) == ("GET", path)
    assert "planted-upstream-key" in str(seen.headers)
    assert told["list"]["models"] == 2
    assert told["list"]["problem"] is None


async def test_a_name_goes_to_whoever_lists_it(tmp_path: Path) -> None:
    """Of two that take everything, the one that has the model; near names come from the lists too."""
    async with Listing("alpha", "both") as a, Listing("beta", "both") as b:
        config = {"p": provider(a), "q": provider(b), "r": {"demo": {"api_type": "demo"}}}
        async with RunningGateway(tmp_path, config) as proxy:
            await until_listed(proxy, {"alpha", "beta", "both", "demo"})
            for name, owner in (("alpha", "p"), ("beta", "q"), ("alpha", "p"), ("beta", "q")):
                body = {"model": name, "messages": MESSAGES}
                answer = await request(proxy.origin, "POST", "/v1/chat/completions", body)
                assert answer.headers["x-llm-provider"] == owner
            near = await request(proxy.origin, "GET", "/v1/models/" + "alpha" * 60)

    assert near.status == 404


TROUBLES: dict[str, tuple[Script, str]] = {
    "404": (answer(b"no", 404), "head: 4xx"),
    "401": (answer_json({"error": {"message": "x"}}, 401), "head: auth"),
    "429": (answer_json({"error": {"message": "x"}}, 429), "head: 429"),
    "500": (answer_json({"error": {"message": "x"}}, 500), "head: 5xx"),
    "html": (answer(b"<html>", content_type="text/html"), "body: content_type"),
    "an object": (answer_json({"data": {}}), "body: content_type"),
    "deep": (answer(b"[" * 100_000), "body: content_type"),
    "cut": (answer(b'{"data": ['), "body: content_type"),
    "large": (answer(b" " * (9 << 20)), "body: too_large"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_an_upstream_that_does_not_say(name: str, tmp_path: Path) -> None:
    """Its row in the status says why; everything else is as it was, and requests are answered."""
    script, words = TROUBLES[name]
    async with (
        Listing(script=script) as a,
        Listing("beta") as b,
        RunningGateway(tmp_path, {"p": provider(a, mine={}), "q": provider(b)}) as proxy,
    ):
        await until_listed(proxy, {"mine", "beta"})
        async with asyncio.timeout(20):
            while (told := await row(proxy))["list"]["asked"] is None:
                await asyncio.sleep(0.01)
        body = {"model": "whatever", "messages": MESSAGES}
        answered = await request(proxy.origin, "POST", "/v1/chat/completions", body)

    assert told["list"]["problem"] == words
    assert told["list"]["models"] is None
    assert answered.status == 200


async def test_an_upstream_that_is_not_there_or_silent(tmp_path: Path) -> None:
    """Nobody waits for it: not the start, not an edit, not a list, not the end."""
    gone = {"defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:9/v1"}, "*": {}}
    async with Peer(silent()) as peer, Listing("beta") as b:
        config = {"p": gone, "s": provider(peer), "q": provider(b)}
        async with RunningGateway(tmp_path, config) as proxy:
            await until_listed(proxy, {"beta"})
            proxy.write_config({**config, "q": provider(b, more={})})
            await proxy.service.reread()
            assert await names(proxy) == {"beta", "more"}
            async with asyncio.timeout(20):
                while (await row(proxy))["list"]["problem"] != "connect: refused":
                    await asyncio.sleep(0.01)
            assert (await row(proxy, "s"))["list"]["models"] is None


async def test_an_edit_during_the_first_question(tmp_path: Path) -> None:
    """An edit that is saved while the upstreams are asked for the first time is noticed, and so is what they say then."""
    async with Listing("alpha") as a:
        a.gate.clear()
        config = {"p": provider(a)}
        async with RunningGateway(tmp_path, config) as proxy:
            proxy.write_config({**config, "q": {"demo": {"api_type": "demo"}}})  # before a watch stands
            await until_listed(proxy, {"demo"})
            await a.received(deadline=20)
            a.gate.set()
            await until_listed(proxy, {"alpha", "demo"})


async def test_edits_and_lists_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the lists change all the time, no edit is lost, and no list; answers go on."""
    with quick(monkeypatch):
        async with Listing() as a:
            config: dict[str, Any] = {"p": provider(a)}
            async with RunningGateway(tmp_path, config) as proxy:
                for number in range(12):
                    a.names = [f"live-{number}"]
                    config["p"][f"mine-{number}"] = {}
                    proxy.write_config(config)
                    await proxy.service.reread()
                    assert f"mine-{number}" in await names(proxy)
                await until_listed(proxy, {"live-11", *(f"mine-{n}" for n in range(12))})
                generation = proxy.service.registry.current.generation
                a.names = []
                await until_listed(proxy, {f"mine-{n}" for n in range(12)})
                assert proxy.service.registry.current.generation == generation


async def test_what_an_edit_keeps(tmp_path: Path) -> None:
    """An edit that does not touch the upstream keeps what it lists, without a gap; one that takes its ``"*"`` away, or puts it
    out of use, ends that; an exact key hides a name."""
    async with Listing("alpha", "beta") as a:
        config = {"p": provider(a)}
        async with RunningGateway(tmp_path, config) as proxy:
            await until_listed(proxy, {"alpha", "beta"})
            a.gate.clear()
            for rows, wanted in (
                ({"more": {"options": {"temperature": 1}}}, {"alpha", "beta", "more"}),
                ({"alpha": {"active": False}}, {"beta"}),
                ({"*": {"active": False}, "more": {}}, {"more"}),
            ):
                proxy.write_config({"p": provider(a, **rows)})
                await proxy.service.reread()
                assert await names(proxy) == wanted
            a.gate.set()
            asked = a.asked
            proxy.write_config(config)
            await proxy.service.reread()
            await until_listed(proxy, {"alpha", "beta"})
            assert a.asked > asked


async def test_it_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Again and again; while it fails, what it said last stays."""
    with quick(monkeypatch):
        async with Listing("alpha") as a, RunningGateway(tmp_path, {"p": provider(a)}) as proxy:
            await until_listed(proxy, {"alpha"})
            a.other = answer(b"no", 503)
            asked = a.asked
            await wait_until(lambda: a.asked > asked + 2, 20)
            told = (await row(proxy))["list"]
            assert (told["models"], told["problem"]) == (1, "head: 5xx")
            assert await names(proxy) == {"alpha"}
            a.other, a.names = None, ["gamma"]
            await until_listed(proxy, {"gamma"})


async def test_thousands_of_names(tmp_path: Path) -> None:
    """A list that is huge is taken up to a bound, beside the loop; names that no model can have are left out."""
    many = [f"model-{number:05}" for number in range(12_000)]
    async with (
        Listing(" bad", "x" * 300, "a/../b", *many) as a,
        RunningGateway(tmp_path, {"p": provider(a)}) as proxy,
        asyncio.timeout(30),
    ):
        while len(found := await names(proxy)) < 9000:
            await asyncio.sleep(0.05)

    assert len(found) == 10_000 - 3
    assert "model-00000" in found


async def test_real_clients(tmp_path: Path) -> None:
    """The vendors' own clients list the names, the live ones and the aliases, and no pattern."""
    async with Listing("alpha") as a:
        config = {"$models": {"fast": {"alias": "mine"}}, "p": provider(a, **{"mine": {}, "gpt-*": {}})}
        async with RunningGateway(tmp_path, config) as proxy:
            await until_listed(proxy, {"alpha", "mine", "fast"})
            async with AsyncOpenAI(base_url=proxy.origin + "/v1", api_key="k") as sdk:
                found = [{model.id for model in (await sdk.models.list()).data}]
            async with AsyncAnthropic(base_url=proxy.origin, api_key="k") as claude:
                found.append({model.id async for model in claude.models.list(limit=2)})
            ollama: Any = AsyncClient(host=proxy.origin + "/ollama")
            async with ollama:
                found.append({model.model for model in (await ollama.list()).models})
            google = genai.Client(api_key="k", http_options={"base_url": proxy.origin + "/gemini"})
            pager = await google.aio.models.list(config={"page_size": 2})
            found.append({str(model.name).removeprefix("models/") async for model in pager})
            await google.aio.aclose()

    assert found == [{"alpha", "mine", "fast"}] * 4
