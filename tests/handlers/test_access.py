"""Keys at the door: who is let in where, in each dialect's own form, and what a key may see."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from tests.handlers.kit import COMPLETION, access_lines
from tests.support.access_kit import KEYS, bearer, row, write_access
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.peer import Peer
from tests.support.scripts import answer_json
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

DOCUMENT: dict[str, Any] = {
    "keys": {
        "alice": row("alice", team="research"),
        "bob": row("bob", models=["m", "claude-*"], team="research"),
        "carol": row("carol", models=[], passthrough=True),
        "root": row("root", admin="write", passthrough=True),
        "reader": row("reader", admin="read"),
        "old": row("old", expires="2020-01-01"),
    },
    "teams": {"research": {"models": ["m", "secret-*"]}},
}


def models(url: str) -> dict[str, Any]:
    """``m``, and two that not everybody may see."""
    defaults = {"api_type": "openai", "api_host": url + "/v1", "api_token": UPSTREAM_KEY}
    return {"peer": {"defaults": defaults, "m": {}, "secret-model": {}, "other": {}}}


@asynccontextmanager
async def serving(folder: Path, document: Any = DOCUMENT) -> AsyncIterator[tuple[RunningGateway, Peer]]:
    async with Peer(answer_json(COMPLETION)) as peer:
        path = write_access(folder, document)
        async with RunningGateway(folder, models(peer.url), access=path) as gateway:
            yield gateway, peer


async def ask(gateway: RunningGateway, method: str, path: str, name: str | None, body: Any = None) -> Answer:
    return await request(gateway.origin, method, path, body, headers=bearer(name) if name else {})


def chat(model: str = "m") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}]}


async def test_every_endpoint_but_probes_asks_for_a_key(tmp_path: Path) -> None:
    """Those that exist and those that do not, in each face's own form; nothing reaches an upstream."""
    closed = [
        ("GET", "/api/status", "error"),
        ("GET", "/api/status/models", "error"),
        ("GET", "/api/tags", "error"),
        ("GET", "/api/prompts", "error"),
        ("GET", "/v1/models", "error"),
        ("GET", "/v1/models/m", "error"),
        ("POST", "/v1/chat/completions", "error"),
        ("POST", "/v1/responses", "error"),
        ("POST", "/v1/messages", "anthropic"),
        ("GET", "/anthropic/v1/models", "anthropic"),
        ("POST", "/v1beta/models/m:generateContent", "gemini"),
        ("GET", "/v1beta/models", "gemini"),
        ("POST", "/ollama/api/chat", "ollama"),
        ("GET", "/ollama/api/tags", "ollama"),
        ("GET", "/ollama", "ollama"),
        ("POST", "/api/passthrough", "error"),
        ("GET", "/api/passthrough/peer/x", "error"),
        ("GET", "/nothing/here", "error"),
        ("GET", "/console/events", "error"),
        ("GET", "/console/api/config", "error"),
        ("POST", "/api/requests/x/stop", "error"),
        ("OPTIONS", "/v1/models", "error"),
    ]
    async with serving(tmp_path) as (gateway, peer):
        for method, path, form in closed:
            for headers in ({}, {"Authorization": "Bearer sk-of-nobody"}, bearer("old")):
                got = await request(
                    gateway.origin, method, path, chat() if method == "POST" else None, headers=headers
                )
                assert got.status == 401, path
                assert got.headers["www-authenticate"] == "Bearer"
                error = got.json()["error"]
                if form == "ollama":
                    assert "key" in error
                elif form == "anthropic":
                    assert error["type"] == "authentication_error"
                elif form == "gemini":
                    assert error["status"] == "UNAUTHENTICATED"
                else:
                    assert error["code"] == "invalid_api_key"
        health = ("/ping", "/health", "/healthz", "/readyz", "/livez")
        for path in (
            "/api/ping",
            *health,
            "/",
            "/console",
            "/console/session",
            "/docs",
            "/openapi.json",
            "/api/docs",
        ):
            assert (await request(gateway.origin, "GET", path)).status == 200
        assert not peer.requests


