"""The certificates that are trusted where nothing else is said: ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``, else the system's.

Laws: blocking, so for threads and for the start; equal stamps, equal certificates. OpenSSL takes a file that is not there
for an empty one without a word, hence ``complaints``.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

Stamp = tuple[tuple[int, ...], ...]

#: Names in a directory of certificates that are looked at; a system's has a few hundred.
_MOST = 10_000

_BEGIN, _END = (
    re.compile(rb"-----%b (?:TRUSTED |X509 )?CERTIFICATE-----" % word) for word in (b"BEGIN", b"END")
)


def stamp() -> Stamp:
    """What the store is made of now: number, change time and size of each file. The change time cannot be set back, and a
    file that was exchanged has another number."""
    paths = ssl.get_default_verify_paths()
    found = [_of(os.environ.get(paths.openssl_cafile_env, paths.openssl_cafile))]
    for folder in os.environ.get(paths.openssl_capath_env, paths.openssl_capath).split(os.pathsep):
        found.append(_of(folder))
        try:
            names = sorted(os.listdir(folder))[:_MOST] if folder else []
        except OSError:
            continue
        found += [_of(os.path.join(folder, name)) for name in names]
    return tuple(found)


def _of(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_ctime_ns, found.st_size


def is_sound() -> bool:
    """Whether the file that the environment names holds whole certificates, as far as a glance tells. True if it names
    none."""
    path = os.environ.get(ssl.get_default_verify_paths().openssl_cafile_env)
    if not path:
        return True
    try:
        data = Path(path).read_bytes()
    except OSError:
        return False
    return 0 < len(_BEGIN.findall(data)) == len(_END.findall(data))


def complaints(env: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the places that the environment names, a sentence each."""
    paths = ssl.get_default_verify_paths()
    name = paths.openssl_cafile_env
    if path := env.get(name):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
        except ssl.SSLError:
            yield f"{name}: the file holds no certificates in PEM form, so no upstream's certificate will be trusted by it"
        except OSError as error:
            yield f"{name}: the file cannot be read ({error.strerror}), so no upstream's certificate will be trusted by it"
    name = paths.openssl_capath_env
    for folder in env.get(name, "").split(os.pathsep):
        if folder and not os.path.isdir(folder):
            yield f"{name}: a directory that it names does not exist"
