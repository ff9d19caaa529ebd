"""The target of a request (RFC 9112, section 3.2) in the one form that is served, and the spellings of a path.

Laws: pure. What follows the path is never touched. Only what cannot mean anything else is made equal: letters that need
no percent sign (RFC 3986, section 6.2.2.2), slashes that follow each other, one at the end; segments of dots are not, since
who goes up there wants to be somewhere else.
"""

from __future__ import annotations

import re

_ABSOLUTE = re.compile(r"https?://([^/?#@\\]+)([/?].*)?", re.IGNORECASE | re.DOTALL)
_ESCAPED = re.compile(r"%(2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_SLASHES = re.compile(r"//+")


class BadTarget(ValueError):
    """No target of such a request."""


def origin_form(method: str, target: str) -> tuple[str, str | None]:
    """A target that does not begin with a slash as one that does, and the host that it names, which then counts instead of
    the ``Host`` field. Raises ``BadTarget``."""
    if target == "*" and method == "OPTIONS":
        return "/", None  # about the server as a whole
    if method == "CONNECT":
        return target, None  # it is a method that is not served
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise BadTarget("not the target of a request")
    rest = found[2] or ""
    return rest if rest.startswith("/") else "/" + rest, found[1]


def spelled(path: str) -> str:
    """``path`` as everybody writes it."""
    if "%" in path:
        path = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path)
    if "//" in path:
        path = _SLASHES.sub("/", path)
    return path.rstrip("/") or "/"


def below(path: str, prefix: str) -> str | None:
    """What stands below ``prefix`` in a path that was ``spelled``, if it does; not below it twice."""
    if not prefix or not (path == prefix or path.startswith(prefix + "/")):
        return None
    rest = path[len(prefix) :] or "/"
    return None if rest == prefix or rest.startswith(prefix + "/") else rest


def after(target: str, segments: int) -> str:
    """What of ``target``, as it was sent, follows its first ``segments`` segments and a slash; however they are spelled."""
    at = 0
    for _ in range(segments):
        while target.startswith("/", at):
            at += 1
        at = target.find("/", at)
        if at < 0:
            return ""
    return target[at:].lstrip("/")
