"""Keys of a source: a reference becomes ours, a key becomes the name of a variable, and a word that stands for none is left out.

Laws: what comes out holds no key that went in; neither does anything that is said of it.
"""

from __future__ import annotations

import os
import re
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place
from llm_proxy.live.access.secrets import digest_of, hash_text
from llm_proxy.live.config import checks

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
#: LiteLLM, llama-swap, opencode, Continue, shells, Node, Python.
_REFERENCE = re.compile(
    rf"os\.environ/({_NAME})|\$\{{env\.({_NAME})\}}|\{{env:({_NAME})\}}|\$\{{\{{\s*(?:secrets|inputs|env)\.({_NAME})\s*\}}\}}"
    rf"|\$\{{({_NAME})\}}|\$({_NAME})|process\.env\.({_NAME})|os\.environ\[[\"']({_NAME})[\"']\]|\$\{{({_NAME}):?-[^}}]*\}}"
)
_FILE = re.compile(r"\{file:([^{}]+)\}")
#: What people write where a program insists on a key and the server does not.
_NONE = re.compile(
    r"|none|null|empty|dummy.*|fake.*|n/?a|sk-no-key-required|no-?key.*|not-?needed|not-?required|anything|any|unused|x+|ollama"
    r"|lm-?studio|local|test|placeholder|your[-_ ].*|<.*>|sk-\.+|sk-x+|1234|sk-1234|sk-dummy.*",
    re.IGNORECASE,
)


def reference(
    text: Any, draft: Draft, place: Place, variable: str, *, may_be_none: bool = True
) -> str | None:
    """What stands for this key here; None if there is none to be sent. Every way is put into the report."""
    if not isinstance(text, str) or not text.strip():
        draft.changed("it is empty: no key is sent", *place)
        return None
    text = text.strip()
    if found := _FILE.fullmatch(text):
        path = os.path.expanduser(found[1].strip())
        draft.changed(f"read from the file, as ${{file:{path}}}", *place)
        return f"${{file:{os.path.abspath(path)}}}"
    if found := _REFERENCE.fullmatch(text):
        name = next(group for group in found.groups() if group)
        draft.taken(*place)
        draft.variables.setdefault(name, _said(place))
        return f"${{{name}}}"
    if may_be_none and _NONE.fullmatch(text):
        draft.changed("it stands for no key: none is sent", *place)
        return None
    name = _free(draft, variable, text)
    draft.changed(f"the key itself is not copied: set {name}", *place)
    draft.variables.setdefault(name, _said(place))
    return f"${{{name}}}"


def _free(draft: Draft, variable: str, text: str) -> str:
    met, digest = draft.met, digest_of(text)
    number, name = 1, variable
    while met.setdefault(name, digest) != digest or (name in draft.variables and name not in met):
        number += 1
        name = f"{variable}_{number}"
    return name


def looks_secret(header: str) -> bool:
    """Whether a header of this name holds a key."""
    return re.search(r"auth|key|token|secret|cookie|password", header, re.IGNORECASE) is not None


def headers_of(given: Any, draft: Draft, place: Place, variable: str) -> dict[str, str]:
    """Headers of a source; the values of those that hold keys become variables."""
    found: dict[str, str] = {}
    if not isinstance(given, dict):
        return found
    for name, value in given.items():
        here = (*place, str(name))
        if not isinstance(value, str) or not _is_header(str(name), value):
            draft.lost("is no header that can be sent", *here)
        elif (
            not looks_secret(str(name))
            and "{" not in value
            and "$" not in value
            and not value.startswith("os.environ")
        ):
            found[str(name)] = value
            draft.taken(*here)
        else:
            scheme, _, rest = value.partition(" ")
            bearer = scheme.lower() in ("bearer", "basic") and bool(rest)
            text = reference(
                rest if bearer else value,
                draft,
                here,
                f"{variable.removesuffix('_API_KEY')}_{re.sub(r'[^A-Za-z0-9]+', '_', str(name)).upper()}",
            )
            if text is not None:
                found[str(name)] = f"{scheme} {text}" if bearer else text
    return found


def _is_header(name: str, value: str) -> bool:
    try:
        checks.header_name(name)
        checks.header_value(value)
    except ValueError:
        return False
    return True


def own_key(text: Any, name: str, draft: Draft, place: Place, **fields: Any) -> None:
    """A key with which clients ask: its hash is kept, so that they go on with it."""
    if not isinstance(text, str) or not text:
        draft.lost("is no key", *place)
        return
    if _REFERENCE.fullmatch(text.strip()):
        draft.lost(
            f"a key is kept as its hash, and this one is not in the file: llm-proxy key new {name} --write",
            *place,
        )
        return
    found = hash_text(digest_of(text))
    keys = draft.access.setdefault("keys", {})
    if any(row["hash"] == found for row in keys.values()):
        draft.changed("the same key again", *place)
        return
    keys[name] = {"hash": found, **fields}
    draft.changed(f"its hash is kept in access.json, as {name}: clients go on with the same key", *place)


def _said(place: Place) -> str:
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return words.lstrip(".")
