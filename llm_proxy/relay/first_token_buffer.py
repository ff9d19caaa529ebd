"""What is held back of a streamed answer until its first token has come, so that another upstream may still be asked.

Laws: what was held back is sent with the token, in its order, and nothing is lost; a failure before that drops it. A head, a
role, an id are no token; text, thought, a tool call, a refusal, a finish reason are, and so is all that is not known here.
A token of which a face writes nothing yet, because it tells whole calls, is held back like what stands before it. Bounded: a
beginning that does not end is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llm_proxy.wire.events import Chunk, Comment

#: The longest beginning that is held back.
_MOST = 64 * 1024
#: What a delta may hold that tells nothing of the answer.
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_FORMAL = frozenset({"role"})
#: The first delta of most streams.
_OPENINGS: tuple[Any, ...] = (
    {"role": "assistant", "content": ""},
    {"role": "assistant", "content": None},
    {"role": "assistant"},
    {"role": "assistant", "content": "", "refusal": None},
)
#: Events of Anthropic's Messages and OpenAI's Responses that stand before the first token.
_BEGINNING = frozenset(
    """message_start ping content_block_start response.created response.queued response.in_progress response.output_item.added
    response.content_part.added response.reasoning_summary_part.added""".split()
)
#: Where Ollama's lines have what the model says.
_SAYS = ("content", "thinking", "tool_calls", "images")


def is_token(event: Chunk | Comment) -> bool:
    """Whether ``event`` tells something of the answer itself."""
    if type(event) is not Chunk:
        return False
    value: Any = event.data
    choices = value.get("choices")
    if type(choices) is list:
        # Each stream's first events are asked about, so the usual one is known at a glance.
        for choice in choices:
            if type(choice) is dict:
                delta = choice.get("delta")
                if delta in _OPENINGS and not choice.get("finish_reason"):
                    continue
                if type(delta) is dict and delta.get("content"):
                    return True
            if _tells(choice):
                return True
        return False
    if "choices" not in value and event.raw is not None:  # of another dialect, and relayed as it is
        value = _value_of(event.raw)
    if not isinstance(value, dict):
        return True
    choices = value.get("choices")
    if isinstance(choices, list):
        return any(map(_tells, choices))
    if value.get("done") is False:
        message = value.get("message")
        said = message if isinstance(message, dict) else {"content": value.get("response")}
        return any(said.get(name) not in _EMPTY for name in _SAYS)
    return value.get("type") not in _BEGINNING


def _value_of(raw: bytes) -> Any:
    """What an event of a stream, or a line of one, holds; None if that is not known."""
    start = raw.find(b"{")
    try:
        return json.loads(raw[start:]) if 0 <= start and len(raw) <= _MOST else None
    except (ValueError, RecursionError):
        return None


def _tells(choice: Any) -> bool:
    if not isinstance(choice, dict):
        return True
    delta = choice.get("delta")
    if isinstance(delta, dict) and delta.get("content"):
        return True
    if choice.get("finish_reason") or choice.get("text"):
        return True
    if not isinstance(delta, dict):
        return False
    return any(value not in _EMPTY for name, value in delta.items() if name not in _FORMAL)


class FirstTokenBuffer:
    """The beginning of one answer. ``token``: whether there was one."""

    token = False
    _kept: list[bytes] | None = None
    _size = 0

    def keeps(self, events: Sequence[Chunk | Comment], written: bytes, *, known: bool = False) -> bool:
        """Whether what was ``written`` for ``events`` is held back; else all is to be sent now, and that behind it. ``known``:
        it is known already that there was a token."""
        if known:
            self.token = True
        elif not self.token:
            for event in events:
                if is_token(event):
                    self.token = True
                    break
        if self.token and written:
            return False
        size = self._size + len(written)
        if size > _MOST:
            return False
        if self._kept is None:
            self._kept = [written]
        else:
            self._kept.append(written)
        self._size = size
        return True

    def rest(self) -> bytes:
        """All that was kept."""
        return b"" if self._kept is None else b"".join(self._kept)
