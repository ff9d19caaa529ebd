"""Who asks: from the headers of a request to the grant of its key.

Laws: a key is taken from wherever the clients of any dialect send it, and never from a URL. Unknown, expired and switched
off are one refusal in one sentence, made by the same steps. Time is handed in. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from llm_proxy.errors import InvalidRequest, KeyRefused, Problem
from llm_proxy.live.access.secrets import digest_of, mistyped
from llm_proxy.live.access.values import Access, Grant, Team, Terms

#: In small letters. OpenAI's and Ollama's clients, Anthropic's, Azure's, Google's.
HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
_OTHERS = HEADERS[1:]
_ANY_OTHER = frozenset(_OTHERS)
_BEARER = "bearer "
_HOW = "send it as 'Authorization: Bearer KEY', or in x-api-key, api-key or x-goog-api-key"

#: Nobody, who may do nothing.
_NOBODY = Grant("", Terms(active=False), Team(), None)


def presented(headers: Mapping[str, str]) -> list[str]:
    """The keys among ``headers`` (names in small letters)."""
    found = []
    value = headers.get("authorization", "")
    if value[:7].lower() == _BEARER and (value := value[7:].strip()):
        found.append(value)
    if not _ANY_OTHER.isdisjoint(headers):
        found += [other for name in _OTHERS if (other := headers.get(name))]
    return found


def usual(access: Access, headers: Mapping[str, str], now: float) -> Grant | None:
    """What ``identify`` gives for what is ``presented``, if there is one key, which is valid: nearly always; else None."""
    value = headers.get("authorization")
    if value is None or value[:7] != "Bearer " or not _ANY_OTHER.isdisjoint(headers):
        return None
    grant = access.grant(digest_of(value[7:].strip()))
    if grant is not None and now < (terms := grant.terms).expires and terms.active:
        return grant
    return None


def identify(access: Access, given: Iterable[str], now: float) -> Grant:
    """Who has presented the keys ``given``; ``now``: seconds since the epoch. Raises ``KeyRefused``, or
    ``InvalidRequest`` if there are two of them."""
    given = list(given)
    found: Grant | None = None
    wrong: list[str] = []
    known: str | None = None
    for text in given:
        one = access.grant(digest_of(text)) or _NOBODY
        if not (one.terms.active and now < one.terms.expires):
            wrong.append(text)
            known = known or one.name
        elif found is not None and found.name != one.name:
            raise InvalidRequest.of(
                [Problem("headers", "two different keys of this gateway came in one request")]
            )
        else:
            found = one
    if found is not None:
        return found
    if not wrong:
        raise KeyRefused(f"an API key is needed; {_HOW}")
    if sum(map(mistyped, wrong)) == len(wrong):
        raise KeyRefused("the API key is mistyped: its checksum does not fit", name=known or "")
    raise KeyRefused("the API key is unknown, expired or switched off", name=known or "")
