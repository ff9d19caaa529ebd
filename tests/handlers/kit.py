"""What the endpoint tests share: chunks of an OpenAI upstream, and a gateway in front of one peer."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.gateway import RunningGateway
from tests.support.secrets import PROMPT, UPSTREAM_KEY

MESSAGES = [{"role": "user", "content": PROMPT}]
CHAT = {"model": "m", "messages": MESSAGES}
WHOLE = {**CHAT, "stream": False}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chat.completion.chunk."""
    common = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    return {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
EVENTS = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "one"}),
    chunk({"content": " two"}),
    chunk({}, "stop"),
    {**chunk({}), "choices": [], "usage": USAGE},
]
COMPLETION = {
    "id": "c-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "one two"}, "finish_reason": "stop"}
    ],
    "usage": USAGE,
}


def config(url: str, **fields: Any) -> dict[str, Any]:
    """A configuration with the model ``m`` at an OpenAI-dialect upstream."""
    defaults = {"api_type": "openai", "api_host": url + "/v1", "api_token": UPSTREAM_KEY, **fields}
    return {"peer": {"defaults": defaults, "m": {"model": "up"}}}


def gateway(
    folder: Path, url: str, *, fields: dict[str, Any] | None = None, **settings: Any
) -> RunningGateway:
    """A gateway whose model ``m`` is at ``url``."""
    return RunningGateway(folder, config(url, **(fields or {})), **settings)


@contextmanager
def access_lines() -> Iterator[list[dict[str, Any]]]:
    """The fields of each access line written meanwhile."""
    lines: list[dict[str, Any]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(dict(record.__dict__))

    handler = Collect()
    logger = logging.getLogger("llm_proxy.access")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
