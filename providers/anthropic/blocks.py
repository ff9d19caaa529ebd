"""Parts of OpenAI's as blocks of Anthropic's Messages API (docs.anthropic.com/en/api/messages).

Laws: pictures and files keep where they come from, data or an address; parts that are not OpenAI's own pass as they are,
and so does ``cache_control`` wherever it stands.
"""

from __future__ import annotations

from typing import Any

from providers.common.conversation import field_text, inline, part_url, plain, refuse

Block = dict[str, Any]

#: OpenAI's parts for which this API has no counterpart.
_FOREIGN_PARTS = frozenset({"input_audio", "audio_url", "video_url"})
_PICTURES = frozenset({"gif", "jpeg", "jpg", "png", "webp"})


def marked(block: Block, source: dict[str, Any] | None) -> Block:
    """``block`` with the ``cache_control`` that stands on its source."""
    mark = (source or {}).get("cache_control")
    return {**block, "cache_control": mark} if isinstance(mark, dict) else block


def block_of(part: dict[str, Any], path: str) -> Block | None:
    """One part; None if it is an empty text. Raises ``InvalidRequest``."""
    kind = part["type"]
    if kind in ("text", "refusal"):
        text = field_text(part, kind, path)
        # citations: what the API itself put on a text of its own.
        extra = {"citations": part["citations"]} if isinstance(part.get("citations"), list) else {}
        return marked({"type": "text", "text": text, **extra}, part) if text.strip() else None
    if kind == "image_url":
        return marked(_from_url(part_url(part, path), path), part)
    if kind == "file":
        return marked(_file(part, path), part)
    if kind in _FOREIGN_PARTS:
        refuse(f"{path}.type", f"parts of type '{kind}' cannot be sent to this model")
    return part


def _from_url(url: str, path: str, title: str | None = None, *, of: str = "image") -> Block:
    """An image or document from a ``data:`` or web address; ``of`` is what an address leads to if its end does not tell.
    Raises ``InvalidRequest``."""
    content = inline(url, path)
    named = {"title": title} if title else {}
    if content is None:
        if not url.lower().startswith(("http://", "https://")):
            refuse(path, "must be a data:, http: or https: URL")
        ending = url.partition("?")[0].rpartition(".")[2].lower()
        kind = "document" if ending == "pdf" else "image" if ending in _PICTURES else of
        source = {"type": "url", "url": url}
        return {"type": kind, "source": source, **(named if kind == "document" else {})}
    source = {"type": "base64", "media_type": content.media_type, "data": content.data}
    if content.media_type.startswith("image/"):
        return {"type": "image", "source": source}
    if content.media_type == "application/pdf":
        return {"type": "document", "source": source, **named}
    if content.media_type.startswith("text/"):
        source = {"type": "text", "media_type": "text/plain", "data": plain(content, path)}
        return {"type": "document", "source": source, **named}
    return refuse(path, f"content of type '{content.media_type}' cannot be sent to this model")


def _file(part: dict[str, Any], path: str) -> Block:
    inner = part.get("file")
    if not isinstance(inner, dict):
        refuse(f"{path}.file", "must be an object")
    if isinstance(inner.get("file_id"), str):
        return {"type": "document", "source": {"type": "file", "file_id": inner["file_id"]}}
    title = inner.get("filename")
    data = field_text(inner, "file_data", f"{path}.file")
    title = title if isinstance(title, str) else None
    if ":" not in data[:8]:
        data = f"data:application/pdf;base64,{data}"  # some clients leave out what OpenAI wants in front
    return _from_url(data, f"{path}.file.file_data", title, of="document")
