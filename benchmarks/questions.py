"""What is asked: one request, as a file that the load program reads, and how many events answer it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import UPSTREAMS

_MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {
        "role": "user",
        "content": "Hello, tell me about the history of the printing press in Europe, in four sentences.",
    },
]


@dataclass(frozen=True, slots=True)
class Question:
    """The body of a request, and the events of its answer; 0 if that is not a stream."""

    body: Path
    events: int


def question(
    place: Path, kind: str, *, stream: bool, ollama: bool = False, size: int = 0, model: str = ""
) -> Question:
    """The request for an upstream of that kind (see ``UPSTREAMS``), or for the model in front of it that speaks
    Ollama's dialect, or for ``model``; of ``size`` bytes, if that is more than it has."""
    model = model or (f"{kind}-ollama" if ollama else kind)
    path = place / f"{model}-{'stream' if stream else 'whole'}.json"
    asked = {"model": model, "messages": [*_MESSAGES], "stream": stream}
    lacking = size - len(json.dumps(asked)) - len(json.dumps({"role": "user", "content": ""})) - len(", ")
    if lacking > 0:
        asked["messages"] = [*_MESSAGES, {"role": "user", "content": ("words " * lacking)[:lacking]}]
    path.write_text(json.dumps(asked))
    return Question(path, UPSTREAMS[kind].events if stream else 0)