async def test_a_body_is_not_read_for_a_stranger(tmp_path: Path) -> None:
    """The answer comes before the body does."""
    async with serving(tmp_path) as (gateway, _):
        host, port = gateway.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
            b"Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
        )
        line = await asyncio.wait_for(reader.readline(), 20)
        writer.close()
    assert b"401" in line


async def test_what_a_key_may_see(tmp_path: Path) -> None:
    """Every list of models, one model, near names: a forbidden model is as one that does not exist."""
    async with serving(tmp_path) as (gateway, peer):
        for name, seen in (
            ("alice", {"m", "secret-model"}),
            ("bob", {"m"}),
            ("carol", set()),
            ("root", {"m", "secret-model", "other"}),
        ):
            listed = (await ask(gateway, "GET", "/v1/models", name)).json()["data"]
            assert {entry["id"] for entry in listed} == seen
            for path in ("/api/tags", "/ollama/api/tags"):
                tags = (await ask(gateway, "GET", path, name)).json()["models"]
                assert {entry["name"].removesuffix(":latest") for entry in tags} == seen
            google = (await ask(gateway, "GET", "/v1beta/models", name)).json().get("models", [])
            assert {entry["name"].removeprefix("models/") for entry in google} == seen
            anthropics = (await ask(gateway, "GET", "/anthropic/v1/models", name)).json()["data"]
            assert {entry["id"] for entry in anthropics} == seen
        for body, path in (
            (chat("secret-mode"), "/v1/chat/completions"),
            ({**chat("secret-mode"), "max_tokens": 5}, "/v1/messages"),
            (chat("secret-mode"), "/ollama/api/chat"),
            ({"contents": [{"parts": [{"text": "a"}]}]}, "/v1beta/models/secret-mode:generateContent"),
            ({"model": "secret-mode"}, "/ollama/api/show"),
            ({"model": "secret-mode", "input": "a"}, "/v1/embeddings"),
            ({"model": "secret-mode", "input": "a"}, "/v1/audio/speech"),
            (None, "/v1/models/secret-mode"),
        ):
            method = "POST" if body else "GET"
            missing = await ask(gateway, method, path, "bob", body)
            text = json.dumps(body).replace("secret-mode", "secret-model") if body else None
            twin = path.replace("secret-mode", "secret-model")
            there = await ask(gateway, method, twin, "bob", json.loads(text) if text else None)
            assert there.status == missing.status == 404
            same = there.body.replace(b"secret-model", b"secret-mode")
            ids = (missing.headers["x-request-id"], there.headers["x-request-id"])
            assert same.replace(ids[1].encode(), ids[0].encode()) == missing.body
            assert (await ask(gateway, method, path, "alice", body)).body.count(b"secret-model") == 1
        assert not peer.requests
        assert (await ask(gateway, "POST", "/v1/images/generations", "bob", {"prompt": "a"})).status == 400


async def test_endpoints_for_some(tmp_path: Path) -> None:
    """``admin`` opens what is behind the counter, ``passthrough`` that; the rest is 403."""
    async with serving(tmp_path) as (gateway, peer):
        assert (await ask(gateway, "GET", "/api/status", "alice")).json() == {"state": "ok"}
        assert (await ask(gateway, "GET", "/api/status", "reader")).json()["models"] == 3
        denied = await ask(gateway, "GET", "/api/status/models", "alice")
        assert (denied.status, denied.json()["error"]["code"]) == (403, "not_allowed")
        told = (await ask(gateway, "GET", "/api/status/models", "reader")).body
        assert b"key alice" in told
        assert not any(key.encode() in told for key in KEYS.values())
        assert b"sha256:" not in told
        denied = await ask(gateway, "GET", "/api/passthrough/peer/x", "alice")
        assert (denied.status, denied.json()["error"]["code"]) == (403, "not_allowed")
        assert not peer.requests
        hidden = {**bearer("root"), "X-Copy": KEYS["root"], "Cookie": KEYS["root"]}
        got = await request(gateway.origin, "GET", "/api/passthrough/peer/x?y=1", headers=hidden)
        assert got.status == 200
        inside = {
            "provider": "peer",
            "path": "/x",
            "headers": {"X-Api-Key": KEYS["root"], "X-B": KEYS["root"]},
        }
        assert (await ask(gateway, "POST", "/api/passthrough", "root", inside)).status == 200
        seen = b"".join(received.raw for received in peer.requests)
        assert KEYS["root"].encode() not in seen
        in_url = await ask(gateway, "GET", f"/api/passthrough/peer/x?key={KEYS['root']}", "root")
        assert in_url.status == 400


