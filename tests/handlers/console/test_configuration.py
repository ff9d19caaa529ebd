"""The configuration in the console: shown without secrets, compared in words, judged before it is written, and written whole."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.handlers.console.kit import PAGE, PATIENCE, ask, gateway, post
from tests.handlers.kit import config
from tests.support.client import Answer, request
from tests.support.gateway import RunningGateway
from tests.support.logs import expect_log
from tests.support.loops import wait_until
from tests.support.read_only import READ_ONLY, read_only
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret

NOWHERE = "http://127.0.0.1:1"
API = "/console/api/config"
TEXT = """{
  "$comment": "ours",
  "peer": {
    "defaults": {"api_type": "openai", "api_host": "http://127.0.0.1:1/v1", "api_token": "KEY"},
    "m": { "model": "up" },

    "n": {}
  }
}
""".replace("KEY", UPSTREAM_KEY)


def opened(folder: Path, **settings: Any) -> RunningGateway:
    """A gateway with that file, whose console may write."""
    found = gateway(folder, NOWHERE, **{"console_write": 1, **settings})
    found.write_config(TEXT)
    return found


def drained(weight: float = 0, model: str = "m") -> dict[str, Any]:
    return {"weight": {"provider": "peer", "model": model, "weight": weight}}


async def write(proxy: RunningGateway, edit: dict[str, Any], base: str | None = None) -> Answer:
    """Over the file that is there, unless ``base`` says another."""
    base = hashlib.sha256(proxy.config_file.read_bytes()).hexdigest() if base is None else base
    return await post(proxy.origin, API, {"edit": edit, "base": base})


async def preview(proxy: RunningGateway, edit: dict[str, Any]) -> dict[str, Any]:
    got = await post(proxy.origin, f"{API}/preview", {"edit": edit})
    assert got.status == 200, got
    found: dict[str, Any] = got.json()
    return found


async def test_the_file_is_shown_without_its_secrets(tmp_path: Path) -> None:
    """Its text, its hash, and how it is served."""
    async with opened(tmp_path) as proxy:
        told = await ask(proxy.origin, API)
        status = await ask(proxy.origin, "/api/status")

    assert_no_secret(json.dumps(told))
    assert (told["masked"], told["readable"], told["running_text"]) == (1, True, None)
    assert told["text"] == TEXT.replace(UPSTREAM_KEY, "***")
    assert told["file_hash"] == hashlib.sha256(TEXT.encode()).hexdigest()
    for name in ("generation", "hash", "state", "file_hash", "noticed", "last_good"):
        assert told[name] == status[name]


async def test_a_preview_is_the_loaders_word(tmp_path: Path) -> None:
    """What an edit would do, or what is wrong with it and where; nothing is written, though nothing may be."""
    async with opened(tmp_path, console_write=0) as proxy:
        good = await preview(proxy, {"text": TEXT.replace('"up"', '"other"')})
        bad = await preview(proxy, {"text": TEXT.replace('"model"', '"modle"')})
        torn = await preview(proxy, {"text": TEXT[:-4]})
        same = await preview(proxy, {"text": TEXT.replace(UPSTREAM_KEY, "***")})
        light = await preview(proxy, drained())
        told = await ask(proxy.origin, API)
        refused = await write(proxy, drained())

    assert (good["ok"], good["changes"], good["problems"]) == (True, ["model m: model up -> other"], [])
    assert good["base"] == told["file_hash"]
    assert not bad["ok"]
    assert (bad["problems"][0]["line"], bad["problems"][0]["path"]) == (5, "peer.m.modle")
    assert not torn["ok"]
    assert (same["same"], same["changes"]) == (True, [])
    assert light["changes"] == ["model m: weight 1 -> 0"]
    assert '"m": { "weight": 0, "model": "up" },\n\n    "n"' in light["text"]
    assert told["generation"] == 1
    assert (refused.status, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert proxy.config_file.read_text() == TEXT
    assert_no_secret(json.dumps([good, bad, torn, same, light]))


async def test_an_edit_is_written_as_it_was_typed(tmp_path: Path) -> None:
    """In one step, with the file's mode; masks are what the file had; it serves when the answer comes."""
    async with opened(tmp_path) as proxy:
        proxy.config_file.chmod(0o640)
        before = proxy.config_file.stat().st_ino
        got = await write(proxy, {"text": TEXT.replace(UPSTREAM_KEY, "***").replace('"up"', '"új"') + "\n"})
        (row,) = proxy.service.registry.current.models["m"]
        left = sorted(os.listdir(tmp_path))

    assert (got.status, got.json()["state"], got.json()["generation"]) == (200, "applied", 2)
    assert got.json()["changes"] == ["model m: model up -> új"]
    text = proxy.config_file.read_bytes()
    assert text == TEXT.replace('"up"', '"új"').encode() + b"\n"
    assert got.json()["file_hash"] == hashlib.sha256(text).hexdigest()
    assert proxy.config_file.stat().st_mode & 0o777 == 0o640
    assert proxy.config_file.stat().st_ino != before
    assert (row.model, row.token and row.token.reveal()) == ("új", UPSTREAM_KEY)
    assert left == ["models-config.json", "prompts"]
    assert_no_secret(got.body)


