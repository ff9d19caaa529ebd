"""``${NAME}`` and ``${file:/path}`` in the strings of a configuration.

Laws: a name is looked up in the environment that was handed over, a file is read through the function that was handed
over, once for each path; what comes in is not looked at again. ``$${`` stands for ``${``. A failure names the
variable or the path, never what was found there. Text that came from outside may be a secret wherever it stands:
it is a ``Filled``, which does not show itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from llm_proxy.wire.json_scan import shown

ReadFile = Callable[[str], bytes]

_MARK = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

#: Bytes of a text from a file.
_MAX_TEXT = 64 * 1024


class Filled(str):
    """A text with something from the environment or from a file in it. Only its ``repr`` differs from a string's."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"


class UnresolvedError(Exception):
    """A placeholder that cannot be filled; the message says which and why, without any value."""


class Placeholders:
    """Fills the placeholders of one load. ``files`` are the paths that were asked for, readable or not."""

    def __init__(self, env: Mapping[str, str], read_file: ReadFile) -> None:
        self._env = env
        self._read_file = read_file
        self.files: dict[str, bytes | UnresolvedError] = {}

    def fill(self, text: str) -> str:
        """``text`` with every placeholder replaced. Raises ``UnresolvedError`` for the first that cannot be."""
        if "${" not in text:
            return text
        filled = _MARK.sub(self._value, text)
        return Filled(filled) if any(mark[0] != "$${" for mark in _MARK.finditer(text)) else filled

    def _value(self, mark: re.Match[str]) -> str:
        if mark[0] == "$${":
            return "${"
        name = mark[1] or ""
        if name.startswith("file:"):
            return self._file(name.removeprefix("file:"))
        if not _NAME.fullmatch(name):
            raise UnresolvedError(
                'a placeholder is "${NAME}" or "${file:/path}"; "$${" stands for "${" itself'
            )
        value = self._env.get(name)
        if value is None:
            raise UnresolvedError(f"{shown(name)} is not set in the environment")
        if not _is_text(value):
            raise UnresolvedError(f"{shown(name)} in the environment is not valid UTF-8")
        return value

    def _file(self, path: str) -> str:
        if not path.startswith("/") or "\0" in path:
            raise UnresolvedError('"${file:...}" takes an absolute path')
        data = self.read(path)
        if len(data) > _MAX_TEXT:
            raise UnresolvedError(f"the file {shown(path, 200)} is larger than {_MAX_TEXT} bytes")
        try:
            # Editors and Kubernetes end a file with a newline; it is never part of a key.
            return data.decode().rstrip()
        except UnicodeDecodeError:
            raise UnresolvedError(f"the file {shown(path, 200)} is not valid UTF-8") from None

    def read(self, path: str) -> bytes:
        """What the file at an absolute ``path`` holds. Raises ``UnresolvedError``."""
        if path not in self.files:
            try:
                self.files[path] = self._read_file(path)
            except OSError as error:
                reason = error.strerror or str(error)
                failure = UnresolvedError(f"the file {shown(path, 200)} cannot be read: {reason}")
                self.files[path] = failure
        found = self.files[path]
        if isinstance(found, UnresolvedError):
            raise found
        return found


def _is_text(value: str) -> bool:
    """Whether ``value`` can be written as UTF-8; Python smuggles undecodable bytes of the environment as surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
