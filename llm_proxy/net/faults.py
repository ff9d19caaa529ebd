"""What can go wrong between us and an upstream's socket, as exceptions that say where (``phase``) and what (``kind``).

Laws: every failure of the transport is one class of this tree, or a ``ValueError`` about the request itself, raised
before anything was sent. Each class declares the phases and kinds that it can carry, so that a caller can map all of
them. A class that stands for a failure of the operating system or of TLS also *is* that built-in exception
(``except ConnectionRefusedError`` works), and the original is its ``__cause__``. Every one of them is Tornado's
``HTTPClientError`` with code 599, as ``tornado.httpclient`` documents for a request without a response. Messages
name no secret, but may name host and port: they are for the log.

The tree::

    TransportError(HTTPClientError)      599
      Aborted                            any phase: aborted          abort() was called, or the client was closed
      TransportTimeout(TimeoutError)     any phase but pool: timeout connect_timeout or request_timeout is over
        PoolTimeout                      pool: timeout               no connection became free in time
      PoolExhausted                      pool: exhausted             too many requests wait already
      ConnectError(OSError)              connect: unreachable, reset, timeout, protocol (a proxy's refusal)
        ResolveError(gaierror)           resolve: nxdomain, exhausted (all look-up threads hang)
        RefusedError(ConnectionRefusedError)  connect: refused
        TlsError(SSLError)               tls: protocol, reset
          CertificateError(SSLCertVerificationError)  tls: verify
          TlsFilesError              tls: protocol              our own certificate files
      ConnectionLost(ConnectionResetError)  head: eof, reset, stale; body: reset, truncated; write: eof, reset, stale
      ProtocolError                      head, body: framing, too_large, informational, protocol
        BodyTooLarge                     body: too_large             above max_body_size
        EncodingError                    body: encoding              broken or exploding gzip
"""

from __future__ import annotations

import socket
import ssl
from typing import ClassVar, Literal

from tornado.httpclient import HTTPClientError

Phase = Literal["pool", "resolve", "connect", "tls", "head", "body", "write"]
Kind = Literal[
    "aborted",
    "encoding",
    "eof",
    "exhausted",
    "framing",
    "informational",
    "nxdomain",
    "protocol",
    "refused",
    "reset",
    "stale",
    "timeout",
    "too_large",
    "truncated",
    "unreachable",
    "verify",
]


class TransportError(HTTPClientError):
    """Base of the tree. ``phase`` is where the request stood, ``kind`` what happened there."""

    phases: ClassVar[frozenset[Phase]] = frozenset()
    kinds: ClassVar[frozenset[Kind]] = frozenset()

    def __init__(self, message: str, phase: Phase, kind: Kind) -> None:
        # Not HTTPClientError.__init__: it would hand (599, message) to OSError as errno and strerror.
        Exception.__init__(self, message)
        self.code = 599
        self.message = message
        self.response = None
        self.phase = phase
        self.kind = kind
        #: How often the request was sent again because a pooled connection had died; set by the client.
        self.stale_retries = 0

    def __str__(self) -> str:
        return self.message or ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, {self.phase!r}, {self.kind!r})"


class Aborted(TransportError):
    """The caller gave the request up; its socket is closed."""

    phases = frozenset({"pool", "resolve", "connect", "tls", "head", "body", "write"})
    kinds = frozenset({"aborted"})


class TransportTimeout(TransportError, TimeoutError):
    """``connect_timeout`` or ``request_timeout`` is over."""

    phases = frozenset({"resolve", "connect", "tls", "head", "body", "write"})
    kinds = frozenset({"timeout"})


class PoolTimeout(TransportTimeout):
    """No connection to this host became free in time."""

    phases = frozenset({"pool"})


class PoolExhausted(TransportError):
    """So many requests wait for a connection to this host already that one more is refused at once."""

    phases = frozenset({"pool"})
    kinds = frozenset({"exhausted"})


class ConnectError(TransportError, OSError):
    """No connection could be made; nothing was sent."""

    phases = frozenset({"connect"})
    kinds = frozenset({"unreachable", "reset", "timeout", "protocol"})

    def caused_by(self, error: OSError) -> ConnectError:
        """Take over the number of the operating system's error."""
        self.errno = error.errno
        return self


class ResolveError(ConnectError, socket.gaierror):
    """The host name did not resolve."""

    phases = frozenset({"resolve"})
    kinds = frozenset({"nxdomain", "exhausted"})


class RefusedError(ConnectError, ConnectionRefusedError):
    """Nobody listens on that port."""

    kinds = frozenset({"refused"})


class TlsError(ConnectError, ssl.SSLError):
    """The TLS handshake failed."""

    phases = frozenset({"tls"})
    kinds = frozenset({"protocol", "reset"})


class CertificateError(TlsError, ssl.SSLCertVerificationError):
    """The certificate was refused; ``verify_message`` says which check failed."""

    kinds = frozenset({"verify"})


class TlsFilesError(TlsError):
    """Certificate files that a request names cannot be used; nothing was sent."""

    kinds = frozenset({"protocol"})


class ConnectionLost(TransportError, ConnectionResetError):
    """The connection ended before the answer did."""

    phases = frozenset({"head", "body", "write"})
    kinds = frozenset({"eof", "reset", "stale", "truncated"})


class ProtocolError(TransportError):
    """The upstream sent something that is not an HTTP/1 answer, or one that we refuse to read."""

    phases = frozenset({"head", "body"})
    kinds = frozenset({"framing", "too_large", "informational", "protocol"})


class BodyTooLarge(ProtocolError):
    """A body that was to be collected is larger than ``max_body_size``."""

    phases = frozenset({"body"})
    kinds = frozenset({"too_large"})


class EncodingError(ProtocolError):
    """A compressed body that we were asked to decode is broken, cut, or explodes."""

    phases = frozenset({"body"})
    kinds = frozenset({"encoding"})


def connect_error(error: OSError, phase: Phase, where: str) -> ConnectError:
    """The class of the tree for an ``OSError`` that stopped a connection in ``phase``; ``where`` is ``host:port``."""
    reason = getattr(error, "reason", None) or error.strerror or str(error)
    found: ConnectError
    if isinstance(error, ssl.SSLCertVerificationError):
        found = CertificateError(f"certificate of {where} refused: {error.verify_message}", "tls", "verify")
        found.verify_code, found.verify_message = error.verify_code, error.verify_message
    elif isinstance(error, ssl.SSLError):
        found = TlsError(f"TLS handshake with {where} failed: {reason}", "tls", "protocol")
    elif phase == "tls":
        found = TlsError(f"{where} closed the connection during the TLS handshake", "tls", "reset")
    elif isinstance(error, ConnectionRefusedError):
        found = RefusedError(f"{where} refused the connection", "connect", "refused")
    elif isinstance(error, ConnectionResetError | ConnectionAbortedError):
        found = ConnectError(f"{where} reset the connection", "connect", "reset")
    elif isinstance(error, TimeoutError):  # the system's own patience was shorter than connect_timeout
        found = ConnectError(f"{where} does not answer", "connect", "timeout")
    else:
        found = ConnectError(f"{where} is unreachable: {reason}", "connect", "unreachable")
    return found.caused_by(error)
