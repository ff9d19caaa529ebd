"""A reader of the Responses API's events that is stricter than any client: it accepts nothing but a legal sequence."""

from __future__ import annotations

import json
from typing import Any

#: Stem of a text's events -> its field, the index that counts it, the list it stands in, the events of its part.
TEXTS = {
    "response.output_text": ("text", "content_index", "content", "response.content_part"),
    "response.refusal": ("refusal", "content_index", "content", "response.content_part"),
    "response.reasoning_text": ("text", "content_index", "content", "response.content_part"),
    "response.reasoning_summary_text": (
        "text",
        "summary_index",
        "summary",
        "response.reasoning_summary_part",
    ),
}


#: The same for calls: its field.
CALLS = {"response.function_call_arguments": "arguments", "response.custom_tool_call_input": "input"}


def parsed(data: bytes) -> list[dict[str, Any]]:
    events = []
    for block in filter(None, data.decode().split("\n\n")):
        head, body = block.split("\n")
        events.append(json.loads(body.removeprefix("data: ")))
        assert head == "event: " + events[-1]["type"]
    return events


class Reader:
    """A client that accepts nothing but a legal sequence, and puts the output together from the deltas alone."""

    def __init__(self) -> None:
        self.output: list[dict[str, Any]] = []
        self.item: dict[str, Any] | None = None
        self.part: dict[str, Any] | None = None
        self.last = ""
        self.response: dict[str, Any] = {}

    def read(self, events: list[dict[str, Any]]) -> None:
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        heads = ["response.created", "response.in_progress"][: len(events)]
        assert [event["type"] for event in events[:2]] == heads
        assert len({event["response"]["id"] for event in events if "response" in event}) <= 1
        for event in events[2:]:
            assert not self.last, "nothing follows the last event"
            self._one(event["type"], event)

    def _one(self, kind: str, event: dict[str, Any]) -> None:
        if "response" in event:
            assert kind in ("response.completed", "response.incomplete", "response.failed")
            assert kind == "response.failed" or (self.item, self.part) == (None, None)
            self.last, self.response = kind, event["response"]
            assert self.response["status"] == kind.removeprefix("response.")
            return
        assert event["output_index"] == len(self.output)
        if kind == "response.output_item.added":
            assert self.item is None
            assert event["item"]["status"] == "in_progress"
            self.item = event["item"]
            return
        assert self.item is not None
        if kind == "response.output_item.done":
            assert self.part is None
            done = event["item"]
            told = {"status", "encrypted_content", "extra_content", "result", "output_format"}
            assert {k: v for k, v in done.items() if k not in told} == {
                k: v for k, v in self.item.items() if k not in told
            }
            assert done["status"] in ("completed", "incomplete")
            self.output.append(done)
            self.item = None
            return
        stem, _, verb = kind.rpartition(".")
        if stem == "response.shell_call_command":
            self._command(verb, event)
            return
        assert event["item_id"] == self.item["id"]
        if stem in CALLS:
            field = CALLS[stem]
            if verb == "delta":
                self.item[field] += event["delta"]
            else:
                assert event[field] == self.item[field]
        elif stem == "response.output_text.annotation":
            assert self.part is not None
            assert event["annotation_index"] == len(self.part["annotations"])
            self.part["annotations"].append(event["annotation"])
        elif verb == "added":
            assert self.part is None
            self.part = event["part"]
            place, index = ("summary", "summary_index") if "summary" in stem else ("content", "content_index")
            assert event[index] == len(self.item[place])
            self.item[place].append(self.part)
        elif stem in TEXTS:
            field, index, place, _ = TEXTS[stem]
            assert self.part is not None
            assert event[index] == len(self.item[place]) - 1
            if verb == "delta":
                self.part[field] += event["delta"]
                self.part.get("logprobs", []).extend(event.get("logprobs", []))
            else:
                assert event[field] == self.part[field]
        else:
            assert (stem in [text[3] for text in TEXTS.values()], verb) == (True, "done")
            assert event["part"] == self.part
            self.part = None

    def _command(self, verb: str, event: dict[str, Any]) -> None:
        assert self.item is not None
        commands = self.item["action"]["commands"]
        if verb == "added":
            assert event["command_index"] == len(commands)
            commands.append(event["command"])
        elif verb == "delta":
            commands[event["command_index"]] += event["delta"]
        else:
            assert event["command"] == commands[event["command_index"]]
