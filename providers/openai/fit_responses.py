"""A Responses request without what the vendor's row says that its model refuses (``Vendor.models``).

Laws: thinking that is asked of a model that has none is left out and named, with the wish for its encrypted form, which says
nothing without it; so are samplers that a model does not take. A request of which nothing is refused stays the same object.
"""

from __future__ import annotations

from typing import Any

from providers.openai.fit_params import DEFAULTS, refused_by
from providers.openai.vendor import Vendor

_Json = dict[str, Any]
_SAMPLERS = ("temperature", "top_p", "top_logprobs")
_ENCRYPTED = "reasoning.encrypted_content"


def fit_responses(body: _Json, vendor: Vendor, model: str) -> tuple[_Json, tuple[str, ...]]:
    """The request to send, and the names of what it has lost."""
    refused = refused_by(vendor, model)
    out = {name for name in _SAMPLERS if name in refused and name in body}
    changed: _Json = {}
    if "reasoning_effort" in refused:
        out |= {"reasoning"} & body.keys()
        include = body.get("include")
        if isinstance(include, list) and _ENCRYPTED in include:
            changed["include"] = [one for one in include if one != _ENCRYPTED]
    if not out and not changed:
        return body, ()
    lost = (name for name in sorted(out) if body[name] and body[name] != DEFAULTS.get(name))
    return {**{name: value for name, value in body.items() if name not in out}, **changed}, tuple(lost)
