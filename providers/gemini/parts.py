"""The parts of a Gemini answer that are neither text nor calls, as what a chat can show (ai.google.dev/api/caching#Part).

Laws: code that the model ran, and what came of it, are told as blocks of code; media as ``data:`` addresses, or as where
they lie; a part that is not known here is named. Nothing goes without a word.
"""

from __future__ import annotations

from typing import Any

from providers.common.json_objects import JsonObject, obj, text

#: What says something about a part, and is none itself.
_ABOUT = frozenset(
    {"thought", "thoughtSignature", "videoMetadata", "partMetadata", "mediaResolution", "text"}
)
#: Words of the vendor for how a piece of code ended, where it did not end well (``Outcome``).
_WELL = ("", "OUTCOME_OK", "OUTCOME_UNSPECIFIED")


def shown(part: JsonObject) -> str:
    """A part as text; empty if it has nothing to show. Raises ``Malformed``."""
    if part.get("executableCode") is not None:
        code = obj(part, "executableCode")
        language = text(code, "language").lower().removeprefix("language_unspecified")
        return _block(language, text(code, "code"))
    if part.get("codeExecutionResult") is not None:
        result = obj(part, "codeExecutionResult")
        outcome = text(result, "outcome")
        said = "" if outcome in _WELL else outcome.removeprefix("OUTCOME_").lower().replace("_", " ") + "\n"
        return _block("", said + text(result, "output"))
    if part.get("fileData") is not None:
        file = obj(part, "fileData")
        kind = text(file, "mimeType") or "file"
        mark = "!" if kind.startswith("image/") else ""
        return f"{mark}[{text(file, 'displayName') or kind}]({text(file, 'fileUri')})"
    written = text(part, "text")
    if written:
        return written
    unknown = sorted(name for name in part.keys() - _ABOUT if part[name] is not None)
    return f"[{unknown[0][:40]}: cannot be shown here]" if unknown else ""


def _block(language: str, code: str) -> str:
    """A block of code that no fence in it can end."""
    fence = "```"
    while fence in code:
        fence += "`"
    end = "" if code.endswith("\n") else "\n"
    return f"\n{fence}{language}\n{code}{end}{fence}\n"


def media(part: JsonObject, number: int) -> dict[str, Any] | None:
    """Media that the model made, as a ``data:`` address; ``number`` is for clients that join lists by it. None if there are none."""
    blob = obj(part, "inlineData")
    if not blob:
        return None
    kind = text(blob, "mimeType")
    name = f"{kind.partition('/')[0]}_url" if kind.startswith(("audio/", "video/")) else "image_url"
    return {"index": number, "type": name, name: {"url": f"data:{kind};base64,{text(blob, 'data')}"}}
