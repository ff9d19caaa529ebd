"""What OpenAI's other APIs, completions and Responses, have in common where an upstream has them itself: requests are sent
on as they are, and answers relayed as they come, with the model's name that was asked for.

Laws: who has them, the vendor's row says (``vendors``). A default of the configuration has chat's name and fills what the
client has left open, if the API has a word for it; else it is named as dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from llm_proxy.errors import UpstreamError
from llm_proxy.wire.calls import Deployment, HttpCall, NativeRequest
from llm_proxy.wire.large_json import encoded
from providers.base import NativeCall
from providers.common.defaults import effective
from providers.common.errors import in_stream, reported
from providers.common.headers import json_headers
from providers.common.json_objects import JsonObject, Malformed, loads_object
from providers.common.native_calls import Body, filled, renamed
from providers.openai.vendor import Vendor
from providers.vendors import vendor_of

#: What only chat has: neither completions nor Responses take it under this name.
ONLY_IN_CHAT = frozenset(
    "audio functions function_call messages modalities prediction response_format tool_choice tools "
    "parallel_tool_calls reasoning_effort verbosity web_search_options max_completion_tokens".split()
)


class OpenAICall(NativeCall):
    """``POST {host}{path}``."""

    path: ClassVar[str] = ""
    #: What an answer is called when it is none.
    kind: ClassVar[str] = ""
    #: What OpenAI itself takes, of the names that options of a configuration may have.
    known: ClassVar[frozenset[str]] = frozenset()

    def chat_call(self, request: NativeRequest, deployment: Deployment) -> HttpCall:
        body, dropped = self._completed(renamed(request.sent, deployment), deployment)
        own = self.provider.auth_headers(deployment)
        return HttpCall(
            "POST",
            deployment.api_host + self.path,
            (*json_headers(request.stream), *request.headers.items(), *own),
            encoded(body),
            deployment.timeouts,
            request.stream,
            dropped,
        )

    def _completed(self, body: Body, deployment: Deployment) -> tuple[Body, tuple[str, ...]]:
        """``body`` completed by the options of ``deployment``, and the names of those that it has no word for."""
        if not deployment.options:
            return body, ()
        given, lost = self.defaults(deployment.options, vendor_of(deployment))
        merged, _ = effective(body, given)
        found = {name: value for name, value in merged.items() if body.get(name) is None}
        return filled(body, found), tuple(name for name in sorted(lost) if body.get(name) is None)

    def defaults(self, options: Mapping[str, Any], vendor: Vendor) -> tuple[Body, set[str]]:
        """``options`` in this API's words, and the names of those that are lost."""
        lost = {
            name
            for name in options
            if name in ONLY_IN_CHAT or (vendor.strict and name not in self.known) or name in vendor.refuses
        }
        return {name: value for name, value in options.items() if name not in lost}, lost

    def document(self, body: bytes, key: str) -> JsonObject:
        """The object in a 200, which has a list at ``key``. Raises the error that it says, or ``UpstreamError``."""
        try:
            value = loads_object(body)
        except Malformed as error:
            raise self._no_answer(str(error)) from error
        if value.get("error"):
            raise in_stream(reported(value))
        if not isinstance(value.get(key), list):
            raise self._no_answer(f"it has no list '{key}'")
        return value

    def _no_answer(self, what: str) -> UpstreamError:
        text = f"the upstream's answer is no {self.kind}: {what}"
        return UpstreamError(text, phase="body", kind="content_type")
