"""The contents of a Gemini request as canonical messages (ai.google.dev/api/caching#Content).

Laws: neighbours of one role are one turn, because clients keep each piece of a stream as a content of its own. Every
result finds its call: by its id, else by its name, in order; what has no partner (histories are cut) is told as text,
since every other API refuses it. Nothing that the client said is left out without its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from llm_proxy.faces.gemini.model_turn import ModelTurn
from llm_proxy.faces.gemini.parts import media, refuse, told
from llm_proxy.wire.sse import dumps

Json = dict[str, Any]

#: Who speaks; ``function`` is what older clients write for results, the last two are other dialects' names.
_SIDES = {
    "user": "user",
    "model": "model",
    "function": "user",
    "tool": "user",
    "assistant": "model",
    "system": "system",
    "developer": "system",
}

#: What a part says, and the vendor's marks of it; all else is about how its own models should look at it.
_DATA = frozenset(
    "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse "
    "thought thoughtSignature".split()
)


class Turns:
    """The turns of one conversation on their way to an upstream of ``api_type``; ``dropped`` names what was lost."""

    def __init__(self, api_type: str) -> None:
        #: Whether results of tools may hold pictures; OpenAI's are texts.
        self._has_pictures = api_type in ("anthropic", "gemini", "ollama")
        #: Whether the upstream has a word for a tool that failed.
        self._has_errors = api_type in ("anthropic", "gemini")
        self.messages: list[Json] = []
        self._lost: dict[str, None] = {}
        #: The turn of the model whose calls wait for results, and the pictures that it made.
        self._before = ModelTurn()

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what could not be carried so far."""
        return tuple(self._lost)

    def system(self, given: Any) -> None:
        """The instruction: a content, a part, a list of either, or a text."""
        contents = given if isinstance(given, list) else [given]
        parts = [part for content in contents for part in _parts_of(content)]
        self._system(list(self._placed(parts, "systemInstruction")))

    def read(self, contents: Sequence[Json]) -> None:
        """All contents, in order. Raises ``InvalidRequest``."""
        numbered = enumerate(contents)
        for side, run in groupby(numbered, key=lambda item: _side(*item)):
            parts = [
                (f"contents.{at}.parts.{number}", part)
                for at, content in run
                for number, part in enumerate(_parts_of(content))
            ]
            if side == "model":
                self._model(parts)
            elif side == "user":
                self._user(parts)
            else:
                self._system(parts)
        if self._before.pictures:
            self._user([])
        self._before.settle()
        self.messages = [message for message in self.messages if _says(message)]

    def _placed(self, parts: Sequence[Any], path: str) -> Iterator[tuple[str, Any]]:
        return ((f"{path}.parts.{number}", part) for number, part in enumerate(parts))

    def _system(self, parts: Sequence[tuple[str, Any]]) -> None:
        texts = []
        for path, part in parts:
            words = _words(part)
            if words is None:
                raise refuse(path, "must be text in an instruction of the system")
            texts.append(words)
        if text := "\n\n".join(filter(None, texts)):
            self.messages.append({"role": "system", "content": text})

    def _model(self, parts: Sequence[tuple[str, Any]]) -> None:
        self._before.settle()
        self._before = turn = ModelTurn(len(self.messages))
        self.messages.append(turn.message)
        for path, part in parts:
            _must_be_part(part, path)
            if "functionResponse" in part:
                raise refuse(path, "a result of a function belongs into a turn of the user")
            if not turn.add(part, path):
                turn.pictures.append(self._other(part, path))

    def _user(self, parts: Sequence[tuple[str, Any]]) -> None:
        results: list[Json] = []
        pictures: list[Json] = []
        said: list[Json] = []
        for path, part in parts:
            _must_be_part(part, path)
            if "functionResponse" not in part:
                said += self._said(part, path)
                continue
            message, seen = self._result(part["functionResponse"], path)
            if message["role"] == "tool":
                results.append(message)
            else:
                said.append({"type": "text", "text": message["content"]})
            pictures += seen
        made, self._before.pictures = self._before.pictures, []
        self._before.settle()
        self._before = ModelTurn()
        if made:
            made = [{"type": "text", "text": "Made by the model:"}, *made]
        self.messages += results
        if content := _content([*made, *pictures, *said]):
            self.messages.append({"role": "user", "content": content})

    def _said(self, part: Json, path: str) -> list[Json]:
        words = _words(part)
        if words is not None:
            return [{"type": "text", "text": words}] if words else []
        if part.keys() <= {"thoughtSignature", "thought"}:
            return []
        if "functionCall" in part:
            raise refuse(path, "a call of a function belongs into a turn of the model")
        return [self._other(part, path)]

    def _other(self, part: Json, path: str) -> Json:
        """A picture or a file, or what ran on Google's side."""
        for name in part.keys() - _DATA:
            self._lost[f"parts.{name}"] = None
        if (found := media(part, path)) is not None:
            return found
        if words := told(part):
            return {"type": "text", "text": words}
        known = "text, inlineData, fileData, functionCall or functionResponse"
        raise refuse(path, f"must have one of {known}")

    def _result(self, given: Any, path: str) -> tuple[Json, list[Json]]:
        """One result as a message, and the pictures that it may not hold. Without a call it is a user's."""
        if not isinstance(given, dict):
            raise refuse(f"{path}.functionResponse", "must be an object")
        for name in ("willContinue", "scheduling"):
            if given.get(name):
                self._lost[f"functionResponse.{name}"] = None
        response = given.get("response")
        failed = isinstance(response, dict) and response.keys() == {"error"}
        text = _result_text(response, unwrap_error=self._has_errors)
        seen = [
            self._other(part, f"{path}.functionResponse.parts.{number}")
            for number, part in enumerate(given.get("parts") or [])
            if isinstance(part, dict)
        ]
        call_id = self._before.answered(given.get("id"), given.get("name"))
        if call_id is None:
            return {"role": "user", "content": f"Result of the tool {given.get('name')}: {text}"}, seen
        message: Json = {"role": "tool", "tool_call_id": call_id, "content": text}
        if failed and self._has_errors:
            message["is_error"] = True
        if not seen:
            return message, []
        if self._has_pictures:
            words = [{"type": "text", "text": text}] if text else []
            return {**message, "content": [*words, *seen]}, []
        message["content"] = text or "What the tool returned follows."
        return message, [{"type": "text", "text": f"Returned by the tool call {call_id}:"}, *seen]