async def test_upstreams_see_no_key(tmp_path: Path) -> None:
    """Wherever a client puts it, what arrives upstream is the operator's own."""
    key = KEYS["root"]
    async with serving(tmp_path) as (gateway, peer):
        for header in ("Authorization", "x-api-key", "api-key", "x-goog-api-key"):
            value = f"Bearer {key}" if header == "Authorization" else key
            body = {**chat(), "api_key": key}
            got = await request(gateway.origin, "POST", "/v1/chat/completions", body, headers={header: value})
            assert got.status == 200
        for received in peer.requests:
            assert key.encode() not in received.raw
            assert UPSTREAM_KEY.encode() in received.raw


async def test_an_edit_takes_effect_at_once(tmp_path: Path) -> None:
    """Rotation without a gap, removal, an end in time; the log tells it without a hash."""
    async with serving(tmp_path) as (gateway, _):
        assert (await ask(gateway, "GET", "/v1/models", "alice")).status == 200
        edited = json.loads(json.dumps(DOCUMENT))
        fresh = row("old")["hash"]
        edited["keys"]["alice"]["hash"] = [fresh, edited["keys"]["alice"]["hash"]]
        del edited["keys"]["bob"], edited["keys"]["old"]
        with expect_log("llm_proxy.live", "configuration applied") as told:
            write_access(tmp_path, edited)
            await wait_until(lambda: gateway.service.registry.current.generation == 2, 20)
            await wait_until(lambda: told, 20)
        said = told[0].__dict__["changes"]
        assert said == ["key alice: hash changed", "key bob removed", "key old removed"]
        assert (await ask(gateway, "GET", "/v1/models", "alice")).status == 200
        assert (await ask(gateway, "GET", "/v1/models", "old")).status == 200  # the new text of alice's key
        assert (await ask(gateway, "GET", "/v1/models", "bob")).status == 401


async def test_bad_edits_open_nothing(tmp_path: Path) -> None:
    """Broken, gone: the last good keys go on, and ``/status`` says so."""
    async with serving(tmp_path) as (gateway, _):
        for step in ("broken", "gone"):
            with expect_log("llm_proxy.live", "rejected"):
                if step == "broken":
                    write_access(tmp_path, '{"keys": {"alice": {"hash": "x"}}}')
                else:
                    (tmp_path / "access.json").unlink()

                def settled(step: str = step) -> bool:
                    outcome = gateway.service.registry.outcome
                    return outcome.state == "rejected" and ("hash" in "".join(outcome.problems)) == (
                        step == "broken"
                    )

                await wait_until(settled, 20)
            assert (await ask(gateway, "GET", "/v1/models", None)).status == 401
            assert (await ask(gateway, "GET", "/v1/models", "alice")).status == 200
        status = (await ask(gateway, "GET", "/api/status", "root")).json()
        assert status["state"] == "rejected"
        write_access(tmp_path, DOCUMENT)
        await wait_until(lambda: gateway.service.registry.outcome.state == "applied", 20)


async def test_an_end_in_time_needs_no_edit(tmp_path: Path) -> None:
    """The key is refused from that second on."""
    end = time.time() + 1.0
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(end)) + f".{int(end % 1 * 1e6):06d}Z"
    document = {"keys": {"alice": row("alice", expires=text)}}
    async with serving(tmp_path, document) as (gateway, _):
        while time.time() < end + 20:
            began = time.time()
            status = (await ask(gateway, "GET", "/v1/models", "alice")).status
            if status == 401:
                assert time.time() >= end
                return
            assert began < end
            await asyncio.sleep(0.05)
    raise AssertionError("it never ended")


