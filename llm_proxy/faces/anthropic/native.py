"""A request of Anthropic's Messages API to a server of that API: what may not go along.

Laws: the server judges its own dialect; what is checked of a request stands in ``request.Asked``. A history may
hold what this gateway or another program wrote for a model of another vendor, and Anthropic's servers would refuse it
for ever after: thinking that is not signed by them is left out and named, and so is a turn of nothing else; ids of
calls are put into the form that they take, calls and results alike; citations that lead to no search of theirs go. A
body that holds none of it is given back as the same object.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.faces.anthropic.opaque import foreign
from llm_proxy.faces.call_ids import CallIds, clean

_Json = dict[str, Any]


def cleaned(body: _Json) -> tuple[_Json, tuple[str, ...]]:
    """``body`` without what is another vendor's, and the places of the thinking that it held."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body, ()
    lost: list[str] = []
    ids = CallIds() if _has_foreign_ids(messages) else None
    found = []
    changed = False
    for at, message in enumerate(messages):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list):
            found.append(message)
            continue
        kept = _kept(content, message.get("role"), ids)
        if kept is content:
            found.append(message)
            continue
        changed = True
        if any(map(_foreign_thinking, content)):
            lost.append(f"messages.{at}.thinking")
        if kept or not content:
            found.append({**message, "content": kept})
    if changed and found:  # of nothing else: then the server says what is wrong
        body = {**body, "messages": found}
    if _budget_is_off(body):
        body = {name: value for name, value in body.items() if name != "thinking"}
        lost.append("thinking (not before a call of another vendor's model)")
    return body, tuple(lost)


def _kept(content: list[Any], role: Any, ids: CallIds | None) -> list[Any]:
    """The blocks that may go along; the same object if that is all of them as they are."""
    kept = []
    changed = False
    for block in content:
        found = _block(block, role, ids) if isinstance(block, dict) else block
        changed = changed or found is not block
        if found is not None:
            kept.append(found)
    return kept if changed else content


def _block(block: _Json, role: Any, ids: CallIds | None) -> _Json | None:
    kind = block.get("type")
    if kind == "thinking":
        return None if role == "assistant" and foreign(block) else block
    if kind == "tool_use" and ids is not None and isinstance(block.get("id"), str):
        return _named(block, "id", ids.asked(block["id"]))
    if kind == "tool_result" and ids is not None and isinstance(block.get("tool_use_id"), str):
        return _named(block, "tool_use_id", ids.answered(block["tool_use_id"]))
    if kind == "text" and isinstance(block.get("citations"), list) and any(map(_ours, block["citations"])):
        return _uncited(block)
    return block


def _named(block: _Json, name: str, value: str) -> _Json:
    return block if block[name] == value else {**block, name: value}


def _uncited(block: _Json) -> _Json | None:
    """A text without the citations that were made here; None if it is nothing else."""
    if not block.get("text"):
        return None
    found = {name: value for name, value in block.items() if name != "citations"}
    own = [citation for citation in block["citations"] if not _ours(citation)]
    return {**found, "citations": own} if own else found


def _ours(citation: Any) -> bool:
    """Whether a citation was written by ``message``, which has nothing encrypted to give."""
    return (
        isinstance(citation, dict)
        and citation.get("type") == "web_search_result_location"
        and not citation.get("encrypted_index")
    )


def _foreign_thinking(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "thinking" and foreign(block)


def _has_foreign_ids(messages: list[Any]) -> bool:
    """Whether a call has an id that is not Anthropic's form, or that of another call."""
    seen: set[str] = set()
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else ():
            given = block.get("id") if isinstance(block, dict) and block.get("type") == "tool_use" else None
            if not isinstance(given, str):
                continue
            if given in seen or clean(given) != given:
                return True
            seen.add(given)
    return False


def _budget_is_off(body: _Json) -> bool:
    """Whether a budget for thinking cannot go along: with one, the turn whose results are delivered must begin with a
    thought ("a final assistant message must start with a thinking block"), and another vendor's model made that turn."""
    thinking, messages = body.get("thinking"), body["messages"]
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled" or len(messages) < 2:
        return False
    before, last = (
        message.get("content") if isinstance(message, dict) else None for message in messages[-2:]
    )
    if not isinstance(before, list) or not isinstance(last, list):
        return False
    answers = any(isinstance(block, dict) and block.get("type") == "tool_result" for block in last)
    first = before[0].get("type") if before and isinstance(before[0], dict) else None
    calls = [block for block in before if isinstance(block, dict) and block.get("type") == "tool_use"]
    made_here = any(not str(call.get("id")).startswith("toolu_") for call in calls)
    return answers and made_here and first not in ("thinking", "redacted_thinking")