async def test_draining_and_going_back(tmp_path: Path) -> None:
    """By weight 0, with everything around it as it was; and back to the state before, byte for byte."""
    async with opened(tmp_path) as proxy:
        light = await write(proxy, drained())
        text = proxy.config_file.read_text()
        drained_rows = await ask(proxy.origin, "/console/api/models?state=out")
        back = await write(proxy, {"generation": 1})
        after = proxy.config_file.read_text()
        states = await ask(proxy.origin, f"{API}/generations")
        diff = await ask(proxy.origin, f"{API}/diff?from=1&to=2")
        reverse = await ask(proxy.origin, f"{API}/diff?from=2&to=1")
        unknown = await request(proxy.origin, "GET", f"{API}/diff?from=1&to=9", headers=PAGE)
        senseless = await request(proxy.origin, "GET", f"{API}/diff?from=1&to=x", headers=PAGE)
        lost = await write(proxy, {"generation": 77})
        nobody = await write(proxy, drained(model="none"))

    assert light.json()["changes"] == ["model m: weight 1 -> 0"]
    assert text == TEXT.replace('{ "model": "up" }', '{ "weight": 0, "model": "up" }')
    assert [row["name"] for row in drained_rows["rows"]] == ["m"]
    assert (back.status, after) == (200, TEXT)
    rows = states["generations"]
    assert [(row["generation"], row["current"]) for row in rows] == [(3, True), (2, False), (1, False)]
    assert [row["changes"] for row in rows] == [["model m: weight 0 -> 1"], ["model m: weight 1 -> 0"], None]
    assert (diff["changes"], reverse["changes"]) == (["model m: weight 1 -> 0"], ["model m: weight 0 -> 1"])
    assert (unknown.status, senseless.status, lost.status, nobody.status) == (404, 400, 404, 404)


async def test_a_file_that_somebody_else_has_changed_is_not_overwritten(tmp_path: Path) -> None:
    """409, with what is there now; also if it changed while the console did not look."""
    async with opened(tmp_path) as proxy:
        base = hashlib.sha256(TEXT.encode()).hexdigest()
        other = TEXT.replace('"up"', '"theirs"')
        proxy.write_config(other)
        got = await write(proxy, drained(), base)
        error = got.json()["error"]
        after = proxy.config_file.read_text()
        right = await write(proxy, drained(), error["file_hash"])

    assert (got.status, error["code"], error["param"]) == (409, "conflict", "base")
    assert error["file_hash"] == hashlib.sha256(other.encode()).hexdigest()
    assert error["text"] == other.replace(UPSTREAM_KEY, "***")
    assert after == other
    assert right.status == 200
    assert_no_secret(got.body)


