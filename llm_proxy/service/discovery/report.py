"""What a start says to somebody who has configured nothing: what was found, what was not and why, and what to do next.

Laws: pure; as plain lines for people, as facts for a log in JSON and for ``/status``. No key is ever part of it.
"""

from __future__ import annotations

import json
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.service.discovery.cloud import CloudKey
from llm_proxy.service.discovery.kinds import usual_at
from llm_proxy.service.discovery.rounds import Known

#: Names of models that do not chat.
_SILENT = ("embed", "rerank", "whisper", "bge-", "tts", "minilm", "clip", "diffusion", "flux")
_WIDTH = 110
_OFF = "LLM_PROXY_API_DISCOVER=0: nobody looks"
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Found:
    """All that is told. ``local``: the model that we run, and why not if it was asked for and is not there; ``notes``: what
    else is to be known, a sentence each."""

    known: Mapping[int, Known]
    keys: tuple[CloudKey, ...] = ()
    with_cloud: bool = False
    local: str = ""
    local_problem: str = ""
    notes: tuple[str, ...] = ()

    @property
    def servers(self) -> list[Known]:
        """Those that are used, in the order of their ports' table."""
        return [one for one in self.known.values() if one.at.state == "found"]

    @property
    def model(self) -> str:
        """The one to try first."""
        if self.local:
            return self.local
        names = [name for one in self.servers for name in one.at.models]
        chatting = [name for name in names if not any(word in name.lower() for word in _SILENT)]
        return next(iter(chatting), "demo")


@dataclass(frozen=True, slots=True)
class Next:
    """What to do next: ``url`` with the prefix, the console's address if there is one, whether keys are asked for; ``init``: the
    command that writes down what was found."""

    url: str
    console: str = ""
    keys: bool = False
    init: str = "llm-proxy init"


def curl(model: str, where: Next) -> list[str]:
    """A request that streams an answer, in two lines."""
    socket = where.url.partition("unix:")[2]
    place = f"--unix-socket {shlex.quote(socket)} http://localhost/api" if socket else where.url
    key = ' -H "Authorization: Bearer $LLM_PROXY_API_KEY"' if where.keys else ""
    asked = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    body = json.dumps(asked, ensure_ascii=False)
    return [
        f"curl -N {place}/chat -H 'Content-Type: application/json'{key} \\",
        f"  -d {shlex.quote(body)}",
    ]


def listing(found: Found) -> list[str]:
    """What was found, and what was not and why, a line or more for each."""
    rows = _local_row(found)
    rows += [("found", *_server(one)) for one in found.servers]
    rows += [("not", *_unused(one)) for one in found.known.values() if _is_told(one)]
    rows += _absent(found)
    rows += [_key(key, found.with_cloud) for key in found.keys]
    rows += [("note", "", "", note) for note in found.notes]
    return _columns(rows)


def table(found: Found, where: Next, *, looked: bool = True) -> list[str]:
    """For people. ``looked``: whether servers were looked for."""
    lines = ["", *([f"On this machine ({_OFF}):", ""] if looked else []), *listing(found)]
    lines += ["", f"Try it ({found.model}):", "", *("  " + line for line in curl(found.model, where)), ""]
    hints = [f"{name:<10} {text}" for name, text in _hints(found, where, looked=looked)]
    return [*lines, *hints, *([""] if hints else [])]


def _hints(found: Found, where: Next, *, looked: bool) -> list[tuple[str, str]]:
    hints = [("Console:", where.console)] if where.console else []
    if looked and not found.servers and not found.local and not found.local_problem:
        hints.append(("A model:", "start with --local for a small one (127 MB); demo only echoes"))
    if looked and (found.servers or found.keys):
        hints.append(
            ("Keep it:", f"{where.init}    (writes what was found into a models-config.json of your own)")
        )
    return hints


def _local_row(found: Found) -> list[tuple[str, str, str, str]]:
    if found.local:
        return [
            (
                "found",
                "local model",
                "",
                f"{found.local} (SmolLM2-135M-Instruct: small, quick and often wrong)",
            )
        ]
    if found.local_problem:
        return [("not", "local model", "", found.local_problem)]
    return []


def _server(one: Known) -> tuple[str, str, str]:
    models = one.at.models
    shown = ", ".join(models[:_SHOWN]) + (f" and {len(models) - _SHOWN} more" if models[_SHOWN:] else "")
    title = one.at.kind.title if one.at.kind else ""
    return title, one.at.address, f"{_count(len(models), 'model')}: {shown}"


def _unused(one: Known) -> tuple[str, str, str]:
    return one.at.kind.title if one.at.kind else "", one.at.address, _reason(one)


def _reason(one: Known) -> str:
    return "does not answer within 300 ms" if one.at.state == "silent" else one.at.reason


def _is_told(one: Known) -> bool:
    return one.at.state in ("unused", "silent")


def _absent(found: Found) -> list[tuple[str, str, str, str]]:
    """Where nobody listens, in one row."""
    ports = [one.at.port for one in found.known.values() if one.at.state == "nothing"]
    words = ", ".join(f"{usual_at(port)} {port}".strip() for port in ports)
    return [("not", "", "", f"nothing listens at: {words}")] if ports else []


def _key(key: CloudKey, used: bool) -> tuple[str, str, str, str]:
    if key.reason:
        return "key", key.variable, "", f"not used: {key.reason}"
    if used:
        return "key", key.variable, "", f"used: every model of {key.provider}"
    return "key", key.variable, "", f"not used, as {key.provider} costs money: --with-cloud"


def _columns(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    """The rows with their cells below each other; what is too long goes on in its last column."""
    first = max((len(row[1]) for row in rows if row[2]), default=0)
    second = max((len(row[2]) for row in rows), default=0)
    lines = []
    for state, title, address, text in rows:
        if address and not title:
            title, address = address, ""
        if address:
            head = f"  {state:<5}  {title:<{first}}  {address:<{second}}  "
        else:
            head = f"  {state:<5}  " + (f"{title}  " if title else "")
        wrapped = textwrap.wrap(text, max(40, _WIDTH - len(head)), break_on_hyphens=False) or [""]
        lines += [head + wrapped[0], *(" " * len(head) + line for line in wrapped[1:])]
    return lines


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def facts(found: Found) -> dict[str, Any]:
    """For ``/status``."""
    servers = [
        {
            "provider": one.name,
            "server": one.at.kind.title if one.at.kind else "",
            "address": one.at.address,
            "models": len(one.at.models),
        }
        for one in found.servers
    ]
    others = [
        {"server": _unused(one)[0], "address": one.at.address, "problem": _reason(one)}
        for one in found.known.values()
        if _is_told(one)
    ]
    keys = [{"variable": key.variable, "used": found.with_cloud and not key.reason} for key in found.keys]
    local = {"model": found.local or None, "problem": found.local_problem or None}
    return {"servers": servers, "unused": others, "keys": keys, "local": local}
