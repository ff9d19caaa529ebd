"""The certificate that clients see, and whose certificates we want to see: files made into a TLS context.

Laws: TLS 1.2 or newer and HTTP/1.1, nothing else; what is wrong with a file is one sentence, in which no key and no
directory stands. Blocking: for worker threads and for the start. When the files change is not known here.
"""

from __future__ import annotations

import os
import ssl
import stat
from pathlib import Path
from typing import NamedTuple

#: A file of certificates is a few KiB, a bundle of all authorities a quarter of a MiB.
_LARGEST = 4 << 20
_CERTIFICATE, _KEY = (
    (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----"),
    (b"PRIVATE KEY-----",),
)


class CertificateError(ValueError):
    """The files cannot be used; the text says which and why, in one line."""


class TlsFiles(NamedTuple):
    """``key`` is None if it stands in ``cert``; with ``client_ca`` clients must show a certificate that it has signed."""

    cert: Path
    key: Path | None = None
    client_ca: Path | None = None


Stamps = tuple[tuple[int, ...], ...]


def stamps(files: TlsFiles) -> Stamps:
    """What changes when one of the files does, wherever links lead."""
    return tuple(_stamp(path) for path in files if path is not None)


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:
        return (getattr(error, "errno", None) or 0,)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def load(files: TlsFiles) -> ssl.SSLContext:
    """The context for new connections. Raises ``CertificateError``."""
    key = files.key or files.cert
    _look_at(files.cert, _CERTIFICATE, "certificate")
    _look_at(key, _KEY, "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(files.cert, key, password=_no_password)
    except (OSError, ValueError) as error:  # which ssl.SSLError is, too
        raise CertificateError(_why(files.cert, key, error)) from error
    if files.client_ca is not None:
        _look_at(files.client_ca, _CERTIFICATE, "certificate")
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ValueError) as error:
            raise CertificateError(f"{files.client_ca.name} cannot be used: {_reason(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _look_at(path: Path, wanted: tuple[bytes, ...], what: str) -> None:
    """Whether ``path`` is a file that may hold what is ``wanted``; OpenSSL would wait for ever on a pipe, and its own
    words help nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = os.read(descriptor, _LARGEST + 1) if regular else b""
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise CertificateError(f"{path.name}: {getattr(error, 'strerror', None) or error}") from error
    if not regular:
        raise CertificateError(f"{path.name} is not a regular file")
    if len(data) > _LARGEST:
        raise CertificateError(f"{path.name} is larger than {_LARGEST} bytes")
    if not any(mark in data for mark in wanted):
        raise CertificateError(f"{path.name} holds no {what} in PEM format")


def _no_password() -> str:
    """Nobody is there to type one: without this OpenSSL would ask on the terminal."""
    raise ValueError("it needs a password")


def _why(cert: Path, key: Path, error: Exception) -> str:
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the private key in {key.name} does not belong to the certificate in {cert.name}"
    if not isinstance(error, OSError):
        return f"the private key in {key.name} cannot be used: {error}"
    return f"{cert.name} and {key.name} cannot be used: {_reason(error)}"


def _reason(error: Exception) -> str:
    """OpenSSL's word, in small letters."""
    word = getattr(error, "reason", None) or getattr(error, "strerror", None) or "malformed"
    return str(word).replace("_", " ").lower()[:100]
