"""Content blocks of Anthropic's Messages API as canonical parts (docs.anthropic.com/en/api/messages).

Laws: pictures become ``image_url``, files ``file``, documents that are text and results of a search become text; marks
for caches stay where they stood; canonical parts pass as they are, and any other block is told as text
(``told``), because no server elsewhere would take it.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.anthropic.told import told

Block = dict[str, Any]


def content(given: str | list[Block]) -> Any:
    """A string stays one, plain text blocks too if there is just one; anything else is parts."""
    if isinstance(given, str):
        return given
    if (
        len(given) == 1
        and set(given[0]) - {"citations"} == {"type", "text"}
        and isinstance(given[0]["text"], str)
    ):
        return given[0]["text"]
    return [part for block in given for part in parts(block)]


#: Parts of OpenAI's that clients put among Anthropic's blocks.
_CANONICAL = frozenset({"text", "image_url", "input_audio", "audio_url", "video_url", "file", "refusal"})


def parts(block: Block) -> list[Block]:
    """The parts for one block."""
    kind = block["type"]
    given = block.get("source")
    source = given if isinstance(given, dict) else {}
    if kind == "image":
        return [_image(block, source)]
    if kind == "document":
        return _document(block, source)
    if kind == "search_result":
        return _texts([block.get("title"), block.get("source")], block.get("content"))
    if (
        kind == "text" and "citations" in block
    ):  # where Anthropic's servers found it: nobody else takes the mark
        return [{name: value for name, value in block.items() if name != "citations"}]
    if kind in _CANONICAL:
        return [block]
    text = told(block)
    return [{"type": "text", "text": text}] if text else []


def _image(block: Block, source: Block) -> Block:
    url = _url(source)
    if url is None:
        return _by_id(source) or block
    mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
    return {"type": "image_url", "image_url": {"url": url}, **mark}


def _document(block: Block, source: Block) -> list[Block]:
    about = [block.get("title"), block.get("context")]
    if source.get("type") == "text":
        return _texts(about, str(source.get("data") or ""))
    if source.get("type") == "content":
        return _texts(about, source.get("content"))
    url = _url(source)
    if url is None:
        return [*_texts(about, None), _by_id(source) or block]
    file = {"type": "file", "file": {"filename": str(block.get("title") or "document.pdf"), "file_data": url}}
    return [*_texts([block.get("context")], None), file]


def _by_id(source: Block) -> Block | None:
    """A file that was uploaded before: its id means something to the server that keeps it."""
    if source.get("type") != "file" or not isinstance(source.get("file_id"), str):
        return None
    return {"type": "file", "file": {"file_id": source["file_id"]}}


def _texts(about: list[Any], said: Any) -> list[Block]:
    """What is told about a text in front of it; ``said`` is a text or a list of blocks."""
    lines = [line for line in about if isinstance(line, str) and line]
    found = [block for block in said if _is_block(block)] if isinstance(said, list) else []
    if isinstance(said, str) and said:
        lines.append(said)
    head = [{"type": "text", "text": "\n".join(lines)}] if lines else []
    return [*head, *(part for block in found for part in parts(block))]


def _is_block(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _url(source: Block) -> str | None:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return str(source.get("url")) if source.get("type") == "url" else None
