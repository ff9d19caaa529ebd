"""Texts that stand in JSON as they are: nothing in them is escaped, and nothing has to be. Pure."""

from __future__ import annotations

import re

#: What ``is_text`` looks for; the quicker way for a short text that has something unusual.
_plain = re.compile(rb'[^"\\\x00-\x1f]*+').fullmatch
_QUOTE, _BACKSLASH = b'"\\'


def is_text(text: bytes) -> bool:
    """Whether it ends where it seems to, and is a text, as it stands in JSON."""
    if text.isascii():
        whole = _QUOTE not in text and _BACKSLASH not in text
        return whole and (text.decode("ascii").isprintable() or _plain(text) is not None)
    return _plain(text) is not None and is_utf8(text)


def is_utf8(text: bytes) -> bool:
    """Whether it is well-formed UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
