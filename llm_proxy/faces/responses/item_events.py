"""Events of OpenAI's Responses API about items (platform.openai.com/docs/api-reference/responses-streaming): numbered, one item
after the other.

Laws: an item is added once and done once, and is in the output from then on. What items consist of is not known here.
"""

from __future__ import annotations

from typing import Any

_Json = dict[str, Any]


class ItemEvents:
    """Collects events until they are ``taken``; ``key`` makes the ids of the items unique."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._number = -1
        self._out: list[_Json] = []
        #: Items that are done, and the open one.
        self.output: list[_Json] = []
        self._item: _Json | None = None

    @property
    def begun(self) -> bool:
        """Whether there was an event."""
        return self._number >= 0

    def emit(self, kind: str, **fields: Any) -> None:
        """An event with the next number."""
        self._number += 1
        self._out.append({"type": kind, "sequence_number": self._number, **fields})

    def taken(self) -> list[_Json]:
        """The events since the last time."""
        out, self._out = self._out, []
        return out

    def _add(self, kind: str, prefix: str, fields: _Json) -> None:
        """An item begins."""
        item_id = f"{prefix}_{self._key}{len(self.output)}"
        self._item = {"id": item_id, "type": kind, "status": "in_progress", **fields}
        self.emit("response.output_item.added", output_index=len(self.output), item=as_it_is(self._item))

    def _of_item(self, event: str, **fields: Any) -> None:
        assert self._item is not None
        self.emit(event, item_id=self._item["id"], output_index=len(self.output), **fields)

    def _done(self, status: str) -> None:
        assert self._item is not None
        self._item["status"] = status
        self.emit("response.output_item.done", output_index=len(self.output), item=self._item)
        self.output.append(self._item)
        self._item = None

    def _add_shell_call(self, prefix: str, fields: _Json) -> None:
        """A call of a shell, whose commands are told one by one."""
        self._add("shell_call", prefix, {**fields, "action": {**fields["action"], "commands": []}})
        for number, command in enumerate(fields["action"]["commands"]):
            told = {"added": {"command": ""}, "delta": {"delta": command}, "done": {"command": command}}
            for verb, said in told.items():
                name = f"response.shell_call_command.{verb}"
                self.emit(name, output_index=len(self.output), command_index=number, **said)
        assert self._item is not None
        self._item["action"] = fields["action"]


def as_it_is(item: _Json) -> _Json:
    """A copy of what grows later."""
    return {key: list(value) if isinstance(value, list) else value for key, value in item.items()}
