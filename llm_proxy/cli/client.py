"""``llm-proxy client NAME``: what a program must be told to ask this gateway; ``--write`` merges it into the program's own files.

Laws: without ``--write`` nothing is written; with it each file that changes has a copy of how it was beside it, and a second time changes
nothing. A key that stands in a file stays, unless ``--key`` gives another, and no key that was read is ever printed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_proxy.cli.asking import Address, NoAnswerError, why
from llm_proxy.cli.merging.merge import merge
from llm_proxy.cli.merging.values import MergeError
from llm_proxy.faces.programs.table import PROGRAMS, told
from llm_proxy.faces.programs.values import NO_KEY, File, Gateway, Program
from llm_proxy.live.config.report import did_you_mean
from llm_proxy.live.files import read_regular, reason
from llm_proxy.settings import KEY_VARIABLE, Settings, SettingsError, environment
from llm_proxy.wire.listen_on import Places

#: What stands for a model whose name nobody said.
_SOME_MODEL = "MODEL"
_PATIENCE = 3.0
#: Addresses to listen on that are none to ask.
_ANY = ("0.0.0.0", "::")  # noqa: S104 (nothing is bound)
_MAX_BYTES = 4 * 1024 * 1024


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy client``."""
    parser.add_argument(
        "name", metavar="PROGRAM", nargs="?", help="such as claude-code; without it: all of them"
    )
    parser.add_argument(
        "--url", metavar="URL", help="the gateway; default: where the settings say that it listens"
    )
    parser.add_argument("--model", metavar="NAME", help="default: the first that the gateway lists")
    parser.add_argument(
        "--key",
        metavar="KEY",
        help=f'the key for the gateway; default "{NO_KEY}", which does where none is asked for',
    )
    parser.add_argument(
        "--write", action="store_true", default=None, help="merge it into the program's files, with a backup"
    )


def client(given: Mapping[str, Any]) -> int:
    """Print it, or write it; returns the exit status."""
    if "name" not in given:
        print(_all())
        return 0
    program = PROGRAMS.get(given["name"])
    if program is None:
        near = did_you_mean(given["name"], PROGRAMS)
        return _fail(
            f"there is no program {given['name'][:60]!r} here{near} ('llm-proxy client' shows all)", 2
        )
    env = environment()
    try:
        url = given["url"] if "url" in given else _own_url(Settings.read(env))
    except SettingsError as error:
        return _fail(str(error), 2)
    model, note = given.get("model"), ""
    if model is None:
        try:
            model, note = _first_model(url, env.get(KEY_VARIABLE, ""))
        except NoAnswerError as error:
            if "write" in given:
                return _fail(f"{url}: {error}; start the gateway, or say --url and --model", 2)
            model, note = _SOME_MODEL, f"{error}: put the name of a model in the place of {_SOME_MODEL}"
    gateway = Gateway(_root(url), model, given.get("key", NO_KEY))
    if "write" in given:
        return _write(program, gateway, env, keep_secrets="key" not in given)
    print(_shown(program, gateway, note))
    return 0


def _all() -> str:
    lines = ["Settings for these programs; 'llm-proxy client PROGRAM' prints them:", ""]
    groups = {"agent": "Agents", "chat": "Chats", "library": "Libraries and tools"}
    wide = max(map(len, PROGRAMS)) + 2
    for group, title in groups.items():
        lines.append(f"{title}:")
        for program in PROGRAMS.values():
            if program.group == group:
                mark = "" if program.files else "  (nothing to --write)"
                lines.append(
                    f"  {program.id:{wide}}{program.name:22}{program.speaks}{mark * (group != 'library')}"
                )
        lines.append("")
    return "\n".join(lines).rstrip()


def _own_url(settings: Settings) -> str:
    """Where a gateway with these settings listens, as somebody on this machine says it."""
    hosts = Places.of(settings.host).hosts
    host = hosts[0] if hosts and hosts[0] not in _ANY else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    return f"http{'s' if settings.tls_cert else ''}://{host}:{settings.port or 8080}"


def _root(url: str) -> str:
    """The root of the gateway, whatever path of it somebody gave."""
    url = (url if "://" in url else f"http://{url}").rstrip("/")
    return url.removesuffix("/v1").rstrip("/")


