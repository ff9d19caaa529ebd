"""The parts of messages and of tools' results in the Responses API, as parts of a chat message
(platform.openai.com/docs/guides/images-vision, /pdf-files).

Laws: texts of any kind are texts; pictures and files must be there, for nothing is kept here; a part that is not known
passes as it is. Problems are collected with their paths.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import PydanticCustomError

from llm_proxy.errors import Problem

_Json = dict[str, Any]
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


def checked(value: Any) -> Any:
    """A text or a list of parts. Raises ``PydanticCustomError``."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise PydanticCustomError("parts", "must be a string or a list of parts")
    for index, part in enumerate(value):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise PydanticCustomError("parts", "must be an object with a 'type'", {"at": index})
    return value


def said(content: str | list[_Json]) -> str:
    """The text of an assistant's parts, a refusal included."""
    if isinstance(content, str):
        return content
    texts = (part.get("text", part.get("refusal")) for part in content)
    return "".join(text for text in texts if isinstance(text, str))


class Parts:
    """Reads the parts below ``path`` of a request; what is wrong goes to ``problems``."""

    def __init__(self, path: str, problems: list[Problem]) -> None:
        self._path = path
        self._problems = problems

    def content(self, content: str | list[_Json], field: str) -> Any:
        """A string stays one, and so does a single text; anything else is parts."""
        if isinstance(content, str):
            return content
        parts = [self._part(part, f"{field}.{at}") for at, part in enumerate(content)]
        return parts[0]["text"] if len(parts) == 1 and parts[0].keys() == {"type", "text"} else parts

    def _part(self, part: _Json, path: str) -> _Json:
        kind = part["type"]
        if kind in _TEXTS:
            return {"type": "text", "text": self._text(part, f"{path}.text")}
        if kind == "refusal":
            return {"type": "text", "text": str(part.get("refusal") or "")}
        if kind in ("input_image", "computer_screenshot"):
            return self._picture(part, path)
        if kind == "input_file":
            return self._file(part, path)
        return part

    def _text(self, part: _Json, path: str) -> Any:
        if not isinstance(part.get("text"), str):
            self._problem(path, "must be a string")
        return part.get("text")

    def _picture(self, part: _Json, path: str) -> _Json:
        if not isinstance(part.get("image_url"), str):
            self._problem(f"{path}.image_url", "must be a URL or data: URL; no files are kept here")
        detail = {"detail": part["detail"]} if part.get("detail") is not None else {}
        return {"type": "image_url", "image_url": {"url": part.get("image_url"), **detail}}

    def _file(self, part: _Json, path: str) -> _Json:
        """A file by its data, or by its address: the upstream's adapter knows whether that is possible there."""
        data = part.get("file_data") or part.get("file_url")
        if not isinstance(data, str):
            self._problem(
                f"{path}.file_data",
                "must be the file's data, or file_url its address: no files are kept here",
            )
        name = {"filename": part["filename"]} if part.get("filename") is not None else {}
        return {"type": "file", "file": {"file_data": data, **name}}

    def _problem(self, path: str, message: str) -> None:
        self._problems.append(Problem(f"{self._path}.{path}", message))
