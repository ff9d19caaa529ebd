"""What makes a single value of the configuration a good one, beyond its type.

Laws: pure functions; each returns the value to use or raises ``ValueError`` with a sentence that says what is
allowed and holds nothing of the value.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from llm_proxy.errors import InvalidRequest
from llm_proxy.wire.schema import UPSTREAM_FIELDS, ChatRequest

#: RFC 9110, 5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: RFC 1123 names, and the underscore that docker compose puts into them.
_HOST_NAME = re.compile(
    r"(?!.{254})(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?)+", re.ASCII | re.IGNORECASE
)
#: How people write a Unix socket: curl and gRPC, nginx, Docker and httpx. (sun_path has 108 bytes with a NUL, unix(7).)
_UNIX = re.compile(r"http\+unix://|(?:http://)?unix:(?://(?=/))?(?=/)", re.IGNORECASE)
_LONGEST_SOCKET = 107
_URL_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*", re.ASCII)
#: pkg.go.dev/time#ParseDuration, which Ollama applies to strings.
_GO_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)

#: They belong to the connection or the body, which the gateway makes itself (RFC 9110, 7.6.1 and 8).
RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

CANONICAL_OPTIONS = frozenset(ChatRequest.model_fields) - {"model", "messages", "stream"}
#: What looks like an option but is something else, and why.
NOT_OPTIONS = {
    "model": 'the upstream\'s name of the model stands beside "options", as "model"',
    "messages": "messages come from the client",
    "stream": "whether to stream is the client's to say",
} | dict.fromkeys(UPSTREAM_FIELDS, 'addresses and keys stand beside "options", as "api_host" and "api_token"')


@lru_cache(maxsize=100)  # thousands of models share a host
def api_host(value: str) -> str:
    """An http or https URL without anything but host, port and path; scheme and host in lower case, no ``/`` at the
    end. A Unix socket becomes ``http+unix://%2Frun%2Fvllm.sock``, with the path of the URL behind it."""
    if _CONTROL.search(value) or value != value.strip():
        raise ValueError("must not contain white space or control characters")
    if (unix := _UNIX.match(value)) is not None:
        return _unix_host(value[unix.end() :], encoded=unix[0].lower() == "http+unix://")
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and a port from 1 to 65535") from None
    if url.scheme not in ("http", "https") or not value[len(url.scheme) :].startswith("://"):
        raise ValueError('must begin with "http://" or "https://", or with "unix://" for a Unix socket')
    if "?" in value or "#" in value:
        raise ValueError("must not have a query or a fragment")
    if "@" in url.netloc:
        raise ValueError('must not have a user part; keys belong into "api_token"')
    if port == 0 or url.netloc.endswith(":"):
        raise ValueError("must have a port from 1 to 65535, or none")
    if not _is_host(url):
        raise ValueError("must have a valid host: a name in ASCII letters (punycode), or an IP address")
    if not _URL_PATH.fullmatch(url.path) or {".", ".."} & set(_segments(url.path)):
        raise ValueError("must have a plain path: no spaces, no backslashes, no dot segments")
    return f"{url.scheme}://{url.netloc.lower()}{url.path.rstrip('/')}"


def _unix_host(rest: str, *, encoded: bool) -> str:
    """``rest`` is a percent-encoded host and a path (as Docker and httpx know it), or a path of a file, and after a colon a
    path of the URL (as nginx knows it)."""
    if encoded:
        host, slash, below = rest.partition("/")
        if re.search(r"%(?![0-9A-Fa-f]{2})", host):
            raise ValueError("must have the path of a Unix socket, percent-encoded, in the place of the host")
        path, below = unquote(host), slash + below
    else:
        path, _, below = rest.partition(":")
    if ".sock/" in path:
        raise ValueError('must have a colon before the path of the URL: "unix:///run/vllm.sock:/v1"')
    if (
        not path.startswith("/")
        or path.startswith("//")
        or path.endswith("/")
        or not path.isprintable()
        or "\ufffd" in path
    ):
        raise ValueError('must have the absolute path of a Unix socket, such as "unix:///run/vllm.sock"')
    if len(path.encode()) > _LONGEST_SOCKET:
        raise ValueError(f"must have a path of a Unix socket of at most {_LONGEST_SOCKET} bytes")
    if not _URL_PATH.fullmatch(below) or {".", ".."} & set(_segments(below)):
        raise ValueError(
            'must have a plain path of the URL after the colon, such as "unix:///run/vllm.sock:/v1"'
        )
    return f"http+unix://{quote(path, safe='')}{below.rstrip('/')}"


