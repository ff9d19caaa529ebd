"""A canonical conversation as Anthropic's ``system`` and ``messages`` (docs.anthropic.com/en/api/messages).

Laws: only user and assistant turns remain, and neighbours of one role are merged; system texts move to the top; the
results of tools stand before everything else in the turn after the calls, because the API refuses any other order.
Texts that are empty or white space are left out, and white space at the end of a last turn of the assistant: the API
refuses them too. Thinking goes back with its signature or not at all; a turn of nothing else is left out. Parts that are not OpenAI's own pass as they are, and so does ``cache_control`` wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_proxy.faces.anthropic.opaque import foreign
from llm_proxy.faces.call_ids import CallIds
from llm_proxy.wire.schema import Message
from providers.anthropic.blocks import Block, block_of, marked
from providers.common.conversation import Calls, parts, refuse

#: In front of a conversation whose beginning a client has cut off: the first turn must be a user's.
_BEGINNING: Block = {"type": "text", "text": "[The beginning of this conversation is not here.]"}
_THOUGHTS = ("thinking", "redacted_thinking")


@dataclass(frozen=True, slots=True)
class Conversation:
    """``thinking_lost``: the last turn's tool calls are being answered, but the thinking before them is missing.
    ``called``: the names of the tools that were called; ``left_out``: the places of turns of nothing but thinking."""

    system: str | list[Block] | None
    messages: list[dict[str, Any]]
    thinking_lost: bool
    called: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def conversation(messages: Sequence[Message]) -> Conversation:
    """Translate all messages. Raises ``InvalidRequest``."""
    calls, ids = Calls(), CallIds()
    called: dict[str, None] = {}
    left_out: list[str] = []
    system: list[Block] = []
    turns: list[tuple[str, list[Block]]] = []
    for at, message in enumerate(messages):
        if message.role in ("system", "developer"):
            system += _blocks(message, at)
            continue
        if message.role == "assistant":
            role, blocks = "assistant", _assistant(message, at, calls, ids)
            if all(block["type"] in _THOUGHTS for block in blocks):
                if blocks or _thought(message):
                    left_out.append(f"messages.{at}.thinking")
                blocks = []
            called.update((block["name"], None) for block in blocks if block["type"] == "tool_use")
        elif message.role == "user":
            role, blocks = "user", _blocks(message, at)
        else:
            role, blocks = "user", [_tool_result(message, at, calls, ids)]
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns and system:
        turns, system = [("user", system)], []  # OpenAI and open models answer to that
    if not turns:
        refuse("messages", "must hold at least one message of a user or an assistant that is not empty")
    if turns[0][0] == "assistant":
        turns.insert(0, ("user", [_BEGINNING]))
    if turns[-1][0] == "assistant":
        turns[-1] = ("assistant", _trimmed(turns[-1][1]))
    native = [{"role": role, "content": _content(blocks)} for role, blocks in turns]
    return Conversation(_system(system), native, thinking_lost(native), tuple(called), tuple(left_out))


def _trimmed(blocks: list[Block]) -> list[Block]:
    """ "Final assistant content cannot end with trailing whitespace"."""
    last = blocks[-1]
    return [*blocks[:-1], {**last, "text": last["text"].rstrip()}] if last["type"] == "text" else blocks


def _system(blocks: list[Block]) -> str | list[Block] | None:
    if all(_is_plain(block) for block in blocks):
        return "\n\n".join(block["text"] for block in blocks) or None
    return blocks


def _content(blocks: list[Block]) -> str | list[Block]:
    """A single text in its short form; else blocks, the results of tools first."""
    if len(blocks) == 1 and _is_plain(blocks[0]):
        return str(blocks[0]["text"])
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _is_plain(block: Block) -> bool:
    return block.keys() == {"type", "text"}


def thinking_lost(turns: Any) -> bool:
    """With a budget for thinking, the turn whose tool results are delivered must begin with a thinking block ("a final
    assistant message must start with a thinking block"); most clients of OpenAI's dialect do not keep it. ``turns`` are
    messages of the API, of whatever shape."""
    if not isinstance(turns, list) or len(turns) < 2:
        return False
    before, last = map(_kinds, turns[-2:])
    return "tool_result" in last and before[:1] not in (["thinking"], ["redacted_thinking"])


def _kinds(turn: Any) -> list[Any]:
    """The types of the blocks of a turn."""
    content = turn.get("content") if isinstance(turn, dict) else None
    return [b.get("type") for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _thought(message: Message) -> bool:
    extra = message.model_extra or {}
    return any(extra.get(name) for name in ("reasoning", "reasoning_content", "thinking_blocks"))


def _assistant(message: Message, at: int, calls: Calls, ids: CallIds) -> list[Block]:
    leading, later = _thinking(message)
    uses = [
        marked(
            {"type": "tool_use", "id": ids.asked(call.id), "name": call.name, "input": call.arguments},
            call.source.model_extra,
        )
        for call in calls.asked(message, at)
    ]
    return [*leading, *_blocks(message, at), *later, *uses]


def _thinking(message: Message) -> tuple[list[Block], list[Block]]:
    """The signed thinking blocks of an earlier answer: those that began it, and those that came after its text.

    ``index`` is where the block stood in Anthropic's content list; it is ours (see ``answer``) and is not
    sent. Blocks of other origin have no signature and would be refused.
    """
    leading: list[Block] = []
    later: list[Block] = []
    entries = (message.model_extra or {}).get("thinking_blocks")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and (entry.get("data") or not foreign(entry)):
            in_front = entry.get("index", len(leading)) == len(leading) and not later
            (leading if in_front else later).append({k: v for k, v in entry.items() if k != "index"})
    return leading, later


def _tool_result(message: Message, at: int, calls: Calls, ids: CallIds) -> Block:
    call_id, _ = calls.answered(message, at)
    block: Block = {"type": "tool_result", "tool_use_id": ids.answered(call_id)}
    content = _blocks(message, at, mark_last=False)
    if content:
        block["content"] = _content(content)
    if (message.model_extra or {}).get("is_error") is True:
        block["is_error"] = True
    return marked(block, message.model_extra)


def _blocks(message: Message, at: int, *, mark_last: bool = True) -> list[Block]:
    """The content of one message. A ``cache_control`` on the message itself means its last block."""
    blocks = [block for path, part in parts(message, at) if (block := block_of(part, path)) is not None]
    if blocks and mark_last:
        blocks[-1] = marked(blocks[-1], message.model_extra)
    return blocks
