"""Configured models as the Gemini API lists its own (ai.google.dev/api/models).

Laws: nothing is made up: what the configuration does not know is left out. The token of a page is the name that it begins
behind, so that it still means something after that model was taken away.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from llm_proxy.errors import InvalidRequest, Problem
from llm_proxy.wire.calls import Deployment

Json = dict[str, Any]

#: The API's own limits of a page.
_DEFAULT, _MOST = 50, 1000
#: What the gateway can carry to a model; whether the model can, its upstream says.
_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is asked for: ``size`` models after one name."""

    size: int = _DEFAULT
    after: str = ""

    @classmethod
    def of(cls, argument: Callable[[str, None], str | None]) -> Self:
        """Read it from the arguments of a query, in either spelling. Raises ``InvalidRequest``."""
        size = argument("pageSize", None) or argument("page_size", None) or ""
        token = argument("pageToken", None) or argument("page_token", None) or ""
        problems = []
        if size and not (size.isascii() and size.isdigit()):
            problems.append(Problem("pageSize", "must be a number, 0 or more"))
        try:
            after = base64.urlsafe_b64decode(token.encode()).decode()
        except (binascii.Error, ValueError):
            problems.append(Problem("pageToken", "must be one that an answer gave out"))
        if problems:
            raise InvalidRequest.of(problems)
        return cls(min(int(size[:9] or 0), _MOST) or _DEFAULT, after)


def page(models: Mapping[str, Sequence[Deployment]], asked: Page) -> Json:
    """One page of ``models``."""
    names = sorted(models)
    start = bisect_right(names, asked.after) if asked.after else 0
    shown = names[start : start + asked.size]
    found: Json = {"models": [described(name, models[name]) for name in shown]}
    if start + asked.size < len(names):
        found["nextPageToken"] = base64.urlsafe_b64encode(shown[-1].encode()).decode()
    return found


def described(name: str, rows: Sequence[Deployment]) -> Json:
    """One model; its context is the smallest of its deployments, since any of them may be chosen."""
    sizes = [row.input_size for row in rows if row.input_size is not None]
    return {
        "name": f"models/{name}",
        "baseModelId": name,
        "displayName": name,
        **({"inputTokenLimit": min(sizes)} if sizes else {}),
        "supportedGenerationMethods": _METHODS,
    }


def known_name(asked: str, known: Mapping[str, Any]) -> str:
    """The public name that ``asked`` means: clients may write ``models/`` before it."""
    bare = asked.removeprefix("models/")
    return bare if asked not in known else asked