def _side(at: int, content: Any) -> str:
    role = content.get("role") if isinstance(content, dict) else None
    if role is None or role == "":
        return "user"
    if not isinstance(role, str) or role.lower() not in _SIDES:
        raise refuse(f"contents.{at}.role", "must be 'user' or 'model'")
    return _SIDES[role.lower()]


def _parts_of(content: Any) -> list[Any]:
    """The parts of a content; a text, or a part alone, is taken for one."""
    if isinstance(content, dict):
        parts = content.get("parts")
        if parts is None:
            return [content] if "text" in content else []
        return parts if isinstance(parts, list) else [parts]
    return [content]


def _must_be_part(part: Any, path: str) -> None:
    if not isinstance(part, dict | str):
        raise refuse(path, "must be an object")


def _words(part: Any) -> str | None:
    """The text of a part that is one."""
    found = part.get("text") if isinstance(part, dict) else part
    return found if isinstance(found, str) else None


def _content(parts: list[Json]) -> Any:
    return parts[0]["text"] if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _says(message: Json) -> bool:
    """Whether a message holds anything: a turn of the model whose parts were all empty does not."""
    return message["role"] != "assistant" or len(message) > 2 or bool(message.get("content"))


def _result_text(response: Any, *, unwrap_error: bool) -> str:
    """A result in words: the one text that clients wrap into an object, or the object in JSON."""
    if isinstance(response, str) or response is None:
        return response or ""
    if isinstance(response, dict) and len(response) == 1:
        ((name, value),) = response.items()
        wrapped = ("output", "result", "content", *(("error",) if unwrap_error else ()))
        if name in wrapped and isinstance(value, str):
            return value
    return dumps(response).decode()
