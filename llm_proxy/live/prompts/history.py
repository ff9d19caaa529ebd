"""Which old versions of prompts stay in memory, so that a conversation pinned to one goes on through edits.

Laws: the current version of a prompt stands first and is never forgotten; of each prompt the last versions
are kept, also after its file is gone; all old versions together are bounded, and those of the prompts that
changed longest ago are given up first. Pure: the history is a mapping that is copied, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from llm_proxy.live.prompts.text import Prompt

#: (id, language)
Key = tuple[str, str]

#: The newest version first. Prompts that changed last stand last.
History = Mapping[Key, tuple[Prompt, ...]]

#: How many versions of each prompt are kept, the current one included.
MAX_VERSIONS = 20

#: About how much all the old ones may weigh together.
MAX_BYTES = 64 * 1024 * 1024


def remember(history: History, before: Mapping[Key, Prompt], now: Mapping[Key, Prompt]) -> History:
    """The history after an edit that turned the current prompts ``before`` into ``now``."""
    versions = dict(history)
    for key, prompt in now.items():
        if before.get(key) is not prompt:
            older = [version for version in versions.pop(key, ()) if version.hash != prompt.hash]
            versions[key] = (prompt, *older)[:MAX_VERSIONS]
    for key in before.keys() - now.keys():
        versions[key] = versions.pop(key)  # its file is gone: that is its last change
    _forget(versions, now)
    return MappingProxyType(versions)


def _forget(versions: dict[Key, tuple[Prompt, ...]], now: Mapping[Key, Prompt]) -> None:
    """Drop old versions until the rest is light enough."""
    weight = sum(_weight(version) for key, held in versions.items() for version in held[key in now :])
    for key in list(versions) if weight > MAX_BYTES else ():
        while weight > MAX_BYTES and len(versions[key]) > (key in now):
            weight -= _weight(versions[key][-1])
            versions[key] = versions[key][:-1]
        if not versions[key]:
            del versions[key]


def _weight(prompt: Prompt) -> int:
    """About how many bytes a version holds: its text twice, whole and cut, and the objects around it."""
    return 2 * len(prompt.text) + 1024
