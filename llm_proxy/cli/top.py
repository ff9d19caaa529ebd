"""``llm-proxy top``: what a running gateway does, as a table that is drawn anew every few seconds.

Laws: it asks for ``/metrics`` and ``/status``, and nothing else; what is shown is of the time between two looks. Plain ANSI, nothing
where the output is no terminal. A gateway that is away is said so, and asked again.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from llm_proxy.cli.metrics_page import Page, read_page
from llm_proxy.cli.top_table import Look, table

_PATIENCE = 5.0
_MOST = 64 * 1024 * 1024
#: Clear from here to the end of the screen, and of the line; go to the first place.
_HOME, _CLEAR, _REST = "\x1b[H", "\x1b[J", "\x1b[K"


class NoAnswerError(Exception):
    """The gateway could not be asked; the text is one line."""


@dataclass(slots=True)
class Gateway:
    """Where it is, and the key that is sent to it."""

    host: str
    port: int | None
    secure: bool
    base: str
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, key: str) -> Gateway:
        """Raises ``NoAnswerError``."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            raise NoAnswerError("the port is not a number") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NoAnswerError("give the address of a running gateway, such as http://127.0.0.1:8080")
        base = parts.path.rstrip("/").removesuffix("/metrics")
        return cls(parts.hostname, port, parts.scheme == "https", base, key)

    def ask(self, path: str) -> bytes | None:
        """The answer; None if there is no such path or it is not for us. Raises ``NoAnswerError``."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=_PATIENCE)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            connection.request("GET", self.base + path, headers=headers)
            answer = connection.getresponse()
            data = answer.read(_MOST)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise NoAnswerError(f"no answer: {reason}") from error
        finally:
            connection.close()
        if answer.status in (401, 403):
            raise NoAnswerError(
                f"status {answer.status}: it wants the key of an administrator in LLM_PROXY_API_KEY, or give the port of the metrics"
            )
        return data if answer.status == 200 else None

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
        gateway = Gateway.of(url, env.get("LLM_PROXY_API_KEY", ""))
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
