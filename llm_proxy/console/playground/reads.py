"""Where the answers of each API say what, for the page, which reads them as they come. Pure.

A path: steps with ``/`` between them. A step is a name, ``*`` for each of a list, ``name=value`` for what must be so, or ``name!=value``.
Where several paths lead to the same thing, the last that leads to something counts; texts are added up.
"""

from __future__ import annotations

from typing import TypedDict


class Calls(TypedDict, total=False):
    """A tool that the model wants: where it stands, and its parts from there. Pieces of one call have the same ``at``."""

    where: str
    at: str
    id: str
    name: str
    args: str
    signature: str


class Reads(TypedDict, total=False):
    """Paths, and where calls of tools stand."""

    text: list[str]
    thought: list[str]
    end: list[str]
    error: list[str]
    calls: list[Calls]


def _chat() -> Reads:
    parts = ("choices/*/delta", "choices/*/message")
    return Reads(
        text=[f"{part}/content" for part in parts],
        thought=[f"{part}/{name}" for part in parts for name in ("reasoning_content", "reasoning")],
        end=["choices/*/finish_reason"],
        error=["error"],
        calls=[
            Calls(
                where=f"{part}/tool_calls/*",
                at="index",
                id="id",
                name="function/name",
                args="function/arguments",
            )
            for part in parts
        ],
    )


def _responses() -> Reads:
    ends = ("type=response.completed/response", "type=response.failed/response", "object=response")
    items = ("type=response.output_item.done/item", "object=response/output/*")
    return Reads(
        text=[
            "type=response.output_text.delta/delta",
            "object=response/output/*/type=message/content/*/text",
        ],
        thought=[
            "type=response.reasoning_text.delta/delta",
            "type=response.reasoning_summary_text.delta/delta",
        ],
        end=[
            *(f"{end}/status" for end in ends),
            "type=response.incomplete/response/incomplete_details/reason",
            "object=response/incomplete_details/reason",
        ],
        error=["type=error", "type=error/error", *(f"{end}/error" for end in ends)],
        calls=[
            Calls(where=f"{item}/type=function_call", id="call_id", name="name", args="arguments")
            for item in items
        ],
    )


_ANTHROPIC = Reads(
    text=["delta/text", "type=message/content/*/text"],
    thought=["delta/thinking", "type=message/content/*/thinking"],
    end=["delta/stop_reason", "type=message/stop_reason"],
    error=["error"],
    calls=[
        Calls(
            where="type=content_block_start",
            at="index",
            id="content_block/id",
            name="content_block/name",
        ),
        Calls(where="type=content_block_delta", at="index", args="delta/partial_json"),
        Calls(where="type=message/content/*", id="id", name="name", args="input"),
    ],
)

_OLLAMA = Reads(
    text=["message/content"],
    thought=["message/thinking"],
    end=["done=true/done", "done=true/done_reason"],
    error=["error"],
    calls=[Calls(where="message/tool_calls/*", id="id", name="function/name", args="function/arguments")],
)

_PARTS = "candidates/*/content/parts/*"
_GEMINI = Reads(
    text=[f"{_PARTS}/thought!=true/text"],
    thought=[f"{_PARTS}/thought=true/text"],
    end=["candidates/*/finishReason"],
    error=["error"],
    calls=[
        Calls(
            where=_PARTS,
            id="functionCall/id",
            name="functionCall/name",
            args="functionCall/args",
            signature="thoughtSignature",
        )
    ],
)

#: By the names of ``faces``.
READS = {
    "openai": _chat(),
    "responses": _responses(),
    "anthropic": _ANTHROPIC,
    "ollama": _OLLAMA,
    "gemini": _GEMINI,
    "api": _chat(),
}
