"""What the doubles answer, ask by ask: they say the same words and differ in ids, counts, thoughts and signatures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.matrix.features import Call, Counts, Said
from tests.support.openai_words import JSON_WORDS, WORDS

TEXT, JSON = "".join(WORDS), "".join(JSON_WORDS)
_TEXTS = ("hello", "plain", "image", "image by URL", "results again")
_JSONS = ("schema", "JSON without a schema")


def answers(
    ids: tuple[str, str], prompt: Counts, counts: Mapping[str, int], thinks: tuple[str, int], *signed: str
) -> dict[str | tuple[str, str], Said]:
    """The answers of a double: ``counts`` are the tokens of each answer, ``thinks`` its thoughts and how many it counts
    as such; ``signed`` its signatures of a call's and of a text's thinking."""
    thought = replace(prompt, thoughts=thinks[1])
    of_call, of_text = signed or ("", "")
    first, second = Call(ids[0], "get_weather"), Call(ids[1], "get_time")
    both = Said(calls=(first, second), finish="tool_calls", counts=replace(prompt, answer=counts["calls"]))
    spoke = Said(
        TEXT,
        thought=thinks[0],
        signature=of_text,
        counts=replace(thought, answer=counts["text"] + counts["thought"]),
    )
    return {
        **{ask: Said(TEXT, counts=replace(prompt, answer=counts["text"])) for ask in _TEXTS},
        **{ask: Said(JSON, counts=replace(prompt, answer=3)) for ask in _JSONS},
        "tools": Said(calls=(first,), finish="tool_calls", counts=replace(prompt, answer=counts["call"])),
        "parallel": both,
        "results": both,
        "length": Said("Hello from the", finish="length", counts=replace(prompt, answer=3)),
        "reasoning": Said(
            calls=(first,),
            thought=thinks[0],
            signature=of_call,
            finish="tool_calls",
            counts=replace(thought, answer=counts["call"] + counts["thought"]),
        ),
        "reasoning again": spoke,
        "usage": spoke,
    }
