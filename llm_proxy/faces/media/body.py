"""The bodies of OpenAI's requests for audio, images, files and moderations: JSON or a form, as their type says.

Laws: only the model's name is read, and whatever the upstream must not see; all other bytes of a form, and of JSON as
long as nothing is taken out of it, stay where they are. What cannot be read in one way only is refused, because the
upstream would perhaps read another model. Pure. Forms: ``media_form``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, Protocol

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.faces.media.multipart import read_form
from llm_proxy.wire.large_json import encoded
from llm_proxy.wire.strict_json import parse_object

#: A text, or what opens and closes, or what stands between two members. For sound JSON only.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\],]', re.DOTALL)


class MediaBody(Protocol):
    """What both kinds have in common."""

    @property
    def content_type(self) -> str:
        """How it is sent on."""

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""

    @property
    def model(self) -> str | None:
        """The model that is asked for; None if there is none. Raises ``InvalidRequest`` if it is no name."""

    def written(self, model: str | None, without: Collection[str] = ()) -> bytes:
        """The body with ``model`` in place of its own (None: it stays), and without some of its fields."""


def read_body(data: bytes, content_type: str) -> MediaBody:
    """The body in ``data``. Raises ``JsonProblem`` for JSON and ``InvalidRequest`` for a form that is not sound, and
    ``UnsupportedMedia``."""
    if content_type.lower().startswith("multipart/"):
        return read_form(data, content_type)
    return JsonBody(data, parse_object(data))


class JsonBody:
    """A JSON object, and its text."""

    content_type = "application/json"

    def __init__(self, data: bytes, fields: dict[str, Any]) -> None:
        self._data = data
        self._fields = fields

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._fields)

    @property
    def model(self) -> str | None:
        name = self._fields.get("model")
        if name is not None and not isinstance(name, str):
            raise InvalidRequest.of([Problem("model", "must be a string")])
        return name or None

    def written(self, model: str | None, without: Collection[str] = ()) -> bytes:
        if self.names & set(without):
            kept = {name: value for name, value in self._fields.items() if name not in without}
            return encoded({**kept, "model": model} if model is not None else kept)
        if model is None or model == self.model:
            return self._data
        start, end = _value_of(self._data, "model")
        return self._data[:start] + json.dumps(model).encode() + self._data[end:]


def _value_of(data: bytes, name: str) -> tuple[int, int]:
    """Where the text stands that is the member ``name`` of the object ``data``, quotes included; there is one."""
    depth = 0
    before = b""
    tokens = _TOKEN.finditer(data)
    for found in tokens:
        token = found.group()
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth == 1 and before in (b"{", b",") and token != b"," and json.loads(token) == name:
            return next(tokens).span()
        before = token
    raise AssertionError("a member that was read is not in the text")