async def test_what_is_logged(tmp_path: Path) -> None:
    """Who asked, the first use and the first refusal of each key; keys planted anywhere are in no line and no answer."""
    key = KEYS["alice"]
    with access_lines() as lines, expect_log("llm_proxy.audit", "") as audit:
        async with serving(tmp_path) as (gateway, _):
            answers = [
                await ask(gateway, "GET", f"/v1/models?key={key}", "alice"),
                await ask(gateway, "GET", f"/v1/models/{key}", "alice"),
                await ask(gateway, "GET", f"/nothing/{key}", "alice"),
                await ask(gateway, "POST", "/v1/chat/completions", "alice", chat(key)),
                await ask(gateway, "GET", "/api/status/models", "alice"),
                await ask(gateway, "GET", "/api/status/models", "alice"),
                await ask(gateway, "GET", "/v1/models", "old"),
                await request(
                    gateway.origin, "GET", "/v1/models", headers={**bearer("alice"), "X-Request-Id": key}
                ),
                await request(
                    gateway.origin, "GET", "/v1/models", headers={"User-Agent": key, "Authorization": key}
                ),
            ]
            answers.append(await ask(gateway, "GET", "/api/status", "root"))
    shown = repr(lines) + repr([record.__dict__ for record in audit])
    shown += "".join(answer.body.decode() + repr(answer.headers) for answer in answers)
    assert_no_secret(shown, KEYS.values())
    # Of who was refused too, as far as the key is in the file.
    assert [line.get("key") for line in lines] == [*6 * ["alice"], "old", "alice", None, "root"]
    told = [(record.message, record.__dict__["key"]) for record in audit]
    assert told == [
        ("first use of a key", "alice"),
        ("first refusal of a key", "alice"),
        ("first refusal of a key", "old"),
        ("first use of a key", "root"),
    ]


def in_thread(work: Any) -> Any:
    return asyncio.get_running_loop().run_in_executor(None, work)


async def test_official_clients_raise_the_right_thing(tmp_path: Path) -> None:
    """Each vendor's own client, with its key where it sends it: in with a good one, its own error with a bad one."""
    async with serving(tmp_path) as (gateway, _):
        origin = gateway.origin

        def work() -> None:
            for key, fine in ((KEYS["alice"], True), ("lpk_bad", False)):
                with openai.OpenAI(base_url=origin + "/v1", api_key=key, max_retries=0) as client:
                    if fine:
                        assert client.chat.completions.create(**chat()).choices
                        with pytest.raises(openai.NotFoundError):
                            client.chat.completions.create(**chat("other"))
                    else:
                        with pytest.raises(openai.AuthenticationError) as caught:
                            client.chat.completions.create(**chat())
                        assert caught.value.code == "invalid_api_key"
                        assert "mistyped" in caught.value.message
                with anthropic.Anthropic(base_url=origin, api_key=key, max_retries=0) as claude:
                    if fine:
                        assert claude.messages.create(**chat(), max_tokens=5).content
                    else:
                        with pytest.raises(anthropic.AuthenticationError):
                            claude.messages.create(**chat(), max_tokens=5)
                google = genai.Client(api_key=key, http_options={"base_url": origin})
                if fine:
                    assert google.models.generate_content(model="m", contents="hi").text
                else:
                    with pytest.raises(google_errors.ClientError) as refused:
                        google.models.generate_content(model="m", contents="hi")
                    assert (refused.value.code, refused.value.status) == (401, "UNAUTHENTICATED")
                google.close()
                local = ollama.Client(host=origin + "/ollama", headers={"Authorization": f"Bearer {key}"})
                if fine:
                    assert local.chat(**chat()).message.content
                else:
                    with pytest.raises(ollama.ResponseError) as told:
                        local.chat(**chat())
                    assert told.value.status_code == 401
                local._client.close()

        await in_thread(work)


async def test_without_the_file_everything_is_open(tmp_path: Path) -> None:
    """As it was before there were keys."""
    async with Peer(answer_json(COMPLETION)) as peer, RunningGateway(tmp_path, models(peer.url)) as gateway:
        assert (await ask(gateway, "POST", "/v1/chat/completions", None, chat("other"))).status == 200
        assert (await ask(gateway, "GET", "/api/status", None)).json()["state"] == "applied"
