"""``llm-proxy init``: look which model servers run on this machine, and write a ``models-config.json`` for them.

Laws: what exists is never written over; keys are written as ``${NAME}``, never themselves; what is written is what the
loader takes. Exit status 0, or 1 if there is such a file or it cannot be written, 2 for malformed settings.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_proxy.live.config.loader import ConfigError, load_config
from llm_proxy.live.state.snapshot import api_types
from llm_proxy.service.configuration_sources import sources_of
from llm_proxy.service.discovery import cloud
from llm_proxy.service.discovery.discovery import Discovery
from llm_proxy.service.discovery.report import Found, listing
from llm_proxy.service.discovery.rounds import Known, providers
from llm_proxy.settings import Settings, SettingsError, environment

_USUAL = "models-config.json"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy init``."""
    parser.add_argument(
        "--output", metavar="FILE", default=_USUAL, help=f"where to write; - prints ({_USUAL})"
    )
    parser.add_argument(
        "--with-cloud",
        action="store_true",
        default=None,
        help="also the vendors whose keys are in the environment, which costs money when they are asked",
    )


def init(flags: Mapping[str, Any]) -> int:
    """Look, and write; returns the exit status."""
    env = environment()
    try:
        settings = Settings.read(env, {"with_cloud": "1"} if "with_cloud" in flags else {})
    except SettingsError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    output = flags["output"]
    if output != "-" and Path(output).exists():
        return _refuse(f"{output} exists, and is not written over (--output names another file, - prints)")
    discovery = Discovery(settings.discover if isinstance(settings.discover, tuple) else (), env)
    if settings.discover is not False:
        asyncio.run(_look(discovery))
    notes = (discovery.note,) if discovery.note else ()
    found = Found(discovery.known, cloud.keys_in(env), settings.with_cloud, notes=notes)
    for line in listing(found):
        print(line, file=sys.stderr)
    document = document_of(found, time.strftime("%Y-%m-%d"))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        _judge(text, settings, env)
        if output == "-":
            print(text, end="")
            return 0
        with open(output, "x", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ConfigError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _refuse(f"{output} cannot be written: {reason}")
    print(f"\nwritten: {output}; run it with --models-config {output}", file=sys.stderr)
    return 0


async def _look(discovery: Discovery) -> None:
    await discovery.first(frozenset())
    discovery.stop()


def document_of(found: Found, day: str) -> dict[str, Any]:
    """What is written."""
    about = [
        f"Written by llm-proxy init on {day}, from what ran on this machine. provider -> model -> default options.",
        "Edits take effect while the gateway runs. docs/configuration.md tells every field; llm-proxy check judges the file.",
    ]
    document: dict[str, Any] = {"$comment": about}
    rows = providers(found.known)
    named = {one.name: one for one in found.servers}
    for name, row in rows.items():
        document[name] = {"$comment": _about(named[name]), **row}
    for key in found.keys:
        if found.with_cloud and not key.reason:
            row = cloud.rows_of((key,))[key.provider]
            about_key = f"Each model that {key.provider} lists; the key comes from the environment."
            document.setdefault(key.provider, {"$comment": about_key, **row})
        else:
            why = key.reason or "llm-proxy init --with-cloud adds it; asking it costs money"
            document[f"$comment {key.provider}"] = f"{key.variable} is set, and not used here: {why}"
    if not any(not name.startswith("$") for name in document):
        document["demo"] = {
            "$comment": "No server was found. demo needs none, and echoes the question.",
            "demo": {},
        }
    return document


def _about(one: Known) -> str:
    title = one.at.kind.title if one.at.kind else ""
    return f"{title} at {one.at.address}; its models on the day this was written: add and remove as you like."


def _judge(text: str, settings: Settings, env: Mapping[str, str]) -> None:
    """Raises ``ConfigError`` if the loader would not take it."""
    load_config(
        text.encode(),
        source=_USUAL,
        api_types=api_types(sources_of(settings, env)),
        env=env,
        read_file=lambda path: b"",
        max_total=None,
    )


def _refuse(why: str) -> int:
    print(f"llm-proxy: {why}", file=sys.stderr)
    return 1