def _first_model(url: str, key: str) -> tuple[str, str]:
    """The first model there, and the names of the others. Raises ``NoAnswerError``."""
    try:
        address = Address.of(_root(url), key)
        status, data = address.get(address.base + "/v1/models", _PATIENCE)
        if status in (401, 403):
            raise NoAnswerError(f"it asks for a key: set {KEY_VARIABLE}, or say --model")
        if status != 200:
            raise NoAnswerError(f"no gateway answers there (status {status})")
        names = [str(row["id"]) for row in json.loads(data)["data"]]
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"no gateway answers there ({why(error)})") from None
    except (ValueError, KeyError, TypeError):
        raise NoAnswerError("what answers there is no gateway") from None
    if not names:
        raise NoAnswerError("the gateway has no model yet")
    more = ", ".join(names[1:6]) + (", ..." if len(names) > 6 else "")
    return names[0], f"other models there: {more}" if more else ""


def _shown(program: Program, gateway: Gateway, note: str) -> str:
    facts = told(program, gateway)
    lines = [f"{program.name} at {gateway.url}, model {gateway.model} ({program.speaks})"]
    for part in facts["parts"]:
        lines += ["", f"{part['title']}:" if part["title"] else "In a shell:", ""]
        lines += [f"  {line}".rstrip() for line in part["text"].splitlines()]
    after = []
    if program.files:
        after.append(f"llm-proxy client {program.id} --write merges this into what is there.")
    if facts["start"]:
        after.append(f"Then: {facts['start']}")
    notes = [*program.notes, *([f"{note[0].upper()}{note[1:]}."] if note else [])]
    if gateway.key == NO_KEY and facts["parts"] != told(program, replace(gateway, key=""))["parts"]:
        notes.append(f'"{NO_KEY}" stands for a key: put yours there where the gateway asks for one.')
    wrapped = [line for text in notes for line in textwrap.wrap(text, 79)]
    return "\n".join([*lines, *([""] if after else []), *after, *([""] if wrapped else []), *wrapped])


def _write(program: Program, gateway: Gateway, env: Mapping[str, str], *, keep_secrets: bool) -> int:
    files = [setting for setting in program.settings(gateway) if isinstance(setting, File)]
    if not files:
        return _fail(f"{program.name} has no file for this; 'llm-proxy client {program.id}' prints it", 1)
    merged = []
    for file in files:  # all are read and judged before the first is written
        path = place_of(file, env)
        try:
            before = read_regular(path, _MAX_BYTES).decode() if path.exists() else None
            merged.append((path, before, merge(before, file, keep_secrets)))
        except (MergeError, UnicodeDecodeError, OSError) as error:
            text = reason(error) if isinstance(error, OSError) else str(error)
            return _fail(
                f"{path}: {text if not isinstance(error, UnicodeDecodeError) else 'is not UTF-8'}", 1
            )
    for path, before, after in merged:
        if after == before:
            print(f"unchanged: {path}")
            continue
        try:
            backup = _replace(path, after)
        except OSError as error:
            return _fail(f"{path}: {reason(error)}", 1)
        print(f"written: {path}" + (f" (as it was: {backup.name})" if backup else ""))
    print(
        f"{program.name} now asks {gateway.url}, model {gateway.model}. Start it with: {program.start(gateway)}"
    )
    return 0


def place_of(file: File, env: Mapping[str, str]) -> Path:
    """Where the file is, for whoever has this environment."""
    variable, inside = file.home
    if variable and env.get(variable):
        return Path(env[variable]) / inside
    return Path(env.get("HOME") or Path.home()) / file.path.removeprefix("~/")


def _replace(path: Path, text: str) -> Path | None:
    """In one step; what was there is copied beside it first. Its mode stays; a new file, which may hold a key, is the owner's."""
    path = path.resolve()  # a link stays one
    path.parent.mkdir(parents=True, exist_ok=True)
    backup, mode = None, 0o600
    if path.exists():
        mode = path.stat().st_mode & 0o7777
        backup = path.with_name(f"{path.name}.bak-{time.strftime('%Y%m%d-%H%M%S')}")
        number = 1
        while backup.exists():
            number += 1
            backup = backup.with_name(f"{path.name}.bak-{time.strftime('%Y%m%d-%H%M%S')}-{number}")
        shutil.copy2(path, backup)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return backup


def _fail(text: str, status: int) -> int:
    print(f"llm-proxy: {text}", file=sys.stderr)
    return status
