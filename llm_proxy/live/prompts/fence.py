"""Which files may be prompts, wherever links lead: those below the prompt directory, and never one that the
configuration names.

Laws: the directory is meant by its real path, and so is a file: what was opened is judged, not its name, since a
link may be turned meanwhile. A file that the configuration names (itself, a secret, a certificate, the last good copy) is known
by its device and inode, so that hard links and other mounts make no difference. Nothing is said of what a link leads
to. Whoever may write prompts (a translator's checkout) need not be able to read what this process can.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from llm_proxy.live.prompts.text import PromptFault

Identity = tuple[int, int]

LINK_OUT = "is a link out of the prompt directory, which is followed only with LLM_PROXY_API_PROMPTS_FOLLOW=1"
#: What Linux says of each open file (proc(5)). Elsewhere the path is asked again.
_DESCRIPTORS = b"/proc/self/fd/"


class NamedFileFault(PromptFault):
    """A file that the configuration names lies, or is linked, where a prompt should be."""

    def __init__(self) -> None:
        super().__init__("is a file that the configuration names, and so is never a prompt")


@dataclass(frozen=True, slots=True)
class Fence:
    """``follow``: links may lead anywhere. ``named``: what is never a prompt."""

    follow: bool = False
    named: frozenset[Identity] = frozenset()

    def leads_out(self, root: bytes, path: bytes) -> bool:
        """Whether ``path``, where a link has led, is where nobody may follow it from the real directory ``root``."""
        return not self.follow and not _is_below(root, path)

    def judge(self, root: bytes, path: bytes, descriptor: int, found: os.stat_result) -> None:
        """Raise ``PromptFault`` if what was opened by ``path`` must not be a prompt."""
        if (found.st_dev, found.st_ino) in self.named:
            raise NamedFileFault
        if not self.follow and not _is_below(root, _place_of(descriptor, path)):
            raise PromptFault(LINK_OUT)


def _is_below(root: bytes, path: bytes) -> bool:
    return path == root or path.startswith(root.rstrip(b"/") + b"/")


def _place_of(descriptor: int, path: bytes) -> bytes:
    try:
        return os.readlink(_DESCRIPTORS + str(descriptor).encode())
    except OSError:
        return os.path.realpath(path)


def identities(paths: Iterable[str | os.PathLike[str]]) -> frozenset[Identity]:
    """What tells the files at ``paths`` from all others; of those that can be found. Blocking."""
    found = set()
    for path in paths:
        try:
            seen = os.stat(path)
        except (OSError, ValueError):
            continue
        found.add((seen.st_dev, seen.st_ino))
    return frozenset(found)
