"""The content of an answer that came as a list of parts, where OpenAI has a text.

Laws: thinking is thinking, text is text, in the order in which they came; what a part of another kind says is told in
words where it has any, and else it is said that there was something: nothing goes without a word. Pure.

Sources: docs.mistral.ai/capabilities/reasoning (``thinking``), docs.mistral.ai/capabilities/citations (``reference``,
``tool_reference``); vercel/ai #13703; Databricks (``reasoning`` with ``summary``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_proxy.wire.answers.misfit import misfit

#: Fields in which a part, or a vendor's object for thoughts, has its text.
_FIELDS = ("text", "thinking", "content", "reasoning", "reasoning_text", "summary", "output_text")
#: Deep enough for a summary in a part in a list.
_DEPTH = 4


def words(value: Any, depth: int = _DEPTH) -> str:
    """All the text in ``value``: a text, a part, or a list of them. Raises ``UpstreamError``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if depth and isinstance(value, list):
        return "".join(words(item, depth - 1) for item in value)
    if depth and isinstance(value, dict):
        return next((text for name in _FIELDS if (text := words(value.get(name), depth - 1))), "")
    raise misfit("a piece of text that is no string")


def read(content: Any) -> Iterator[dict[str, Any]]:
    """``content`` as deltas of which each has one field. Raises ``UpstreamError``."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise misfit("a piece of text that is no string")
    for part in content:
        if isinstance(part, str):
            part = {"text": part}
        if not isinstance(part, dict):
            raise misfit("a part of its content that is no object")
        yield from _part(part)


def _part(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = part.get("type") or "text"
    if kind in ("thinking", "reasoning", "reasoning_text", "thought"):
        yield {"reasoning_content": words(part)}
    elif kind == "refusal":
        yield {"refusal": words(part.get("refusal"))}
    elif kind in ("image_url", "image"):
        yield {"images": [part]}
    elif kind == "reference":
        yield {"content": _reference(part)}
    elif kind == "tool_reference":
        yield {"annotations": [part]}
    elif said := words(part):
        yield {"content": said, **({"annotations": part["annotations"]} if part.get("annotations") else {})}
    elif kind not in ("text", "output_text"):
        yield {"content": f"[a part of type '{str(kind)[:40]}' cannot be shown here]"}


def _reference(part: dict[str, Any]) -> str:
    """Which documents of the request a passage rests on, as the vendor's own examples show it."""
    ids = part.get("reference_ids")
    return f"[{', '.join(str(number) for number in ids)}]" if isinstance(ids, list) and ids else ""


def noted(images: list[Any]) -> str:
    """Pictures, for a dialect whose answers have none: where each is, or that there was one."""
    return "".join(f"\n{_picture(image)}\n" for image in images)


def _picture(image: Any) -> str:
    inner = image.get("image_url") if isinstance(image, dict) else None
    url = inner.get("url") if isinstance(inner, dict) else inner
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        return f"![image]({url})"
    kind = url[5:60].partition(";")[0] if isinstance(url, str) and url.startswith("data:") else "image"
    return f"[{kind or 'image'}: cannot be shown here]"
