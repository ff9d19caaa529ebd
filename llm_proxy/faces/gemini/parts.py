"""Parts of a Gemini request that are not words or calls, as canonical parts (ai.google.dev/api/caching#Part).

Laws: what is in the request goes along as a ``data:`` URL, what stands elsewhere by its address: nothing is fetched here.
Files that only Google's servers can read are refused, because an answer without them would be about something else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.sse import dumps

Json = dict[str, Any]

#: The client for Python writes base64 in its other alphabet.
_STANDARD = str.maketrans("-_", "+/")
#: Endings of addresses, for files whose type was not told.
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".heic", ".heif")
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav"}
#: Where only Google can look: its storage, and the files that were given to its API.
_GOOGLE_ONLY = ("gs://", "https://generativelanguage.googleapis.com/")


def media(part: Mapping[str, Any], path: str) -> Json | None:
    """The canonical part for ``inlineData`` or ``fileData``; None if it is neither. Raises ``InvalidRequest``."""
    if "inlineData" in part:
        return _inline(_object(part, "inlineData", path), f"{path}.inlineData")
    if "fileData" in part:
        return _file(_object(part, "fileData", path), f"{path}.fileData")
    return None


def told(part: Mapping[str, Any]) -> str:
    """What ran on Google's side in an earlier turn, in words: other vendors have no place for it."""
    code, result = part.get("executableCode"), part.get("codeExecutionResult")
    if isinstance(code, dict):
        language = str(code.get("language") or "").lower().replace("language_unspecified", "")
        return f"```{language}\n{code.get('code') or ''}\n```\n"
    if isinstance(result, dict):
        return f"```\n{result.get('output') or result.get('outcome') or ''}\n```\n"
    for name in ("toolCall", "toolResponse"):
        if isinstance(part.get(name), dict):
            return f"{name}: {dumps(part[name]).decode()}\n"
    return ""


def refuse(path: str, message: str) -> InvalidRequest:
    """The error for one place."""
    return InvalidRequest.of([Problem(path, message)])


def _object(part: Mapping[str, Any], name: str, path: str) -> Json:
    found = part[name]
    if not isinstance(found, dict):
        raise refuse(f"{path}.{name}", "must be an object")
    return found


def _text(source: Json, name: str, path: str) -> str:
    found = source.get(name)
    if not isinstance(found, str) or not found:
        raise refuse(f"{path}.{name}", "is required, and must be a string")
    return found


def _inline(blob: Json, path: str) -> Json:
    kind = _text(blob, "mimeType", path).strip().lower()
    data = _text(blob, "data", path).translate(_STANDARD)
    data += "=" * (-len(data) % 4)
    family, _, form = kind.partition(";")[0].partition("/")
    url = f"data:{kind};base64,{data}"
    if family == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if family == "audio":
        return {
            "type": "input_audio",
            "input_audio": {"data": data, "format": _AUDIO_FORMATS.get(form, form)},
        }
    if family == "video":
        return {"type": "video_url", "video_url": {"url": url}}
    if family == "text" and (words := _decoded(data)) is not None:
        return {"type": "text", "text": words}
    name = blob.get("displayName")
    return {
        "type": "file",
        "file": {"filename": name if isinstance(name, str) else _named(form), "file_data": url},
    }


def _decoded(data: str) -> str | None:
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def _named(form: str) -> str:
    return f"document.{form}" if form.isalnum() else "document"


def _file(found: Json, path: str) -> Json:
    url = _text(found, "fileUri", path)
    if url.lower().startswith(_GOOGLE_ONLY):
        raise refuse(f"{path}.fileUri", "is a file that only Google's models can read; send it as inlineData")
    given = found.get("mimeType")
    kind = given.lower() if isinstance(given, str) else ""
    where = url.partition("?")[0].partition("#")[0].lower()
    if kind.startswith("image/") or (not kind and where.endswith(_IMAGES)):
        return {"type": "image_url", "image_url": {"url": url}}
    if kind.startswith("video/"):
        return {"type": "video_url", "video_url": {"url": url}}
    if kind.startswith("audio/"):
        return {"type": "audio_url", "audio_url": {"url": url}}
    name = found.get("displayName") or where.rpartition("/")[2] or "document"
    return {"type": "file", "file": {"filename": str(name), "file_data": url}}
