"""``llm-proxy doctor``: what is broken, what is worth a note, and the remedy of each."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_proxy import __main__ as program
from llm_proxy.cli.doctor import command, machine, places, upstreams
from llm_proxy.cli.doctor.command import doctor, look
from llm_proxy.cli.doctor.findings import Finding, shown
from llm_proxy.settings import Settings
from tests.support.addresses import refused_url
from tests.support.gateway import RunningGateway
from tests.support.ollama_double import OllamaDouble
from tests.support.openai_double import MODELS, OpenAIDouble
from tests.support.peer import Exchange, Peer
from tests.support.secrets import UPSTREAM_KEY, assert_no_secret
from tests.support.world import put

TLS = Path(__file__).resolve().parents[2] / "data" / "tls"


def free_port() -> int:
    """One that nobody has."""
    return int(refused_url().rpartition(":")[2])


def given(folder: Path, config: Mapping[str, Any] | str, **more: Any) -> dict[str, str]:
    """Files to be looked at, and the flags that name them."""
    text = config if isinstance(config, str) else json.dumps(config)
    put(folder / "models-config.json", text)
    put(folder / "prompts" / "en" / "a.prompt", "one")
    paths = {"models_config": folder / "models-config.json", "prompts_dir": folder / "prompts"}
    flags = {"port": free_port(), **paths, **more}
    return {name: str(value) for name, value in flags.items()}


async def found(flags: Mapping[str, Any], env: Mapping[str, str] | None = None) -> dict[str, Finding]:
    """What is found, by its subject, while this loop serves; nothing of it is secret or too wide."""
    findings = await asyncio.to_thread(lambda: list(look(flags, env or {})))
    lines = shown(findings)
    assert_no_secret("\n".join(lines))
    assert max(map(len, lines)) < 80
    assert all(bool(one.remedy) == (one.grade != "ok") for one in findings)
    return {one.subject: one for one in findings}


def the(findings: Mapping[str, Finding], begin: str) -> Finding:
    """The one whose subject begins so."""
    (one,) = (finding for subject, finding in findings.items() if subject.startswith(begin))
    return one


async def test_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit status 0, a line for each thing, and only GETs have gone to the upstreams."""
    monkeypatch.setattr(command, "environment", lambda: {"KEY": UPSTREAM_KEY})
    async with OpenAIDouble(UPSTREAM_KEY) as openai, OllamaDouble() as ollama:
        config = {
            "corp": {
                "defaults": {"api_type": "openai", "api_host": openai.base, "api_token": "${KEY}"},
                MODELS[0]: {},
            },
            "ollama": {"defaults": {"api_host": ollama.url}, "*": {}},
            "demo": {"demo": {}},
        }
        assert await asyncio.to_thread(doctor, given(tmp_path, config)) == 0
        methods = {request.method for peer in (openai, ollama) for request in peer.requests}
    out = capsys.readouterr().out
    assert methods == {"GET"}
    assert f"corp (http://127.0.0.1:{openai.port}): it answers, and lists" in out
    assert f"ollama (http://127.0.0.1:{ollama.port}): it answers, and lists" in out
    assert "nothing is broken" in out
    assert_no_secret(out)


