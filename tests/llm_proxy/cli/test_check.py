"""``llm-proxy check``: exit status, findings, and the comparison with a gateway that runs."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_proxy.cli import check as checking
from llm_proxy.cli.check import check
from llm_proxy.cli.replicas import Replica, lagging, lines
from tests.support.client import request
from tests.support.gateway import RunningGateway
from tests.support.loops import wait_until
from tests.support.secrets import OTHER_UPSTREAM_KEY, UPSTREAM_KEY, assert_no_secret
from tests.support.world import put

DEMO = {"demo": {"demo": {"weight": 1, "api_token": UPSTREAM_KEY}}}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests."""
    monkeypatch.setattr(checking, "environment", dict)


def flags(folder: Path, config: Mapping[str, Any] | str, **more: Any) -> dict[str, Any]:
    """Files to be judged, and the flags that name them."""
    text = config if isinstance(config, str) else json.dumps(config)
    put(folder / "edit" / "models-config.json", text)
    put(folder / "edit" / "prompts" / "en" / "a.prompt", more.pop("prompt", "one"))
    paths = {"models_config": "models-config.json", "prompts_dir": "prompts"}
    return {key: str(folder / "edit" / name) for key, name in paths.items()} | more


def test_good(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 0, what was found, and warnings."""
    monkeypatch.setattr(checking, "environment", lambda: {"LLM_PROXY_API_TIMEOUT": "300"})
    put(tmp_path / "edit" / "prompts" / "en" / "bad.prompt", b"\xff")
    config = {"demo": {"demo": {"timeouts": {"total": 9999}}}}
    status = check(flags(tmp_path, config))
    out, err = capsys.readouterr()

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ok: 1 models, 1 prompts, hash ")
    assert "demo.demo.timeouts.total" in lines[1]
    assert lines[2].startswith("warning: prompt en/bad.prompt: is not valid UTF-8")


def test_a_long_total_is_as_long_as_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing cuts it, and nothing warns of that, unless LLM_PROXY_API_TIMEOUT is set."""
    check(flags(tmp_path, {"demo": {"demo": {"timeouts": {"total": 9999}}}}))

    assert "warning" not in capsys.readouterr().out


def test_answers_that_would_be_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Anthropic's API needs a limit for each answer: a model whose own is not known should have one in its row."""
    models = {
        "claude-sonnet-4-5": {},
        "mine": {"model": "claude-opus-4-8"},
        "own": {},
        "set": {"options": {"max_tokens": 9}},
    }
    assert check(flags(tmp_path, {"anthropic": {"defaults": {"api_token": "k"}, **models}})) == 0

    (warning,) = capsys.readouterr().out.splitlines()[1:]
    assert warning.startswith("warning: anthropic.own.options.max_tokens: ")
    assert "4096" in warning


def test_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1 and every problem with file, line and path, on standard error; no value."""
    status = check(flags(tmp_path, {"demo": {"demo": {"weigth": UPSTREAM_KEY, "active": UPSTREAM_KEY}}}))
    out, err = capsys.readouterr()

    assert (status, out) == (1, "")
    assert [line.split(": ")[:3] for line in err.splitlines()] == [
        ["models-config.json", "line 1, column 20", "demo.demo.weigth"],
        ["models-config.json", "line 1, column 74", "demo.demo.active"],
    ]
    assert_no_secret(err)


@pytest.mark.parametrize("missing", ["models_config", "prompts_dir"])
def test_missing_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    """Exit status 1."""
    given = flags(tmp_path, DEMO) | {missing: str(tmp_path / "nowhere")}

    assert check(given) == 1
    assert "nowhere" in capsys.readouterr().err


def test_bad_settings(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2."""
    monkeypatch.setattr(checking, "environment", lambda: {"LLM_PROXY_API_PORT": "many"})

    assert check({}) == 2
    assert "LLM_PROXY_API_PORT" in capsys.readouterr().err


async def against(given: dict[str, Any]) -> int:
    """The command, while this loop serves."""
    return await asyncio.to_thread(check, given)


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/"])
async def test_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str) -> None:
    """The address may have the prefix or not; the answer says what would change, and shows no secret."""
    config = {"demo": {"demo": {"weight": 3, "api_token": OTHER_UPSTREAM_KEY}, "new": {}}}
    async with RunningGateway(tmp_path, DEMO, prompts={"en/a.prompt": "one"}) as gateway:
        status = await against(flags(tmp_path, config, prompt="two", against=gateway.origin + path))
        before = gateway.service.registry.current
        running = before.version
    out, err = capsys.readouterr()

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ok: 2 models, 1 prompts")
    assert lines[1:4] == [
        f"running: generation {running}",
        "would change: model demo: weight 1 -> 3, api_token changed",
        "would change: model new of demo added",
    ]
    assert lines[4].startswith("would change: prompt a (en) ")
    assert len(lines) == 5
    assert_no_secret(out)


