"""``llm-proxy top``: what a running gateway does, as a table that is drawn anew every few seconds.

Laws: it asks for ``/metrics`` and ``/status``, and nothing else; what is shown is of the time between two looks. Plain ANSI, nothing
where the output is no terminal. A gateway that is away is said so, and asked again.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.asking import Address, NoAnswerError, why
from llm_proxy.cli.metrics_page import Page, read_page
from llm_proxy.cli.top_table import Look, table
from llm_proxy.settings import KEY_VARIABLE, environment

_PATIENCE = 5.0
#: Clear from here to the end of the screen, and of the line; go to the first place.
_HOME, _CLEAR, _REST = "\x1b[H", "\x1b[J", "\x1b[K"


def _interval(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("must be from 0.1 to 3600 seconds")
    return value


def add_flags(parser: argparse.ArgumentParser) -> None:
    """What stands behind ``llm-proxy top``."""
    parser.add_argument(
        "--url",
        metavar="URL",
        default="http://127.0.0.1:8080",
        help="the gateway, or its port of the metrics",
    )
    parser.add_argument(
        "--interval", metavar="SECONDS", type=_interval, default=2.0, help="between two looks (2)"
    )
    parser.add_argument("--once", action="store_true", default=None, help="one table, then end")


def run(given: Mapping[str, Any]) -> int:
    """``top`` with the flags that were given."""
    return top(given["url"], given["interval"], "once" in given, environment())


class Gateway:
    """The one that is looked at. Raises ``NoAnswerError``."""

    def __init__(self, url: str, key: str) -> None:
        self._address = Address.of(url, key)
        self._base = self._address.base.removesuffix("/metrics")

    def ask(self, path: str) -> bytes | None:
        """The answer; None if there is no such path. Raises ``NoAnswerError``."""
        try:
            status, data = self._address.get(self._base + path, _PATIENCE)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(f"no answer: {why(error)}") from error
        if status in (401, 403):
            raise NoAnswerError(
                f"status {status}: it wants the key of an administrator in {KEY_VARIABLE}, or give the port of the metrics"
            )
        return data if status == 200 else None

    def look(self) -> tuple[Page, Mapping[str, Any]]:
        """The numbers and the state. Raises ``NoAnswerError``."""
        data = self.ask("/metrics")
        if data is None:
            raise NoAnswerError("no gateway answers there")
        status: dict[str, Any] = {}
        for path in ("/api/status", "/status"):  # another prefix is given in the address
            found = self.ask(path)
            if found is not None:
                try:
                    status = json.loads(found)
                except ValueError:
                    raise NoAnswerError("no gateway answers there") from None
                break
        return read_page(data.decode("utf-8", "replace")), status


def top(url: str, interval: float, once: bool, env: Mapping[str, str]) -> int:
    """Until interrupted; the exit status."""
    try:
        gateway = Gateway(url, env.get(KEY_VARIABLE, ""))
        page, _ = gateway.look()
    except NoAnswerError as error:
        print(f"llm-proxy: {error}", file=sys.stderr)
        return 2
    draws = sys.stdout.isatty() and not once
    at = time.monotonic()
    try:
        if draws:
            sys.stdout.write(_HOME + _CLEAR)
        while True:
            time.sleep(interval)
            try:
                newer, status = gateway.look()
            except NoAnswerError as error:
                _draw(f"{url}: {error}; trying again", draws)
                continue
            now = time.monotonic()
            size = shutil.get_terminal_size((100, 40))
            look = Look(page, newer, status, now - at, url)
            text = table(
                look,
                size.columns,
                size.lines - 1 if draws else 10_000,
                colour=draws and "NO_COLOR" not in env,
            )
            _draw(text, draws)
            page, at = newer, now
            if once:
                return 0
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (nobody reads what is printed at the end)
        return 0


def _draw(text: str, draws: bool) -> None:
    if draws:
        sys.stdout.write(_HOME + "".join(f"{line}{_REST}\n" for line in text.splitlines()) + _CLEAR)
    else:
        sys.stdout.write(text + "\n")
    sys.stdout.flush()
