"""``llm-proxy usage``: what was used, as a table, as CSV or as JSON lines.

Reads the ledger in ``LLM_PROXY_API_STATE``, also while the gateway writes it; with ``--from URL`` it asks a gateway that runs, with the key
in ``LLM_PROXY_API_KEY``.
"""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from handlers.base.usage_report import by_of, since_of
from llm_proxy.cli.asking import NoAnswerError
from llm_proxy.cli.check import ask
from llm_proxy.cli.key import table
from llm_proxy.errors import InvalidRequest
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.ledger import NAME
from llm_proxy.settings import KEY_VARIABLE, PREFIX, Settings, SettingsError, environment


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy usage``."""
    parser.add_argument("--since", default="30d", metavar="TIME", help='"30d", "12h" or a date; default 30d')
    parser.add_argument("--by", default="key,model", metavar="NAMES", help=f"some of {', '.join(tables.BY)}")
    parser.add_argument("--format", choices=("table", "csv", "jsonl"), default="table")
    parser.add_argument("--state", metavar="DIR", help=f"where the ledger is; default {PREFIX}STATE")
    parser.add_argument("--from", dest="url", metavar="URL", help="ask a gateway that runs there instead")


def usage(given: Mapping[str, Any]) -> int:
    """Print it; returns the exit status."""
    env = environment()
    try:
        settings = Settings.read(env, {"state": given["state"]} if "state" in given else {})
        since, by = since_of(given["since"], time.time()), by_of(given["by"])
        rows = _asked(given, settings, env) if "url" in given else _read(settings, since, by)
    except SettingsError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    except InvalidRequest as error:
        print(f"llm-proxy: --{error.message}", file=sys.stderr)
        return 2
    except (NoAnswerError, OSError) as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 1
    _show(rows, given["format"], by)
    return 0


def _asked(given: Mapping[str, Any], settings: Settings, env: Mapping[str, str]) -> list[dict[str, Any]]:
    query = urlencode({"since": given["since"], "by": given["by"]})
    told = ask(given["url"], settings.ep_prefix, f"/usage?{query}", env.get(KEY_VARIABLE, ""))
    rows: Any = told.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NoAnswerError("the answer is not that of a gateway of this version")
    return rows


def _read(settings: Settings, since: float, by: list[str]) -> list[dict[str, Any]]:
    if settings.state is None:
        raise OSError(f"{PREFIX}STATE is not set; --from URL asks a gateway that runs")
    path = settings.state / NAME
    if not path.exists():
        raise OSError(f"there is no ledger at {path}")
    base = sqlite3.connect(path, timeout=5)
    try:
        return tables.usage(base, since, by)
    except sqlite3.Error as error:
        raise OSError(f"{path} cannot be read: {error}") from error
    finally:
        base.close()


def _show(rows: list[dict[str, Any]], form: str, by: list[str]) -> None:
    rows = sorted(rows, key=lambda row: -(row.get("micro_usd") or 0))
    if form == "jsonl":
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
    elif form == "csv":
        names = list(rows[0]) if rows else [*by, *tables.SUMMED]  # a table without rows has its head
        writer = csv.DictWriter(sys.stdout, names)
        writer.writeheader()
        writer.writerows(rows)
    else:
        shown = [
            {("usd" if name == "micro_usd" else name): _text(name, value) for name, value in row.items()}
            for row in rows
        ]
        print(table(shown))


def _text(name: str, value: Any) -> str:
    if name == "micro_usd":
        return f"{(value or 0) / 1_000_000:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
