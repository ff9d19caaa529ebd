"""One call of an answer, as the item that the client declared, while its arguments come in pieces.

Laws: what the deltas said is what the item says at its end. A custom tool's text is given out as it comes, taken out of the
JSON around it; the other tools of OpenAI's own have no deltas, so that their item comes when it is whole. Arguments that do
not mean what the tool expects are given out as they are, as a call of a function: nothing is guessed, nothing is lost.
"""

from __future__ import annotations

import json
import re
from typing import Any

from llm_proxy.faces.responses.kind import loaded
from llm_proxy.faces.responses.kinds import CUSTOM, FUNCTION
from llm_proxy.faces.responses.toolbox import Declared

_Json = dict[str, Any]
_HEAD = re.compile(r'\s*+\{\s*+"input"\s*+:\s*+"')
#: As long as the head may be with the blanks that anybody writes.
_HEAD_LONGEST = 200
_RUN = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+')
_UNFINISHED = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_HALF = re.compile("[\ud800-\udfff]")


class Call:
    """A call that has begun. ``parts``: the pieces of its arguments."""

    def __init__(self, call_id: str, declared: Declared) -> None:
        self.call_id = call_id
        self.declared = declared
        self.extra: Any = None
        self.parts: list[str] = []
        self._text = InputText() if declared.kind is CUSTOM else None

    @property
    def streams(self) -> bool:
        """Whether its item is there from the beginning."""
        return bool(self.declared.kind.events)

    def opening(self) -> _Json:
        """The item of a call that streams, with nothing said yet."""
        return {**self._names(self.declared), self.declared.kind.field: ""}

    def piece(self, text: str) -> str:
        """A piece of the arguments; what the item says more than before."""
        self.parts.append(text)
        return self._text.feed(text) if self._text is not None else text

    def rest(self, said: str) -> str:
        """What the item must still say at the end, after ``said``."""
        if self._text is not None:
            return "" if said else whole_input("".join(self.parts))
        return (
            "" if any(self.parts) else "{}"
        )  # a call without arguments is an empty object, not an empty text

    def is_whole(self) -> bool:
        """Whether nothing more can come."""
        return isinstance(_strict("".join(self.parts)), dict)

    def finished(self) -> _Json | None:
        """The fields of an item that comes at the end; None if the arguments do not mean any."""
        arguments = loaded("".join(self.parts) or "{}")
        if not isinstance(arguments, dict):
            return None
        said = self.declared.kind.fields(arguments, self.declared.tool)
        return None if said is None else {"call_id": self.call_id, **said}

    def as_function(self) -> Call:
        """The same call, of a function."""
        plain = Call(self.call_id, Declared(FUNCTION, self.declared.name))
        plain.extra = self.extra
        return plain

    def _names(self, declared: Declared) -> _Json:
        space = {"namespace": declared.namespace} if declared.namespace else {}
        return {"call_id": self.call_id, "name": declared.name, **space}


class InputText:
    """The text in ``{"input": "..."}`` while it comes."""

    def __init__(self) -> None:
        self._held = ""
        #: ``head``, ``text``, or ``over``: the text has ended, or it is none.
        self._state = "head"

    def feed(self, piece: str) -> str:
        """The next characters of the text."""
        if self._state == "over":
            return ""
        data, self._held = self._held + piece, ""
        if self._state == "head":
            head = _HEAD.match(data)
            if head is None:
                self._held = data
                self._state = "head" if len(data) < _HEAD_LONGEST else "over"
                return ""
            self._state, data = "text", data[head.end() :]
        return self._decoded(data)

    def _decoded(self, data: str) -> str:
        found, at = [], 0
        while at < len(data):
            run = _RUN.match(data, at)
            assert run is not None
            found.append(run.group())
            at = run.end()
            if at == len(data):
                break
            if data[at] == '"':
                self._state = "over"
                break
            if _UNFINISHED.fullmatch(data, at):
                self._held = data[at:]
                break
            found.append("\\\\")  # no escape of JSON's: models write \d as it stands
            at += 1
        text: str = json.loads('"' + "".join(found) + '"', strict=False)
        if "\ud800" <= text[-1:] <= "\udbff" and self._state == "text":  # the other half of a pair comes next
            self._held = f"\\u{ord(text[-1]):04x}" + self._held
            text = text[:-1]
        return _HALF.sub("\ufffd", text)


def whole_input(arguments: str) -> str:
    """The text that the arguments of a custom tool's call mean, whatever the model wrote."""
    value = loaded(arguments)
    if isinstance(value, dict):
        texts = [value["input"]] if "input" in value else list(value.values())
        if not texts:
            return ""
        if len(texts) == 1 and isinstance(texts[0], str):
            value = texts[0]
    return _HALF.sub("\ufffd", value if isinstance(value, str) else arguments)


def _strict(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the latter from nesting that no parser takes
        return None
