"""The texts of keys: how they are made, known again, and kept out of what is shown.

Laws: a key is ``lpk_``, 43 digits of base 62 (32 random bytes), and 6 digits of their checksum, so that a slip of the
hand is told apart from a wrong key, and scanners of repositories find it. Only its SHA-256 is kept: so much chance needs no
slow hash. Any text is a key whose hash is known; the form serves the words of a refusal. Pure, but for chance.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "lpk_"
_BODY, _SUM = 43, 6
_FORM = re.compile(rf"{PREFIX}([0-9A-Za-z]{{{_BODY}}})([0-9A-Za-z]{{{_SUM}}})")
#: Anything that looks like the beginning of one.
_SHOWN = re.compile(rf"{PREFIX}[0-9A-Za-z]*")


def new_key() -> str:
    """A key that nobody has had before."""
    body = _digits(int.from_bytes(secrets.token_bytes(32)), _BODY)
    return PREFIX + body + _checksum(body)


def digest_of(text: str) -> bytes:
    """What is kept of a key: its SHA-256. ``text`` as it came in a header, in which bytes are Latin-1 characters, or as
    an operator has typed it."""
    try:
        data = text.encode("latin-1")
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).digest()


def hash_text(digest: bytes) -> str:
    """A digest as ``access.json`` holds it."""
    return "sha256:" + digest.hex()


def mistyped(text: str) -> bool:
    """Whether ``text`` means to be a key of ours, and cannot be one."""
    found = _FORM.fullmatch(text)
    sound = found is not None and _checksum(found[1]) == found[2]
    return text.startswith(PREFIX) and not sound


def redacted(text: str) -> str:
    """``text`` without the keys in it."""
    return _SHOWN.sub(PREFIX + "***", text) if PREFIX in text else text


def _checksum(body: str) -> str:
    return _digits(zlib.crc32(body.encode()), _SUM)


def _digits(number: int, count: int) -> str:
    found = []
    for _ in range(count):
        number, digit = divmod(number, len(DIGITS))
        found.append(DIGITS[digit])
    return "".join(reversed(found))
