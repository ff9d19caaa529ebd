"""One turn of the model in a Gemini history as a canonical message of the assistant.

Laws: texts, thoughts and calls are joined in their order; signatures go where their vendor will look for them (see
``signature``). A call without a result is told as text in the end, because no other API takes one.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from llm_proxy.faces.gemini.parts import refuse, told
from llm_proxy.faces.gemini.signature import google_extra, of_google, opened
from llm_proxy.wire.sse import dumps

Json = dict[str, Any]


class ModelTurn:
    """``message`` grows with each part; ``number`` makes ids of calls that have none. ``pictures``: what the message of
    an assistant cannot hold."""

    def __init__(self, number: int = 0) -> None:
        self.message: Json = {"role": "assistant", "content": None}
        self.pictures: list[Json] = []
        self._number = number
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        #: Fields that came in a signature of ours, in pieces.
        self._opaque: dict[str, list[Any]] = {}
        #: The calls that wait for their results, in order, by their ids; and the ids of all calls of each name.
        self._waiting: dict[str, Json] = {}
        self._of_name: dict[Any, deque[str]] = {}

    def add(self, part: Any, path: str) -> bool:
        """Take one part; False if it is none that a model says. Raises ``InvalidRequest``."""
        if isinstance(part, str):
            part = {"text": part}
        signature = part.get("thoughtSignature")
        for name, value in opened(signature).items():
            self._opaque.setdefault(name, []).append(value)
        if "functionCall" in part:
            self._call(part["functionCall"], of_google(signature), f"{path}.functionCall")
            return True
        if google := of_google(signature):
            self.message["extra_content"] = google_extra(google)
        text = part.get("text")
        if text == "":
            return True
        if isinstance(text, str):
            (self._thoughts if part.get("thought") is True else self._texts).append(text)
        elif words := told(part):
            self._tell(words)
        else:
            return bool(part.keys() <= {"thoughtSignature", "thought"})
        return True

    def answered(self, call_id: Any, name: Any) -> str | None:
        """The id of the call that a result answers; None if there is none."""
        found = call_id if isinstance(call_id, str) and call_id in self._waiting else None
        same = self._of_name.get(name, deque()) if isinstance(name, str) else deque()
        while found is None and same:
            first = same.popleft()
            found = first if first in self._waiting else None
        if found is not None:
            del self._waiting[found]
        return found

    def settle(self) -> None:
        """Nothing more is to come, and no more results: the message is as it will be sent."""
        for call in self._waiting.values():
            function = call["function"]
            self._tell(f"Called the tool {function['name']} with {function['arguments']}; no result came.")
        calls = [call for call in self.message.pop("tool_calls", ()) if call["id"] not in self._waiting]
        self._waiting = {}
        if calls:
            self.message["tool_calls"] = calls
        self.message["content"] = "".join(self._texts) or None
        carried = "".join(self._opaque.pop("reasoning_content", ()))
        if thought := "".join(self._thoughts) or carried:
            self.message["reasoning_content"] = thought
        for name, lists in self._opaque.items():
            self.message[name] = [block for blocks in lists for block in blocks]

    def _tell(self, words: str) -> None:
        """Something else than the model's own words, apart from those."""
        before = "\n" if self._texts else ""
        self._texts.append(before + words)

    def _call(self, given: Any, signature: str, path: str) -> None:
        if not isinstance(given, dict):
            raise refuse(path, "must be an object")
        name, arguments = given.get("name"), given.get("args")
        if not isinstance(name, str) or not name:
            raise refuse(f"{path}.name", "is required, and must be a string")
        if arguments is not None and not isinstance(arguments, dict):
            raise refuse(f"{path}.args", "must be an object")
        calls = self.message.setdefault("tool_calls", [])
        call_id = given.get("id")
        if not isinstance(call_id, str) or not call_id or call_id in self._waiting:
            call_id = f"call_{self._number}_{len(calls)}"
        function = {"name": name, "arguments": dumps(arguments or {}).decode()}
        call: Json = {"id": call_id, "type": "function", "function": function}
        if signature:
            call["extra_content"] = google_extra(signature)
        calls.append(call)
        self._waiting[call_id] = call
        self._of_name.setdefault(name, deque()).append(call_id)
