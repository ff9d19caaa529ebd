"""The matrix as a page: ``make matrix`` writes it when all cells are proved, a test keeps it current.

What a cell says is what its test proves: the page and the test read the same ``exceptions``, and each of them is needed
(``test_table``).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.matrix.all_faces import FACES
from tests.matrix.exceptions import LOSSES, Loss
from tests.matrix.features import FEATURES, Feature
from tests.matrix.upstreams import UPSTREAMS

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"

_TITLES = {
    "openai": "OpenAI's clients (`/v1/chat/completions`)",
    "ollama": "Ollama's clients (`/ollama/api/chat`)",
    "anthropic": "Anthropic's clients (`/v1/messages`)",
    "gemini": "Google's clients (`/v1beta/models/...:generateContent`, `:streamGenerateContent`)",
}
_HOW = {
    "dropped": "is not sent, because the upstream has no such field; the answer's `X-Dropped-Params` names it",
    "refused": "is a 400 that says why: the upstream takes no such thing",
    "unsaid": "comes from the upstream, and the client's dialect has no field for it",
}

_HEAD = """# What works with what

Each client dialect over each upstream dialect, feature by feature. This page is generated from the data of the tests in
`tests/matrix` (`make matrix`), which prove each cell on real sockets, streamed and not: the client's request goes to the
gateway, a strict double of the vendor's API judges what arrives and answers in its own form, and what comes back is
judged event by event. A cell says *works* when everything that the client can ask for is seen by the vendor, and
everything that the vendor says reaches the client: texts as they come, ids and arguments of calls, thinking with its
signature, reasons of ends, counts. Otherwise it names what cannot be expressed; all else in the cell works.

An error before the stream has the vendor's status, words and `Retry-After` in the client's own form; one in the stream
is the client dialect's error event after what came before it, no terminator, and a cut that no client takes for an end.
A client that leaves is seen by the vendor, in mid-stream, before the first token and without a stream.
"""


def cell_losses(face: str, upstream: str, feature: Feature) -> list[Loss]:
    """What is lost of a feature between the two."""
    asks = [*feature.asks, *(f"{ask} again" for ask in feature.asks)]
    return [loss for loss in LOSSES if any(loss.within(face, upstream, ask) for ask in asks)]


def statement(face: str, upstream: str, feature: Feature) -> str:
    """What the page says about one cell."""
    found = cell_losses(face, upstream, feature)
    named = {how: dict.fromkeys(_name(loss) for loss in found if loss.how == how) for how in _HOW}
    return "; ".join(f"{how}: {', '.join(names)}" for how, names in named.items() if names) or "works"


def _name(loss: Loss) -> str:
    return loss.shown or (f"`{loss.field}`" if loss.how == "dropped" else loss.field)


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for face in FACES:
        parts += [
            f"\n## {_TITLES[face]}\n",
            f"| | {' | '.join(UPSTREAMS)} |",
            "|---" * (len(UPSTREAMS) + 1) + "|",
        ]
        parts += [
            f"| {feature.name} | {' | '.join(statement(face, upstream, feature) for upstream in UPSTREAMS)} |"
            for feature in FEATURES
        ]
    parts += ["\n## The words\n", *(f"* *{how}*: it {meaning}." for how, meaning in _HOW.items())]
    works = sum(statement(f, u, feature) == "works" for f in FACES for u in UPSTREAMS for feature in FEATURES)
    cells = len(FACES) * len(UPSTREAMS) * len(FEATURES)
    parts += [f"\n{cells} cells: {works} work in full, {cells - works} but for what they name."]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
