"""The certificate files that a configuration names: read as its secrets are, so that a new one counts as an edit.

Laws: pure but for the reading function; what is wrong with a file is said at each field that names it, by its path and
never by its content. Whether the certificates are any good is the handshake's to say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from llm_proxy.live.config.placeholders import Placeholders, UnresolvedError
from llm_proxy.live.config.report import Report
from llm_proxy.wire.calls import PemFile
from llm_proxy.wire.json_scan import Path, shown

_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_LOCKED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED", re.MULTILINE)


def _wrong_certificates(data: bytes) -> str | None:
    return None if _CERTIFICATE.search(data) else "holds no certificate in PEM form"


def _wrong_pair(data: bytes) -> str | None:
    return _wrong_certificates(data) or (_LOCKED_KEY if _LOCKED.search(data) else None)


def _wrong_key(data: bytes) -> str | None:
    if _LOCKED.search(data):
        return _LOCKED_KEY
    return None if _KEY.search(data) else "holds no private key in PEM form"


_LOCKED_KEY = "holds a key with a passphrase: a key without one is needed"

#: The fields that name such files, and what is wrong with the content, if anything is.
FIELDS: Mapping[str, Callable[[bytes], str | None]] = {
    "ca": _wrong_certificates,
    "client_cert": _wrong_pair,
    "client_key": _wrong_key,
}


def read_pem_files(document: Mapping[str, Any], files: Placeholders, report: Report) -> dict[str, PemFile]:
    """The sound ones by path; what is wrong with the others goes to ``report``."""
    found: dict[str, PemFile] = {}
    for place, name, path in _named(document):
        try:
            data = files.read(path)
        except UnresolvedError as error:
            report.problem(place, str(error))
            continue
        if (wrong := FIELDS[name](data)) is not None:
            report.problem(place, f"the file {shown(path, 200)} {wrong}")
            continue
        holds_key = _KEY.search(data) is not None
        found[path] = PemFile(path, hashlib.sha256(data).hexdigest(), holds_key)
    return found


def _named(document: Mapping[str, Any]) -> Iterator[tuple[Path, str, str]]:
    """Each field that names a file by a sound path: where it stands, its name, the path."""
    for provider, rows in document.items():
        for row, fields in rows.items() if isinstance(rows, dict) else ():
            if isinstance(fields, dict):
                for name in FIELDS:
                    path = fields.get(name)
                    if isinstance(path, str) and path.startswith("/") and "\0" not in path:
                        yield (provider, row, name), name, path
