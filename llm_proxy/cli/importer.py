"""``llm-proxy import SOURCE FILE``: another program's configuration as ours, with a report of every field.

Laws: what is written passes ``llm-proxy check``, once the variables that the report names are set; what exists is not overwritten; the source is only
read, and no key of it is printed or copied.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_proxy.cli.asking import Address, NoAnswerError, why
from llm_proxy.cli.importing.draft import Draft
from llm_proxy.cli.importing.reading import SourceError
from llm_proxy.cli.importing.report import report
from llm_proxy.cli.importing.sources import BY_WORD, Asked, Source, drafted
from llm_proxy.cli.importing.upstreams import api_types
from llm_proxy.live.access.loader import load_access
from llm_proxy.live.config.loader import ConfigError, load_config
from llm_proxy.live.files import read_regular, reason
from llm_proxy.settings import environment

_MAX_BYTES = 16 * 1024 * 1024
_PATIENCE = 5.0
_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONFIG, _ACCESS = Path("models-config.json"), Path("access.json")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy import``."""
    parser.add_argument("source", metavar="SOURCE", choices=BY_WORD, help=", ".join(BY_WORD))
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="its configuration, - for standard input; without one an Ollama is asked",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="default ./models-config.json, with ./access.json beside it; - prints",
    )
    parser.add_argument("--at", metavar="URL", help="where llama-swap or the Ollama listens")
    parser.add_argument(
        "--direct", action="store_true", default=None, help="llama-swap: ask each model's own address instead"
    )


def run(given: Mapping[str, Any]) -> int:
    """Read, write, report; returns the exit status."""
    source = BY_WORD[given["source"]]
    prints = given.get("output") == "-"
    config_path = _CONFIG if prints or "output" not in given else Path(given["output"])
    access_path = config_path.with_name(_ACCESS.name)
    if not prints and config_path.exists():
        return _fail(f"{config_path}: exists already; say --output, or - to print", 1)
    try:
        text, name, at = _source_text(source, given)
        draft = drafted(source, text, Asked(at, "direct" in given))
    except (SourceError, OSError) as error:
        what = reason(error) if isinstance(error, OSError) else f"{given.get('file', 'FILE')}: {error}"
        return _fail(what, 1)
    if not draft.models:
        for line in report(draft):
            print(line, file=sys.stderr)
        return _fail(f"{name}: no model of it can be served, so nothing is written", 1)
    config = text_of(draft.config(f"Imported from {source.name} ({name}) by llm-proxy import."))
    access = text_of(draft.access) if draft.access else ""
    for variable in _VARIABLE.findall(config):
        draft.variables.setdefault(variable, "a part of the configuration")
    try:
        judge(config, access)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return _fail("what was made of it is not sound, so nothing is written: please report this", 1)
    if prints:
        print(config, end="")
        if access:
            print(access, end="")
        _say(source, name, draft, sys.stderr)
        return 0
    if access and access_path.exists():
        return _fail(f"{access_path}: exists already; say --output in another folder, or - to print", 1)
    try:
        written = [
            _write(path, words) for path, words in ((config_path, config), (access_path, access)) if words
        ]
    except OSError as error:
        return _fail(reason(error), 1)
    _say(source, name, draft, sys.stdout)
    flags = f"--models-config {config_path}" + (f" --access {access_path}" if access else "")
    print(f"\nWritten: {', '.join(written)}. Next:\n  llm-proxy check {flags}\n  llm-proxy serve {flags}")
    return 0


def _source_text(source: Source, given: Mapping[str, Any]) -> tuple[str, str, str]:
    """The source's text, what it is called, and where it listens. Raises ``SourceError`` or ``OSError``."""
    file, at = given.get("file"), given.get("at", "")
    if source.name == "Ollama" and (file is None or "://" in file):
        at = file or at or environment().get("OLLAMA_HOST") or "http://127.0.0.1:11434"
        at = at if "://" in at else f"http://{at}"
        at = at.replace("//0.0.0.0", "//127.0.0.1")
        return _tags(at), at, at
    if file is None:
        raise SourceError(f"say which file: llm-proxy import {given['source']} {source.file}")
    if file == "-":
        return sys.stdin.read(_MAX_BYTES), "standard input", at
    try:
        return read_regular(Path(file), _MAX_BYTES).decode("utf-8-sig"), Path(file).name, at
    except UnicodeDecodeError:
        raise SourceError("is not UTF-8") from None


def _tags(url: str) -> str:
    try:
        address = Address.of(url, "")
        status, data = address.get(f"{address.base}/api/tags", _PATIENCE)
    except NoAnswerError as error:
        raise SourceError(str(error)) from None
    except (OSError, http.client.HTTPException) as error:
        raise SourceError(f"no Ollama answers at {url} ({why(error)})") from None
    if status != 200:
        raise SourceError(f"no Ollama answers at {url} (status {status})")
    return data.decode("utf-8", "replace")


def judge(config: str, access: str) -> None:
    """As a start would, with every variable and file that it names there. Raises ``ConfigError``."""
    document = json.loads(config)
    for rows in document.values():
        for row in rows.values() if isinstance(rows, dict) else ():
            for name in ("ca", "client_cert", "client_key") if isinstance(row, dict) else ():
                row.pop(name, None)  # files of another day
    load_config(
        json.dumps(document).encode(),
        source=_CONFIG.name,
        api_types=api_types(),
        env=_Anything(),
        read_file=lambda path: b"x",
        max_total=None,
    )
    if access:
        load_access(access.encode(), _ACCESS.name)


class _Anything(dict[str, str]):
    """An environment in which every variable is set, to something that may be an address and may be a key."""

    def get(self, name: str, default: Any = None) -> Any:
        return "http://127.0.0.1:9"


def text_of(value: Mapping[str, Any]) -> str:
    """Two levels in lines, what is below in one line where it fits: as people write it."""
    lines = []
    for name, rows in value.items():
        if not isinstance(rows, Mapping) or not rows:
            lines.append(f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(rows, ensure_ascii=False)}")
            continue
        inner = [
            f"    {json.dumps(key, ensure_ascii=False)}: {json.dumps(row, ensure_ascii=False)}"
            for key, row in rows.items()
        ]
        lines.append(f"  {json.dumps(name, ensure_ascii=False)}: {{\n" + ",\n".join(inner) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _write(path: Path, text: str) -> str:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return str(path)


def _say(source: Source, name: str, draft: Draft, where: Any) -> None:
    models, providers = len(draft.models), len(draft.providers)
    count = f"{models} model{'s' * (models != 1)} at {providers} provider{'s' * (providers != 1)}"
    print(f"{source.name}, {name}: {count}", file=where)
    for line in report(draft):
        print(line, file=where)


def _fail(text: str, status: int) -> int:
    print(f"llm-proxy: {text}", file=sys.stderr)
    return status
