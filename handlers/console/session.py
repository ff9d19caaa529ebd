"""``/console/session``: who is signed in, signing in with a key, signing out."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from handlers.base.gate import Needs
from handlers.base.signed_in import grant_of, session_of
from handlers.console.base import CLOSED, ConsoleHandler, is_open_to
from llm_proxy import __version__
from llm_proxy.console.sessions import COOKIE, LASTS, cookie_in
from llm_proxy.errors import NotAllowed, RequestError
from llm_proxy.live.access.identity import identify, presented
from llm_proxy.live.access.secrets import digest_of
from llm_proxy.wire.schema import validated

_OVER = "Thu, 01 Jan 1970 00:00:00 GMT"


class SignIn(BaseModel):
    """``POST /console/session``."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(min_length=1, max_length=500)


class SessionHandler(ConsoleHandler):
    """Nobody needs a key to ask whether he needs one."""

    endpoint = "/console/session"
    needs: ClassVar[Needs] = "nothing"

    def get(self) -> None:
        access, gateway = self.snapshot.access, self.gateway
        told: dict[str, Any] = {
            "access": "open",
            "role": None,
            "key": None,
            "expires": None,
            "writing": self.console.writes,
            "prefix": gateway.settings.ep_prefix.strip("/"),
            "version": __version__,
            "keys": access is not None,
            "ollama": gateway.ollama_url,
            "reason": None,
        }
        if access is None:
            told["role"] = "write" if is_open_to(self) else None
            if told["role"] is None:
                told |= {"access": "closed", "reason": CLOSED}
        else:
            headers = self.request.headers.by_name()
            session = session_of(self, headers)
            grant = grant_of(access, session)
            told["access"] = "key"
            if grant is not None and session is not None:
                told |= {"role": grant.terms.admin, "key": grant.name, "expires": round(session.ends)}
            elif presented(headers):
                grant = identify(access, presented(headers), time.time())
                told |= {"role": grant.terms.admin or None, "key": grant.name}
        self.send_json(told)

    head = get

    async def post(self) -> None:
        access = self.snapshot.access
        form = await self.beside(validated, SignIn, await self.json_body())
        if access is None:
            raise RequestError("there are no keys here: nobody needs to sign in", param="key")
        key = form.key.strip()
        grant = identify(access, [key], time.time())
        if not grant.terms.admin:
            forbidden = NotAllowed('the console is for keys with "admin"')
            self.gateway.gate.refused(grant.name, forbidden)
            raise forbidden
        text = self.console.sessions.open(digest_of(key), time.time())
        self._set_cookie(text, f"Max-Age={LASTS}")
        self.answer_without_body()

    def delete(self) -> None:
        self.console.sessions.close(cookie_in(self.request.headers.get("Cookie")))
        self._set_cookie("", f"Max-Age=0; Expires={_OVER}")
        self.answer_without_body()

    def _set_cookie(self, text: str, lasts: str) -> None:
        asked = self.verdict.asked if self.verdict is not None else None
        origin = self.request.headers.get("Origin", "")
        secure = (
            self.connection.secure
            or origin.startswith("https:")
            or (asked is not None and asked.scheme == "https")
        )
        self.set_header(
            "Set-Cookie",
            f"{COOKIE}={text}; Path=/; {lasts}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else ""),
        )


root_routes: list[tuple[str, Any]] = [("/console/session", SessionHandler)]
