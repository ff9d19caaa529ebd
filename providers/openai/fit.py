"""Makes a request of OpenAI's dialect what one vendor takes, as that vendor's row says.

Laws: pure. The body's own object is changed, nothing in it is: what the client sent stays as it is, and what no rule
concerns is the same object afterwards. What is taken out is named, unless it says nothing: a null, a default, a mere hint
(see ``fit_params``), a mark for a cache. A rule that a row does not ask for costs a look at the row, and a conversation of
plain turns one look at each.
"""

from __future__ import annotations

from typing import Any

from llm_proxy.wire.schema import FRAME, is_talk
from providers.common.tool_names import OPENAI, fit_names, new_names
from providers.openai.fit_calls import fit_ids
from providers.openai.fit_fields import fit_fields
from providers.openai.fit_messages import fit_content
from providers.openai.fit_pairs import fit_pairs
from providers.openai.fit_params import fit_params
from providers.openai.fit_schemas import fit_tools
from providers.openai.fit_turns import fit_turns
from providers.openai.vendor import Vendor

_Json = dict[str, Any]


def fit(body: _Json, vendor: Vendor, model: str) -> list[str]:
    """Change ``body``, a request for chat to ``model`` (the vendor's name for it); the names of what was lost."""
    messages = body["messages"]
    talk = not vendor.alternates and is_talk(messages)
    if talk and body.keys() <= FRAME:
        return []
    lost = dict.fromkeys(fit_params(body, vendor, model))
    if not talk:
        if vendor.pairs:
            messages = fit_pairs(messages, lost)
        messages = fit_fields(messages, vendor, lost)
        if vendor.call_id is not None:
            messages = fit_ids(messages, vendor.call_id, vendor.call_length)
        messages = fit_content(messages, vendor, lost)
        body["messages"] = fit_turns(messages, vendor)
    if body.get("tools") is not None:
        fit_tools(body, vendor, lost)
    if vendor.tool_names and (new := new_names(body, OPENAI)) is not None:
        fit_names(body, new)
    return list(lost)
