"""A request of a page of ours: whether it is one, and whose session of the console it carries.

Laws: a session counts only for requests that our own pages have made, since a browser adds its cookie to others too: by
``Sec-Fetch-Site``, or where a browser does not send that (it does over TLS and on this machine), by ``Origin`` or ``Referer``. The
key behind it must still be good, and still open the console. A key in a header goes first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llm_proxy.console.sessions import Session, cookie_in
from llm_proxy.live.access.identity import presented
from llm_proxy.live.access.values import Access, Grant

if TYPE_CHECKING:
    from handlers.base.handler import BaseHandler


def from_our_page(handler: BaseHandler, *, told_by: tuple[str, ...] = ("origin",)) -> bool:
    """Whether one of our pages sends it. ``told_by``: fields that name where a page stands, where the browser does not say how
    it stands to us."""
    headers = handler.request.headers.by_name()
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    given = next((headers[name] for name in told_by if name in headers), "")
    asked = handler.verdict.asked.host if handler.verdict is not None else None
    try:
        named = urlsplit(given).netloc.lower()
    except ValueError:
        return False
    return bool(named) and named == (asked or handler.request.host).lower()


def session_of(handler: BaseHandler, headers: Mapping[str, str]) -> Session | None:
    """The session that its cookie names, if it lasts."""
    console = handler.gateway.console
    text = cookie_in(headers.get("cookie"))
    return console.sessions.find(text, time.time()) if console is not None and text else None


def grant_of(access: Access, session: Session | None) -> Grant | None:
    """What the holder of that session may, if its key is still one that opens the console."""
    if session is None or time.time() >= session.ends:
        return None
    grant = access.grant(session.digest)
    if grant is None or not grant.terms.active or not grant.terms.admin or time.time() >= grant.terms.expires:
        return None
    return grant


def signed_in(handler: BaseHandler, access: Access, headers: Mapping[str, str]) -> Grant | None:
    """Whose session the request is made in, if it came without a key."""
    if presented(headers):
        return None
    if not handler.of_the_console and not from_our_page(handler, told_by=("origin", "referer")):
        return None
    return grant_of(access, session_of(handler, headers))
