"""What an upstream said, fit for a client: one bounded, printable line without addresses and without keys.

Laws: the time is linear in the text, whatever it holds: every pattern begins only where a run of its characters begins
and never goes back over it (possessive repetition). What looks like a key or an address is replaced rather than risked;
names of models with their tags (``llama3.2:8b``) are neither.
"""

from __future__ import annotations

import re

MAX_MESSAGE = 500
#: How much of a text is looked at: what is replaced makes it shorter, so more than is shown.
_LOOKED_AT = 4 * MAX_MESSAGE

_URL = re.compile(r"(?<![a-z0-9+.-])[a-z0-9+.-]++://[^\s\"'<>]*+", re.IGNORECASE)
_KEY = re.compile(
    # The prefixes that vendors give their keys; then words that are keys only if a digit follows somewhere.
    r"(?<![a-z0-9])(?:sk|pk|rk|gsk|hf|xai)[-_][a-z0-9+/=_*.-]{6,}+"
    r"|(?<![a-z0-9_-])(?:key|api|token)[-_](?=[a-z+/=_*.-]{0,80}[0-9])[a-z0-9+/=_*.-]{6,}+"
    r"|(?<![a-z0-9])AIza[a-z0-9_-]{10,}+"
    r"|(?<![a-z0-9])eyJ[a-z0-9_-]{6,}+(?:\.[a-z0-9_-]++)*+"
    r"|\bBearer\s++\S++",
    re.IGNORECASE,
)
_HOST = re.compile(
    # A name with dots and a port, names that exist only inside a network, and numbers.
    r"(?<![a-z0-9.-])(?:[a-z0-9-]++\.)++[a-z]{2,}+:\d{2,5}+"
    r"|(?<![a-z0-9.-])(?:[a-z0-9-]+\.){1,8}(?:internal|local|localdomain|lan|svc)(?::\d{1,5}+)?(?![a-z0-9-])"
    r"|(?<![a-z0-9.-])localhost(?::\d{1,5}+)?(?![a-z0-9-])"
    r"|(?<![0-9.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5}+)?(?![0-9])"
    r"|\[(?=[0-9a-f]{0,4}:[0-9a-f]{0,4}:)[0-9a-f:.]{2,45}+\](?::\d{1,5}+)?",
    re.IGNORECASE,
)


def public(text: str) -> str:
    """``text`` of an upstream as a client may see it."""
    line = "".join(c if c.isprintable() else " " for c in text[:_LOOKED_AT])
    line = _HOST.sub("[address]", _KEY.sub("[key]", _URL.sub("[address]", line)))
    line = " ".join(line.split())
    return line if len(line) <= MAX_MESSAGE else line[:MAX_MESSAGE] + "..."
