"""Names of tools that fit the grammar of every vendor: up to 64 letters, digits, ``_`` and ``-``.

Laws: the same tool always has the same name, and two that differ only in what does not fit stay two.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LONGEST = 64


def fits(name: str) -> bool:
    """Whether a name can be kept as it is."""
    return _FITS.fullmatch(name) is not None


def flat_name(namespace: str, name: str) -> str:
    """One name for both."""
    whole = f"{namespace}{'' if namespace.endswith('__') else '__'}{name}" if namespace else name
    if fits(whole):
        return whole
    clean = re.sub(r"[^a-zA-Z0-9_-]", "_", whole[: 2 * _LONGEST])
    if clean[:1] in "-0123456789":
        clean = "_" + clean  # Gemini's names begin with a letter or an underscore
    return clean if len(clean) <= _LONGEST else _marked(clean, whole)


def free_name(namespace: str, name: str, taken: Container[str]) -> str:
    """A flat name that is not taken; the mark is of the tool itself, so that it need not be sought for long."""
    found = flat_name(namespace, name)
    number = 1
    while found in taken:
        number += 1
        found = _marked(flat_name(namespace, name), f"{namespace} {name} {number}")
    return found


def _marked(name: str, whole: str) -> str:
    mark = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST - 9]}_{mark}"