def _is_host(url: SplitResult) -> bool:
    host = url.hostname or ""
    try:
        if ":" in host:
            return bool(IPv6Address(host)) and "%" not in host
        if re.fullmatch(r"[0-9.]+", host, re.ASCII):
            return bool(IPv4Address(host))
    except ValueError:
        return False
    return "[" not in url.netloc and _HOST_NAME.fullmatch(host) is not None


def _segments(path: str) -> list[str]:
    return re.sub("%2e", ".", path, flags=re.IGNORECASE).split("/")


def pem_path(value: str) -> str:
    """The absolute path of a file."""
    if "-----BEGIN" in value:
        raise ValueError("must be the path of a PEM file, not what stands in it")
    if not value.startswith("/") or _CONTROL.search(value):
        raise ValueError("must be the absolute path of a PEM file")
    return value


def header_name(name: str) -> str:
    """A name that HTTP allows and that is not the gateway's own business."""
    if not _TOKEN.fullmatch(name) or len(name) > 256:
        raise ValueError("not a header name (letters, digits and -)")
    if name.lower() in RESERVED_HEADERS:
        raise ValueError("the gateway sets this header itself")
    return name


def header_value(value: str) -> str:
    """A text that fits into a header: not empty, Latin-1, no control characters, no white space at either end."""
    if not value:
        raise ValueError("must not be empty")
    if _CONTROL.search(value) or value != value.strip():
        raise ValueError("must not contain control characters, nor white space at either end")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("must consist of Latin-1 characters, because it is sent in a header") from None
    return value


def name(value: str, *, forbidden: str = "", limit: int = 256) -> str:
    """A text that people can read and type: printable, not empty, no space at either end."""
    if not 1 <= len(value) <= limit or not value.isprintable() or value != value.strip():
        raise ValueError(f"must be 1 to {limit} printable characters, without a space at either end")
    if forbidden and set(value) & set(forbidden):
        raise ValueError(f"must not contain any of {' '.join(forbidden)}")
    return value


def provider_name(value: str) -> str:
    """It stands in the URL of raw passthrough calls, as one segment of the path."""
    if value in (".", ".."):
        raise ValueError("must be more than dots")
    return name(value, forbidden="/\\?#%", limit=100)


def keep_alive(value: object) -> str | int | float:
    """A Go duration, or a number of seconds; negative means for ever."""
    if isinstance(value, str) and _GO_DURATION.fullmatch(value):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError('must be a duration such as "30m" or a number of seconds (negative: for ever)')


def hedge_after(value: object) -> float | str:
    """Seconds, or the one word that there is."""
    if value == "p95" and isinstance(value, str):
        return "p95"
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 86400:
        return float(value)
    raise ValueError('must be "p95" or a number of seconds, more than 0')


def option_problems(options: dict[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with default options: the path below ``options``, and the reason. A canonical option has the type
    that a client's request must give it; the rest is between the operator and the upstream."""
    problems: list[tuple[tuple[str, ...], str]] = [
        ((key,), NOT_OPTIONS[key]) for key in options if key in NOT_OPTIONS
    ]
    canonical = {
        key: value for key, value in options.items() if key in CANONICAL_OPTIONS and value is not None
    }
    if not canonical:
        return problems
    try:
        ChatRequest.of({"model": "m", "messages": [{"role": "user", "content": ""}], **canonical})
    except InvalidRequest as error:
        problems += [(tuple(problem.path.split(".")), problem.message) for problem in error.problems]
    return problems
