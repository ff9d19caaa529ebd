"""``llm-proxy key new | rotate | list | remove``: the keys of access.json.

A key is printed once, on standard output, and is written nowhere; what is kept is its hash. With ``--write`` the file is
edited in one step; without, the row is printed for whoever edits it. A gateway that runs sees the edit by itself.
"""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llm_proxy.live.access.edit import EditError, added, edit, removed, rotated, unfit
from llm_proxy.live.access.loader import MAX_BYTES, load_access
from llm_proxy.live.access.secrets import digest_of, hash_text, new_key
from llm_proxy.live.access.terms import LONGEST
from llm_proxy.live.access.values import Access
from llm_proxy.live.access.words import rows_of
from llm_proxy.live.config.checks import name as judged_name
from llm_proxy.live.config.report import ConfigError
from llm_proxy.live.files import read_regular, reason
from llm_proxy.settings import Settings, SettingsError, environment
from llm_proxy.telemetry import log as logs

log = logging.getLogger("llm_proxy.audit")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy key``."""
    commands = parser.add_subparsers(dest="what", required=True, metavar="new | rotate | list | remove")
    for what, text in (
        ("new", "make a key, print it once"),
        ("rotate", "make a new text for a key; the old one stays valid until the next time"),
        ("list", "the keys of the file, without their hashes"),
        ("remove", "take a key out of the file"),
    ):
        command = commands.add_parser(what, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument(
            "--access", metavar="FILE", help="the file of the keys; default LLM_PROXY_API_ACCESS"
        )
        if what == "list":
            command.add_argument("--format", choices=("table", "jsonl"), default="table")
            continue
        command.add_argument("name", metavar="NAME", help="what the key is called; it is no secret")
        if what == "remove":
            continue
        command.add_argument("--write", action="store_true", help="edit the file")
        if what == "new":
            command.add_argument("--team", metavar="TEAM", help="a team of the file, whose rules hold too")
            command.add_argument("--models", metavar="NAMES", nargs="+", help="names and patterns")
            command.add_argument("--budgets", metavar="NAMES", nargs="+", help="budgets of the file")
            command.add_argument("--expires", metavar="DATE", help="such as 2027-01-31")
            command.add_argument(
                "--priority", choices=("interactive", "default", "bulk"), help="who is served first"
            )
            command.add_argument(
                "--admin", choices=("read", "write"), help="opens status, usage and the console"
            )
            command.add_argument(
                "--passthrough", action="store_true", default=None, help="opens /passthrough"
            )


def key(given: Mapping[str, Any]) -> int:
    """Do it; returns the exit status."""
    try:
        settings = Settings.read(environment(), {"access": given["access"]} if "access" in given else {})
    except SettingsError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    path = settings.access_file
    try:
        if given["what"] == "list":
            _list(load_access(read_regular(path, MAX_BYTES), path.name), given["format"])
        else:
            _DO[given["what"]](path, given, settings)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    except EditError as error:
        print(f"llm-proxy: {f'--{error.field}: ' if error.field in _FIELDS else ''}{error}", file=sys.stderr)
        return 1
    except FileNotFoundError:
        print(f"llm-proxy: there is no {path}; 'llm-proxy key new NAME --write' makes it", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"llm-proxy: {reason(error)}", file=sys.stderr)
        return 1
    return 0


_FIELDS = ("team", "models", "budgets", "expires", "priority", "admin", "passthrough")


def _new(path: Path, given: Mapping[str, Any], settings: Settings) -> None:
    secret, name = new_key(), given["name"]
    row = {"hash": hash_text(digest_of(secret))} | {
        field: given[field] for field in _FIELDS if given.get(field)
    }
    _judge(name, row)
    if given.get("write"):
        edit(path, name, lambda text: added(text, name, row))
        _tell(settings, f"key {name}: added", path)
    print(secret)
    if not given.get("write"):
        print(f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(row, ensure_ascii=False)}")


def _judge(name: str, row: Mapping[str, Any]) -> None:
    """See whether the row is a good one, but for what it refers to. Raises ``EditError``."""
    added("{}", name, row)
    try:
        judged_name(name, limit=LONGEST)
    except ValueError as error:
        raise EditError(f"NAME: {error}") from None
    try:
        alone = {**row, "team": None, "budgets": None}
        found = load_access(json.dumps({"keys": {name: alone}}).encode(), "")
    except ConfigError as error:
        raise unfit(error, name) from None
    ((_, terms),) = found.keys.values()
    if terms.expires <= datetime.now(UTC).timestamp():
        raise EditError("that is over: the key would never be valid", "expires")


def _rotate(path: Path, given: Mapping[str, Any], settings: Settings) -> None:
    if not path.exists():
        raise FileNotFoundError(path)
    secret, name = new_key(), given["name"]
    newest = hash_text(digest_of(secret))
    if given.get("write"):
        edit(path, name, lambda text: rotated(text, name, newest))
        _tell(settings, f"key {name}: hash changed", path)
        print(secret)
        return
    data = read_regular(path, MAX_BYTES)
    load_access(data, path.name)  # as with --write
    text = rotated(data.decode(), name, newest)
    row = json.loads(text)["keys"][name]
    print(secret)
    print(f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(row, ensure_ascii=False)}")


def _remove(path: Path, given: Mapping[str, Any], settings: Settings) -> None:
    if not path.exists():
        raise FileNotFoundError(path)
    edit(path, given["name"], lambda text: removed(text, given["name"]))
    _tell(settings, f"key {given['name']}: removed", path)


_DO: dict[str, Callable[[Path, Mapping[str, Any], Settings], None]] = {
    "new": _new,
    "rotate": _rotate,
    "remove": _remove,
}


def _tell(settings: Settings, what: str, path: Path) -> None:
    """For whoever audits: in the service's log file, if it has one, and on standard error."""
    print(what, file=sys.stderr)
    if settings.log_filename:
        logs.setup_direct("INFO", str(settings.log_format), settings.log_filename)
        log.info("command", extra={"change": what, "file": path.name, "user": getpass.getuser()})


def _list(access: Access, form: str) -> None:
    now = datetime.now(UTC).timestamp()
    rows = []
    for name, (digests, terms) in rows_of(access).items():
        state = "off" if not terms.active else "expired" if terms.expires <= now else "valid"
        facts = {
            "name": name,
            "team": terms.team,
            "state": state,
            "expires": terms.expires_text,
            "admin": terms.admin,
            "hashes": len(digests),
            "models": "all" if terms.models is None else " ".join(terms.models) or "none",
        }
        rows.append(facts)
    if form == "jsonl":
        for facts in rows:
            print(json.dumps(facts, ensure_ascii=False))
        return
    print(table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of the same fields in columns."""
    if not rows:
        return "none"
    names = list(rows[0])
    texts = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in texts) for at in range(len(names))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in texts
    )
