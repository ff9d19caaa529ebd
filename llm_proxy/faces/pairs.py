"""A canonical conversation in which each call has its result and each result its call.

After a compaction, a change of programs or a crash they have not, and every vendor refuses that for ever after: then the
call or the result is told as text where it stood. Results are moved up to their calls, calls of one id are told apart, and
calls in the form before tools (``function_call``, role ``function``) become calls of today.

Laws: a conversation in order is given back as the same object; nothing is left out; the cost is linear.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from llm_proxy.wire.sse import dumps

Message = dict[str, Any]

_RESULTS = ("tool", "function")


def paired(messages: list[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """``messages`` in order, and what had to be told as text, by its place."""
    if _in_order(messages):
        return messages, ()
    found: list[Message] = []
    told: list[str] = []
    at = 0
    while at < len(messages):
        speaking = at
        while at < len(messages) and messages[at].get("role") == "assistant":
            at += 1
        listening = at
        while at < len(messages) and messages[at].get("role") != "assistant":
            at += 1
        round_ = _Round(messages[speaking:listening], speaking)
        found += round_.closed(messages[listening:at], listening)
        told += round_.told
    return found, tuple(told)


def _in_order(messages: list[Message]) -> bool:
    """Whether each result follows at once on the message with its call, and no call is without one."""
    waiting: list[Any] = []
    for message in messages:
        role = message.get("role")
        if role == "tool":
            given = message.get("tool_call_id")
            if not given or given not in waiting:
                return False
            waiting.remove(given)  # among those of one message
        elif waiting or role == "function" or message.get("function_call"):
            return False
        elif role == "assistant":
            calls = message.get("tool_calls") or ()
            waiting = [call.get("id") for call in calls]
            if len(waiting) > 1 and (len(waiting) > _MANY or len(set(waiting)) < len(waiting)):
                return False
    return not waiting


#: Above this many calls in one message the short way would not be linear.
_MANY = 64


class _Round:
    """What assistants said in a row, until somebody else speaks; ``at`` is the place of the first message."""

    def __init__(self, said: list[Message], at: int) -> None:
        self._said = [_of_today(message, at + n) for n, message in enumerate(said)]
        self._at = at
        self.told: list[str] = []
        #: Calls without a result so far, in order, as (number of the message, number of the call).
        self._open: dict[tuple[int, int], Message] = {}
        self._by_id: dict[str, deque[tuple[int, int]]] = {}
        self._by_name: dict[Any, deque[tuple[int, int]]] = {}
        self._results: dict[tuple[int, int], Message] = {}
        for n, message in enumerate(self._said):
            for number, call in enumerate(message.get("tool_calls") or ()):
                self._open[n, number] = call
                self._by_id.setdefault(str(call.get("id") or ""), deque()).append((n, number))
                self._by_name.setdefault(_name(call), deque()).append((n, number))

    def closed(self, answers: list[Message], at: int) -> list[Message]:
        """The messages of this round and of ``answers`` behind it (the first is number ``at``), in order."""
        rest: list[Message] = []
        for n, message in enumerate(answers):
            if message.get("role") not in _RESULTS:
                rest.append(message)
                continue
            place = self._claimed(message)
            if place is None:
                self.told.append(f"messages.{at + n} (told as text)")
                rest.append(_result_told(message))
            else:
                self._results[place] = message
        return [*self._spoken(), *rest]

    def _claimed(self, result: Message) -> tuple[int, int] | None:
        """The call that ``result`` answers: by id; without one by name, else the oldest that waits."""
        if given := result.get("tool_call_id"):
            places = self._by_id.get(str(given))
        elif result.get("name") is not None:
            places = self._by_name.get(result["name"])
        else:
            places = deque([next(iter(self._open), (-1, -1))])
        while places:
            place = places.popleft()
            if self._open.pop(place, None) is not None:
                return place
        return None

    def _spoken(self) -> list[Message]:
        found: list[Message] = []
        used: set[str] = set()
        for n, message in enumerate(self._said):
            calls, lost, results = [], [], []
            for number, call in enumerate(message.get("tool_calls") or ()):
                if (n, number) in self._open:
                    lost.append(call)
                    continue
                known = str(call.get("id") or f"call_{self._at + n}_{number}")
                unique = known if known not in used else f"{known}_{n}_{number}"
                used.add(unique)
                calls.append({**call, "id": unique})
                result = {**self._results[n, number], "role": "tool", "tool_call_id": unique}
                results.append(result)
            if lost:
                self.told.append(f"messages.{self._at + n}.tool_calls (told as text)")
            found += [_with_calls(message, calls, lost), *results]
        return found


def _of_today(message: Message, at: int) -> Message:
    """``function_call`` as the one call of a message."""
    legacy = message.get("function_call")
    if not isinstance(legacy, dict):
        return message
    kept = {name: value for name, value in message.items() if name != "function_call"}
    if message.get("tool_calls"):
        return kept
    return {**kept, "tool_calls": [{"id": f"call_{at}_0", "type": "function", "function": legacy}]}


def _with_calls(message: Message, calls: list[Message], lost: list[Message]) -> Message:
    if not message.get("tool_calls"):
        return message
    found = {name: value for name, value in message.items() if name != "tool_calls"}
    if calls:
        found["tool_calls"] = calls
    if not lost:
        return found
    words = [f"[Called the tool {_name(call)}: {_input(call)}; there is no result of it.]" for call in lost]
    said = found.get("content")
    if isinstance(said, list):
        found["content"] = [*said, *({"type": "text", "text": text} for text in words)]
    else:
        found["content"] = "\n\n".join([*([said] if said else []), *words])
    return found


def _result_told(message: Message) -> Message:
    """A result without its call, as a user's words."""
    of = message.get("name") or message.get("tool_call_id") or ""
    head = f"[Result of an earlier tool call {of}]" if of else "[Result of an earlier tool call]"
    said = message.get("content")
    if isinstance(said, list):
        return {"role": "user", "content": [{"type": "text", "text": head}, *said]}
    return {"role": "user", "content": f"{head}\n{said}" if said else head}


def _function(call: Message) -> Message:
    for kind in ("function", "custom"):
        if isinstance(call.get(kind), dict):
            found: Message = call[kind]
            return found
    return {}


def _name(call: Message) -> Any:
    return _function(call).get("name")


def _input(call: Message) -> str:
    function = _function(call)
    given = function.get("arguments", function.get("input"))
    return given if isinstance(given, str) else dumps({} if given is None else given).decode()
