"""One way to ask a gateway that runs, for the commands that do. No redirect is followed."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from urllib.parse import urlsplit

#: The most that a gateway may say.
_MOST = 64 * 1024 * 1024


class NoAnswerError(Exception):
    """The running gateway could not be asked; the text is one line."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway is, and the key that is sent to it. ``base``: the path of the address, without a slash at its end."""

    host: str
    port: int | None
    secure: bool
    base: str
    key: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, key: str) -> Address:
        """``url`` may lack its scheme. Raises ``NoAnswerError``."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            raise NoAnswerError("the port is not a number") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NoAnswerError("give the address of a running gateway, such as http://127.0.0.1:8080")
        return cls(parts.hostname, port, parts.scheme == "https", parts.path.rstrip("/"), key)

    def get(self, path: str, patience: float) -> tuple[int, bytes]:
        """The status, and what was answered if that is 200; each step may take ``patience`` seconds. Raises ``OSError`` or
        ``HTTPException``."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        connection = kind(self.host, self.port, timeout=patience)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST) if answer.status == 200 else b""
        finally:
            connection.close()


def why(error: BaseException) -> str:
    """What kept a gateway from answering, in a word or some."""
    return getattr(error, "strerror", None) or type(error).__name__