async def test_a_file_that_the_loader_refuses_is_not_written(tmp_path: Path) -> None:
    """400, with its problems and their places."""
    async with opened(tmp_path) as proxy:
        bad = await write(proxy, {"text": TEXT.replace('"model"', '"modle"')})
        masked = await write(proxy, {"text": TEXT.replace('"n": {}', '"n": {"api_token": "***"}')})
        senseless: tuple[Any, ...] = (
            {},
            {"text": "{}", "generation": 1},
            {"weight": {}},
            {"text": 5},
            "text",
        )
        many = [await write(proxy, edit) for edit in senseless]
        after = proxy.config_file.read_text()

    error = bad.json()["error"]
    assert (bad.status, error["code"]) == (400, "invalid_config")
    assert (error["problems"][0]["line"], error["problems"][0]["path"]) == (5, "peer.m.modle")
    assert (masked.status, masked.json()["error"]["param"]) == (400, "edit.text")
    assert "peer.n.api_token" in masked.json()["error"]["message"]
    assert {answer.status for answer in many} == {400}
    assert after == TEXT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
async def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """503, without its path."""
    async with opened(tmp_path) as proxy:
        os.chmod(tmp_path, 0o500)
        try:
            got = await write(proxy, drained())
        finally:
            os.chmod(tmp_path, 0o700)

    assert got.status == 503
    assert str(tmp_path) not in got.body.decode()


@pytest.mark.parametrize("how", READ_ONLY)
async def test_a_file_that_may_only_be_read(how: str, tmp_path: Path) -> None:
    """503, which says why and what to do, without its path; nothing was written, and what it says is served."""
    async with opened(tmp_path) as proxy:
        before = proxy.config_file.read_bytes()
        with read_only(proxy.config_file, how) as said:
            there = sorted(os.listdir(tmp_path))
            got = await write(proxy, drained())
            status = await proxy.request("GET", "/ping")
            assert (proxy.config_file.read_bytes(), sorted(os.listdir(tmp_path))) == (before, there)

    assert (got.status, status.status) == (503, 200)
    assert f"{proxy.config_file.name}: cannot be replaced: {said}" in got.json()["error"]["message"]
    assert str(tmp_path) not in got.body.decode()


async def test_a_link_stays_one(tmp_path: Path) -> None:
    """What it leads to is replaced."""
    async with opened(tmp_path) as proxy:
        real = tmp_path / "real.json"
        proxy.config_file.rename(real)
        proxy.config_file.symlink_to(real)
        got = await write(proxy, drained())

    assert got.status == 200
    assert proxy.config_file.is_symlink()
    assert '"weight": 0' in real.read_text()


async def test_a_broken_file_is_shown_and_mended(tmp_path: Path) -> None:
    """As it lies there, without its secrets; a whole text, or a state before, replaces it."""
    async with opened(tmp_path) as proxy:
        with expect_log("llm_proxy.live.state.registry", "configuration rejected"):
            proxy.write_config(TEXT.replace('"m": {', '"m" {'))
            await wait_until(lambda: proxy.service.registry.outcome.state == "rejected", PATIENCE)
        told = await ask(proxy.origin, API)
        light = await write(proxy, drained())
        back = await write(proxy, {"generation": 1})

    assert_no_secret(json.dumps(told))
    assert told["problems"][0]["line"] == 5
    assert told["running_text"] == TEXT.replace(UPSTREAM_KEY, "***")
    assert light.status == 404
    assert (back.status, back.json()["state"], proxy.config_file.read_text()) == (200, "applied", TEXT)


async def test_the_last_twenty_states_are_kept(tmp_path: Path) -> None:
    """And no more."""
    async with gateway(tmp_path, NOWHERE) as proxy:
        for number in range(23):
            proxy.write_config(config(NOWHERE, weight=number + 2))
            await proxy.service.registry.reload("signal")
        states = (await ask(proxy.origin, f"{API}/generations"))["generations"]
        diff = await ask(proxy.origin, f"{API}/diff?from=5&to=24")

    assert [row["generation"] for row in states] == list(range(24, 4, -1))
    assert states[-1]["changes"] is None
    assert len(diff["changes"]) == 1
