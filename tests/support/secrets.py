"""Planted secrets: what tests use as keys, credentials and prompts, and what no log may ever show.

Whatever a test invents as a key begins with ``sk-planted``; the values below are ready to use. They hold characters
that URL-encoding changes, so that a leak is found in each of its usual disguises: as it is, URL-encoded, in base64.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

#: Every invented key begins so.
PREFIX = "sk-planted"
#: Credentials of upstreams, as a configuration or an environment holds them.
UPSTREAM_KEY = "sk-planted-upstream+7f3c/1d9e="
OTHER_UPSTREAM_KEY = "sk-planted-upstream+b04a/77c2="
#: What clients send of their own: an Authorization value, a ``?key=``, a cookie.
CLIENT_KEY = "sk-planted-client+e81b/90d4="
QUERY_KEY = "sk-planted-query+2a6f/c3b8="
COOKIE = "session=sk-planted-cookie+55e1/0b7d="
#: Texts that people typed or models answered: private, and therefore never logged either.
PROMPT = "planted prompt: Zebulon lives in 17 Quince Lane"
SYSTEM_PROMPT = "planted system prompt: never mention Quillfeather"
ANSWER = "planted answer: Zebulon likes marzipan & rye"

PLANTED = (
    PREFIX,
    UPSTREAM_KEY,
    OTHER_UPSTREAM_KEY,
    CLIENT_KEY,
    QUERY_KEY,
    COOKIE,
    PROMPT,
    SYSTEM_PROMPT,
    ANSWER,
)


def disguises(secret: str) -> Iterator[str]:
    """``secret`` as it is, and in base64 at each of the three alignments."""
    yield secret
    raw = secret.encode()
    for shift in range(3):
        # Only whole groups of the secret: the letters at both ends depend on the neighbours as well.
        whole = raw[shift:]
        whole = whole[: len(whole) // 3 * 3]
        yield base64.b64encode(whole).decode()
        yield base64.urlsafe_b64encode(whole).decode()


def found_in(text: str, secrets: Iterable[str] = PLANTED) -> list[str]:
    """Those of ``secrets`` that ``text`` shows: as they are, URL-encoded in any way, or in base64."""
    readings = (text, unquote(text), unquote_plus(text))
    return [s for s in secrets if any(shape in shown for shape in disguises(s) for shown in readings)]


def assert_no_secret(text: str | bytes, secrets: Iterable[str] = PLANTED) -> None:
    """Fail if ``text`` (a log, a body, a header block, a repr) shows a planted secret."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    leaked = found_in(shown, secrets)
    assert not leaked, f"planted secrets {leaked} in: {shown}"
