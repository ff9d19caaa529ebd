"""The files of the console's page: read once, compressed once, kept in memory.

Laws: a name is looked up among those that were found, so no path of a request reaches the file system. Hidden files, and those of
a kind that no page needs, are not found. Blocking: for a thread.

A script that must run before the first paint is written into its page, and allowed by its hash: a request for it would hold
up the paint (by 20 of 100 ms, seen on a slow machine).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Media types, by how a name ends.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]*", re.ASCII)

#: A script of the same folder that the browser waits for before it shows anything.
_BLOCKING = re.compile(rb'<script src="console/([a-z0-9._-]+)"></script>')


def _policy(scripts: Iterable[bytes] = ()) -> str:
    """A page of ours runs scripts and takes styles of ours alone, asks nobody else, and stands in no frame. Of the scripts
    within it, ``scripts`` are run and no other."""
    sources = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src 'self'{sources}; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "font-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )


_POLICY = _policy()


@dataclass(frozen=True, slots=True)
class StaticFile:
    """``packed``: the body compressed with gzip, if that is shorter. ``policy``: its ``Content-Security-Policy``."""

    body: bytes
    packed: bytes | None
    kind: str
    tag: str
    policy: str

    @classmethod
    def of(cls, body: bytes, kind: str, policy: str = _POLICY) -> StaticFile:
        """With its tag."""
        packed = gzip.compress(body, 9, mtime=0)
        tag = hashlib.sha256(body).hexdigest()[:16]
        return cls(body, packed if len(packed) < 0.9 * len(body) else None, kind, tag, policy)


def read_files(folder: Path) -> Mapping[str, StaticFile]:
    """All files in and below ``folder``, by their path there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        kind = TYPES.get(path.suffix)
        if kind is not None and path.is_file() and all(map(_NAME.fullmatch, name.parts)):
            found[name.as_posix()] = _read(path, kind)
    return found


def _read(path: Path, kind: str) -> StaticFile:
    body = path.read_bytes()
    if path.suffix != ".html":
        return StaticFile.of(body, kind)
    scripts = {name: (path.parent / name.decode()).read_bytes() for name in _BLOCKING.findall(body)}
    body = _BLOCKING.sub(lambda found: b"<script>%b</script>" % scripts[found[1]], body)
    return StaticFile.of(body, kind, _policy(scripts.values()))


def takes_gzip(accept: str) -> bool:
    """Whether ``Accept-Encoding`` allows it (RFC 9110, section 12.5.3)."""
    for item in accept.lower().split(","):
        name, _, weight = item.partition(";")
        if name.strip() in ("gzip", "x-gzip", "*"):
            return re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", weight) is None
    return False
