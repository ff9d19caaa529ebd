"""The request that follows a redirect.

Laws: pure; bounded by the caller's ``max_redirects``; credentials never reach another origin (the headers that
libcurl and Tornado drop, and the vendors' key headers that both forward); a POST becomes a GET where Tornado's own
client makes it one. Our client follows redirects only when a request asks for it.
"""

from __future__ import annotations

import copy
from urllib.parse import urljoin

from tornado.httpclient import HTTPRequest

from llm_proxy.upstreams.target import split_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_CREDENTIALS = ("Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key")
_ABOUT_BODY = ("Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding")


def redirected(request: HTTPRequest, code: int, location: str) -> HTTPRequest:
    """A copy of ``request`` for ``location``. Raises ``ValueError`` when we cannot go there."""
    following = copy.copy(request)
    following.url = urljoin(request.url, location)
    following.headers = request.headers.copy()
    following.headers.pop("Host", None)
    before, after = split_url(request.url), split_url(following.url)
    if after.is_local and not before.is_local:
        raise ValueError("a redirect to a Unix socket is not followed")
    if (before.scheme, before.host, before.port) != (after.scheme, after.host, after.port):
        following.auth_username = following.auth_password = None
        if after.user is not None:
            following.url = f"{after.scheme}://{after.netloc}{after.path}"
        for name in _CREDENTIALS:
            following.headers.pop(name, None)
    if (code == 303 and request.method != "HEAD") or (code in (301, 302) and request.method == "POST"):
        following.method = "GET"
        following.body = None  # type: ignore[assignment]  # Tornado types it bytes, and means bytes or None
        following.body_producer = None
        for name in _ABOUT_BODY:
            following.headers.pop(name, None)
    return following
