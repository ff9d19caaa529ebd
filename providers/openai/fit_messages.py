"""What messages may hold at a vendor: turns that say nothing, and pictures that a tool returned.

Laws: a turn of nothing is left out where it is refused, and named by its place; a result of a tool is a text, and the
pictures of results go into the user's turn behind them, with a word about whose they are, because in OpenAI's dialect a
tool's message holds texts only (openai-python, types/chat/chat_completion_tool_message_param.py). So does an assistant's:
where a row is strict, pictures that a model made elsewhere are shown to the next one in the same way.
"""

from __future__ import annotations

from typing import Any

from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_Lost = dict[str, None]
_SAYS = ("function_call", "audio", "refusal")
_SHOWN = frozenset({"image_url", "file", "input_audio", "video_url"})


def fit_content(messages: list[_Json], vendor: Vendor, lost: _Lost) -> list[_Json]:
    """``messages`` with contents that ``vendor`` takes."""
    # Most contents are a text, which neither rule concerns.
    odd = [
        message for message in messages if type(content := message.get("content")) is not str or not content
    ]
    found = messages
    if odd and any(map(_says_nothing, odd)):
        found = _without_nothing(messages, vendor, lost)
    roles = frozenset({*(() if vendor.pictures else ("tool",)), *(("assistant",) if vendor.strict else ())})
    if odd and any(_holds_pictures(message, roles) for message in odd):
        found = _lifted(found, roles)
    return found


def _says_nothing(message: _Json) -> bool:
    """Whether it is an assistant's turn with neither text nor calls."""
    if message["role"] != "assistant":
        return False
    content = message.get("content")
    if isinstance(content, list):
        content = any(part["type"] != "text" or part.get("text") for part in content)
    return not content and not (message.get("tool_calls") or any(message.get(name) for name in _SAYS))


def _without_nothing(messages: list[_Json], vendor: Vendor, lost: _Lost) -> list[_Json]:
    found = []
    for at, message in enumerate(messages):
        if not _says_nothing(message):
            found.append(message)
        elif vendor.empty_turns or any(message.get(name) for name in vendor.thoughts):
            found.append({**message, "content": ""})
        else:
            lost[f"messages.{at}"] = None
    return found or messages


def _is_text(part: _Json) -> bool:
    return part["type"] in ("text", "refusal")


def _goes(part: _Json, role: str) -> bool:
    """Whether it may not stand in a message of that role: of an assistant's parts only what a user can show is shown."""
    return part["type"] in _SHOWN if role == "assistant" else not _is_text(part)


def _holds_pictures(message: _Json, roles: frozenset[str]) -> bool:
    content, role = message.get("content"), message["role"]
    return role in roles and isinstance(content, list) and any(_goes(part, role) for part in content)


def _lifted(messages: list[_Json], roles: frozenset[str]) -> list[_Json]:
    """The same with the pictures of those with ``roles`` in the user's turn behind the last of them, which is made if need be:
    nobody may stand between a call and its result."""
    found: list[_Json] = []
    lifted: list[_Json] = []
    for message in messages:
        if lifted and message["role"] != "tool":
            if message["role"] == "user":
                message = {**message, "content": [*lifted, *parts(message.get("content"))]}
            else:
                found.append({"role": "user", "content": lifted})
            lifted = []
        if _holds_pictures(message, roles):
            content = message["content"]
            role = message["role"]
            texts = [part for part in content if not _goes(part, role)]
            of_tool = role == "tool"
            whose = f"Returned by the tool call {message.get('tool_call_id')}:" if of_tool else "Made by you:"
            lifted += [{"type": "text", "text": whose}, *(part for part in content if _goes(part, role))]
            follows = "What the tool returned follows." if of_tool else "What I made follows."
            message = {**message, "content": texts or follows}
        found.append(message)
    return [*found, {"role": "user", "content": lifted}] if lifted else found


def parts(content: Any) -> list[_Json]:
    """``content`` as parts."""
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []
