"""Which upstreams have seen the beginning of a prompt, so that it lies in their cache.

Laws: sessions are matched exactly, prompts by whole blocks of 1,024 characters, each chained to all before it; of a prompt
the first 64 count. What is remembered is bounded, the oldest is forgotten first; what an upstream held is forgotten when
it restarts. Only hashes are kept. Worker processes do not tell each other: a first choice is made by rendezvous hash
(``rank``), so that they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import log
from typing import Any, NamedTuple

from llm_proxy.wire.calls import Deployment
from llm_proxy.wire.policies import ModelPolicy
from llm_proxy.wire.prompt_text import Opening, opening_of

BLOCK, MOST_BLOCKS = 1024, 64
#: An upstream holds a prompt if it has seen so much of it.
HOLDS = 0.5
#: How many blocks and sessions are remembered for each upstream, of all at least and at most (some 200 bytes each), and
#: how many upstreams for one of them.
_EACH, _LEAST, _MOST, _HOLDERS = 4096, 32_768, 262_144, 8

#: What names a session in a body, in this order; ``metadata.user_id`` is Anthropic's.
_SESSIONS = ("prompt_cache_key", "session_id", "conversation")
_LONGEST_ID = 1000
#: Where a session may be named: fields of a body, and a header (in lower case).
SESSION_FIELDS = frozenset({*_SESSIONS, "metadata", "user"})
SESSION_HEADER = "x-session-id"


class Prompt(NamedTuple):
    """What affinity knows of a request. ``session`` is empty if it names none; ``conversation`` is what its first turn and
    all later ones have in common."""

    session: bytes
    blocks: tuple[bytes, ...]
    conversation: bytes


def prompt_of(model: str, opening: Opening | None, session: str) -> Prompt | None:
    """Of the text that a prompt begins with and the session that it belongs to; None if there is nothing to go by."""
    short = opening is None or len(opening.text) < BLOCK
    if short and not session:
        return None
    chain = _hash(b"", model.encode("utf-8", "replace"))
    named = _hash(chain + b"\0session", session.encode("utf-8", "replace")) if session else b""
    blocks: list[bytes] = []
    conversation = named
    if opening is not None and not short:
        data = opening.text
        for start in range(0, min(len(data) - BLOCK + 1, BLOCK * MOST_BLOCKS), BLOCK):
            chain = _hash(chain, data[start : start + BLOCK].encode("utf-8", "replace"))
            blocks.append(chain)
        conversation = named or _hash(blocks[0], data[: opening.first].encode("utf-8", "replace"))
    return Prompt(named, tuple(blocks), conversation) if conversation else None


def affinity_of(
    policy: ModelPolicy,
    model: str,
    rows: Sequence[Deployment],
    header: str,
    body: Mapping[str, Any],
    size: int = BLOCK,
) -> Prompt | None:
    """What a request's ``X-Session-Id`` and body say; None where affinity decides nothing. ``size``: of the body, in bytes: a
    short one is not read."""
    if policy.affinity == "off" or len(rows) < 2 or not body or rows[0].api_type == "demo":
        return None
    wanted = policy.affinity == "auto" and size >= BLOCK
    return prompt_of(
        model, opening_of(body, BLOCK * MOST_BLOCKS) if wanted else None, session_in(header, body)
    )


def session_in(header: str, body: Mapping[str, Any]) -> str:
    """The session that a request names: ``X-Session-Id``, else a field of its body; empty if none."""
    if header:
        return header[:_LONGEST_ID]
    if SESSION_FIELDS.isdisjoint(body):
        return ""
    for name in _SESSIONS:
        found = body.get(name)
        if isinstance(found, dict):  # Responses: {"conversation": {"id": ..}}
            found = found.get("id")
        if isinstance(found, str) and found:
            return f"{name}:{found[:_LONGEST_ID]}"
    metadata = body.get("metadata")
    for found in (metadata.get("user_id") if isinstance(metadata, dict) else None, body.get("user")):
        if isinstance(found, str) and found:
            return f"user:{found[:_LONGEST_ID]}"
    return ""


class Prefixes:
    """Who holds what: for each hash the tags of upstreams, the newest first. A tag is given anew when one restarts."""

    __slots__ = ("_held", "_most")

    def __init__(self, most: int = _LEAST) -> None:
        self._held: dict[bytes, tuple[int, ...]] = {}
        self._most = most

    def make_room(self, upstreams: int) -> None:
        """So many are known."""
        self._most = min(max(self._most, _EACH * upstreams), _MOST)

    def __len__(self) -> int:
        return len(self._held)

    def holders(self, prompt: Prompt) -> tuple[int, ...]:
        """The tags of those that hold the session, else at least half of the prompt; empty if nobody does."""
        held = self._held
        if prompt.session:
            found = held.get(prompt.session)
            if found:
                return found
        blocks = prompt.blocks
        for depth in range(len(blocks) - 1, int(len(blocks) * HOLDS + 0.5) - 2, -1):
            if depth >= 0 and (found := held.get(blocks[depth])):
                return found
        return ()

    def note(self, prompt: Prompt, tag: int) -> None:
        """The upstream with this tag was sent the prompt."""
        held = self._held
        for key in (*prompt.blocks, prompt.session) if prompt.session else prompt.blocks:
            known = held.pop(key, ())
            if not known:
                held[key] = (tag,)
            elif known[0] == tag:
                held[key] = known
            else:
                held[key] = (tag, *[other for other in known if other != tag][: _HOLDERS - 1])
        while len(held) > self._most:
            del held[next(iter(held))]


def rank(conversation: bytes, key: str, weight: float) -> float:
    """How much this conversation belongs to the upstream named ``key``: the greatest wins (weighted rendezvous hash)."""
    point = int.from_bytes(_hash(conversation, key.encode()), "big")
    return -weight / log((point + 0.5) / 2.0**64)


def _hash(before: bytes, data: bytes) -> bytes:
    # Of the hashes that nobody can aim at, the fastest on today's processors.
    return sha256(before + data).digest()[:8]