async def test_upstreams_in_trouble(tmp_path: Path) -> None:
    """Each with its own words: nobody there, a key that is refused, a name, a certificate, a model that is not there, no list, an error."""

    async def missing(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")

    async def failing(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n{}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "self-signed.pem")

    def at(url: str, **more: Any) -> dict[str, Any]:
        return {"defaults": {"api_type": "openai", "api_host": url, **more}, "m": {}}

    async with (
        OpenAIDouble(UPSTREAM_KEY) as openai,
        OllamaDouble() as ollama,
        Peer(missing) as other,
        Peer(failing) as down,
        Peer(missing, tls=context) as secure,
    ):
        config = {
            "nobody": at(refused_url() + "/v1"),
            "keyless": at(openai.base, api_token="wrong"),
            "unknown": at("http://no-such-host.invalid/v1"),
            "untrusted": at(f"{secure.url}/v1"),
            "listless": at(f"{other.url}/v1"),
            "down": at(f"{down.url}/v1"),
            "elsewhere": at(openai.base, api_token=UPSTREAM_KEY),
            "ollama": {"defaults": {"api_host": ollama.url}, "not-pulled": {}},
        }
        flags = given(tmp_path, config)
        findings = await found(flags)
    grades = {name: the(findings, f"{name} (").grade for name in config}
    assert grades == {
        **dict.fromkeys(("nobody", "keyless", "unknown", "untrusted", "down"), "broken"),
        **dict.fromkeys(("listless", "elsewhere", "ollama"), "note"),
    }
    assert the(findings, "nobody (").words == "nobody listens there"
    assert the(findings, "keyless (").words == "it refuses our key"
    assert "not known here" in the(findings, "unknown (").words
    assert "certificate is not trusted" in the(findings, "untrusted (").words
    assert "ollama pull not-pulled" in the(findings, "ollama (").remedy
    assert MODELS[0] in the(findings, "elsewhere (").remedy


async def test_a_port_that_a_gateway_of_ours_has(tmp_path: Path) -> None:
    """That is fine; what another program has is not, if it was asked for."""
    (tmp_path / "run").mkdir()
    async with RunningGateway(tmp_path / "run", {"demo": {"demo": {}}}) as gateway:
        port = gateway.origin.rpartition(":")[2]
        one = the(await found(given(tmp_path, {"demo": {"demo": {}}}, port=port)), f"port {port}")
        assert one.grade == "ok"
        assert f"generation {gateway.service.registry.current.version}" in one.words
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        one = the(await found(given(tmp_path, {"demo": {"demo": {}}}, port=port)), f"port {port}")
    assert one.grade == "broken"
    assert "taken by" in one.words


def test_a_port_that_was_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the usual one is taken the next one would be used: a note."""
    monkeypatch.setattr(places, "gateway_at", lambda port, secure: "")
    one = places._busy("port 8080", "PORT", 8080, Settings.read({}))
    assert (one.grade, "the next free one" in one.words) == ("note", True)


@pytest.mark.parametrize(
    ("env", "config", "subject", "words"),
    [
        ({"LLM_PROXY_API_PORT": "many"}, "{}", "LLM_PROXY_API_PORT", "is not a whole number"),
        ({}, '{"demo": {"demo": {"weigth": 1}}}', "configuration", "weigth"),
        ({"HTTPS_PROXY": "ftp://u:pl4nted@h"}, "{}", "environment", "HTTPS_PROXY"),
        ({"LLM_PROXY_API_TLS_CERT": "/nowhere.pem"}, "{}", "LLM_PROXY_API_TLS_CERT", "nowhere.pem"),
        ({"LLM_PROXY_API_STATE": "/proc/1/x"}, "{}", "LLM_PROXY_API_STATE", "cannot be written"),
    ],
)
async def test_broken_beforehand(
    env: dict[str, str],
    config: str,
    subject: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Settings, the configuration, variables and files are judged as a start would judge them."""
    if "STATE" in subject:
        monkeypatch.setattr("llm_proxy.cli.doctor.machine.os.access", lambda path, mode: False)
    flags = given(tmp_path, config)
    if "PORT" in subject:
        del flags["port"]
    one = (await found(flags, env))[subject]
    assert one.grade == "broken"
    assert words in one.words
    assert "pl4nted" not in one.words


@pytest.mark.parametrize(("name", "grade"), [("good.pem", "ok"), ("expired.pem", "broken")])
def test_the_certificate(name: str, grade: str) -> None:
    """When it ends is read from the file."""
    settings = Settings.read({"LLM_PROXY_API_TLS_CERT": str(TLS / name)})
    (one,) = places._certificate(settings)
    assert one.grade == grade, one


async def test_beyond_loopback(tmp_path: Path) -> None:
    """Without keys everybody may ask, and other names of the gateway would be refused."""
    findings = await found(given(tmp_path, {"demo": {"demo": {}}}, host="0.0.0.0", port="0"))
    assert the(findings, "who may ask").grade == "note"
    assert "ALLOWED_HOSTS" in the(findings, "names of this gateway").remedy


async def test_settings_that_mean_nothing(tmp_path: Path) -> None:
    """A misspelt variable is a note, with the one that is meant."""
    findings = await found(
        given(tmp_path, {"demo": {"demo": {}}}),
        {"LLM_PROXY_API_PRT": "1", "HTTPS_PROXY": "http://u:pl4nted@p:1"},
    )
    assert "LLM_PROXY_API_PORT" in findings["settings"].words
    assert findings["proxies"].words.startswith("set: HTTPS_PROXY;")


@pytest.mark.parametrize(
    ("soft", "hard", "grade"),
    [(1024, 20, "broken"), (1024, 1024, "note"), (1024, 65536, "ok"), (1024, -1, "ok")],
)
def test_descriptors(soft: int, hard: int, grade: str) -> None:
    """What may be opened, as ``ulimit -n`` says it."""
    assert machine._descriptors(soft, hard).grade == grade


def test_file_watches(tmp_path: Path) -> None:
    """Too few instances, too few watches, enough, or a system without any."""
    limits = tmp_path / "proc/sys/fs/inotify"
    settings = Settings.read({"LLM_PROXY_API_PROMPTS_DIR": str(tmp_path)})
    assert [one.grade for one in machine._inotify(settings, tmp_path)] == ["note"]
    for instances, watches, grades in (
        ("128", "8192", ["ok"]),
        ("0", "8192", ["note"]),
        ("128", "3", ["note"]),
    ):
        put(limits / "max_user_instances", instances)
        put(limits / "max_user_watches", watches)
        assert [one.grade for one in machine._inotify(settings, tmp_path)] == grades
    assert machine._instances(Path("/")) >= 0


def test_clocks() -> None:
    """One that is years behind is broken; so is one that is minutes off those of most upstreams."""
    assert machine._clock(0.0).grade == "broken"
    assert machine._clock(time.time()).grade == "ok"
    for drifts, grades in (
        ([], []),
        ([0.2, 900.0, 1.0], ["ok"]),
        ([-90.0], ["note"]),
        ([400.0, 500.0], ["broken"]),
    ):
        assert [one.grade for one in upstreams._clock(drifts)] == grades


def test_the_flags_are_those_of_serve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the command line, too; exit status 1 if something is broken."""
    flags = given(tmp_path, "{")
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]
    assert program.main(["doctor", *arguments]) == 1
    out = capsys.readouterr().out
    assert "BROKEN  configuration: " in out
    assert "1 broken" in out
