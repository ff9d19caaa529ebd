"""The texts that end an answer, as vendors take them: some refuse a blank one, some more than a few."""

from __future__ import annotations

from providers.common.conversation import refuse
from providers.common.params import Params


def stops(params: Params, *names: str, most: int | None = None, blank: bool = True) -> list[str] | None:
    """What was sent under the first of ``names``, without empty ones; not ``blank``: without those of white space alone. No
    more than ``most``. What had to go is named. None if there is nothing. Raises ``InvalidRequest`` for anything but texts: only
    the canonical name was looked at before."""
    given = params.take(*names)
    if given is None:
        return None
    found = [given] if isinstance(given, str) else given
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        refuse(names[-1], "must be a string or a list of strings")
    kept: list[str] = [text for text in found if (text if blank else text.strip())]
    if len(kept) < len(found):
        params.drop(names[0], "empty" if blank else "white space")
    if most is not None and len(kept) > most:
        params.drop(names[0], f"more than {most}")
    return kept[:most] or None
