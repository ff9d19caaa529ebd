"""What is known of Anthropic's models by their names: what they can answer, whether they think, how they sample.

Laws: a name is looked at as resellers write it too, with prefixes and dates around it; of a name that nobody knows
nothing is said. Sources: platform.claude.com/docs/en/about-claude/models/overview and the tables in the vendor's own
programs (Claude Code 2.1.197 has the limits, model by model).
"""

from __future__ import annotations

import re

#: max_tokens is required here, unlike in OpenAI's dialect; this for models whose own limit is not known.
DEFAULT_MAX_TOKENS = 4096

#: The most that a model answers; the first that fits counts. Dates (eight digits) are no versions.
_LIMITS = tuple(
    (re.compile(pattern), limit)
    for pattern, limit in (
        (r"claude-(?:instant|2|3-(?:opus|sonnet|haiku))", 4_096),
        (r"claude-3[-.]5-", 8_192),
        (r"claude-3[-.]7-", 64_000),
        (r"claude-opus-4(?:[-.][01])?(?!\d|[-.]\d(?!\d))", 32_000),
        (r"claude-(?:opus|sonnet|haiku)-4(?:[-.][0-5])?(?!\d|[-.]\d(?!\d))", 64_000),
        (r"claude-(?:opus|sonnet)-4[-.][6-9](?!\d)", 128_000),
        (r"claude-haiku-[4-9](?!\d)", 64_000),
        (r"claude-(?:opus|sonnet|fable|mythos)-[5-9](?!\d)", 128_000),
    )
)
#: Models before thinking.
_THOUGHTLESS = re.compile(r"claude-(?:instant|2|3-(?:opus|sonnet|haiku)|3[-.]5-)")
#: Since Opus 4.7 a temperature, top_p or top_k other than the default is a 400; the vendor's client has the fields no more.
_OWN_SAMPLING = re.compile(
    r"claude-(?:(?:opus|sonnet|haiku)-4[-.][7-9](?!\d)|(?:opus|sonnet|haiku|fable|mythos)-[5-9](?!\d)|mythos-preview)"
)


def known_limit(model: str) -> int | None:
    """The most tokens that ``model`` answers; None if that is not known."""
    return next((limit for pattern, limit in _LIMITS if pattern.search(model)), None)


def thinks(model: str) -> bool:
    """Whether ``model`` may be asked to think: all can but those that are known not to."""
    return _THOUGHTLESS.search(model) is None


def samples(model: str) -> bool:
    """Whether ``model`` takes a temperature and its like."""
    return _OWN_SAMPLING.search(model) is None