async def test_nothing_would_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same files, wherever they lie."""
    async with RunningGateway(tmp_path, DEMO, prompts={"en/a.prompt": "one"}) as gateway:
        status = await against(flags(tmp_path, gateway.config_file.read_text(), against=gateway.origin))

    assert status == 0
    assert capsys.readouterr().out.splitlines()[-1] == "nothing would change"


async def test_an_edit_that_would_be_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, whatever runs."""
    assert await against(flags(tmp_path, "{", against="http://127.0.0.1:9")) == 1
    assert "models-config.json: line 1" in capsys.readouterr().err


async def test_another_prefix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway without a prefix, or with one that only its address tells."""
    for prefix, path in (("/", ""), ("/deep/api", "/deep/api")):
        async with RunningGateway(tmp_path, DEMO, ep_prefix=prefix) as gateway:
            assert await against(flags(tmp_path, DEMO, against=gateway.origin + path)) == 0
            assert "running: generation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1", "give the address"),
        ("http://", "give the address"),
        ("http://127.0.0.1:x", "the port is not a number"),
        ("http://127.0.0.1:{port}", "no usable answer: Connection refused"),
        ("127.0.0.1:{port}", "no usable answer: Connection refused"),
    ],
)
def test_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, words: str) -> None:
    """Exit status 2 and one line, after the verdict on the files."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        status = check(flags(tmp_path, DEMO, against=url.format(port=taken.getsockname()[1])))
    out, err = capsys.readouterr()

    assert (status, len(err.splitlines())) == (2, 1)
    assert words in err
    assert out.startswith("ok: ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "status 302"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "not that of a gateway"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "status 200"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", "no usable answer"),
        (b"SSH-2.0-x\r\n", "no usable answer"),
    ],
)
async def test_something_else_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: bytes, words: str
) -> None:
    """It is no gateway, and no redirect is followed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        status = await against(flags(tmp_path, DEMO, against=f"http://127.0.0.1:{port}"))

    assert status == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip"])
async def test_from_afar(tmp_path: Path, header: str) -> None:
    """Who comes through a proxy gets nothing that could confirm a guess."""
    async with RunningGateway(tmp_path, DEMO) as gateway:
        near = await request(gateway.url, "GET", "/status/models")
        far = await request(gateway.url, "GET", "/status/models", headers={header: "203.0.113.7"})

    assert near.json()["salt"]
    assert (far.json()["salt"], far.json()["models"][0]["token"]) == ("", {"masked": ""})
    assert near.headers["cache-control"] == "no-store"
    for answer in (near, far):
        assert_no_secret(answer.body)
        assert b"127.0.0.1" not in answer.body


async def test_from_afar_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison tells what it could not compare."""
    monkeypatch.setattr("handlers.status.RunningHandler._is_local", lambda self: False)
    config = {"demo": {"demo": {"weight": 1, "api_token": OTHER_UPSTREAM_KEY}}}
    async with RunningGateway(tmp_path, DEMO, prompts={"en/a.prompt": "one"}) as gateway:
        status = await against(flags(tmp_path, config, against=gateway.origin))
    lines = capsys.readouterr().out.splitlines()

    assert status == 0
    assert lines[2].startswith("note: addresses, keys and texts")
    assert lines[3:] == ["would change: nothing that can be seen from here"]


async def test_several_gateways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An edit that none has is no lag; once one has it the other lags (exit status 3), and the line says so; one that does not answer is 2."""
    newer = {"demo": {"demo": {"weight": 2, "api_token": UPSTREAM_KEY}}}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    one = RunningGateway(tmp_path / "a", DEMO, prompts={"en/a.prompt": "one"})
    other = RunningGateway(tmp_path / "b", DEMO, prompts={"en/a.prompt": "one"})
    async with one, other:
        urls = [one.origin, other.origin]
        assert await against(flags(tmp_path, newer, against=urls)) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[3].startswith("2 of 2 run ")
        assert lines[5:] == ["  would change: model demo: weight 1 -> 2"]

        one.write_config(newer)
        await wait_until(lambda: one.service.registry.current.models["demo"][0].weight == 2)
        assert await against(flags(tmp_path, newer, against=urls)) == 3
        out = capsys.readouterr().out
        assert re.search(rf"^{one.origin} +\S+  runs the files at hand$", out, re.MULTILINE)
        assert re.search(rf"^{other.origin} +\S+  lags, for \d+ s$", out, re.MULTILINE)
        assert "1 of 2 run " in out
        assert ", 1 lags" in out
        assert_no_secret(out)

        assert await against(flags(tmp_path, newer, against=[*urls, "http://127.0.0.1:9"])) == 2
        assert "--against http://127.0.0.1:9: no usable answer" in capsys.readouterr().err


def test_which_one_lags() -> None:
    """Without the files at hand, the newest is what was loaded last; a rejected edit is said."""
    old = Replica("http://a", "aaaaaaaaaa", 3, 100.0, "rejected", "models-config.json: line 1")
    new = Replica("http://bb", "bbbbbbbbbb", 7, 160.0, "applied")
    assert lagging([old, new], "other") == [old]
    assert lines([old, new], "other", now=200.0) == [
        "http://a   3-aaaaaaaa  lags, for 40 s; its last edit was rejected: models-config.json: line 1",
        "http://bb  7-bbbbbbbb  runs what the others run",
        "1 of 2 run bbbbbbbb, 1 lags",
    ]
