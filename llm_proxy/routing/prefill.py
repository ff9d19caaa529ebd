"""Which upstreams go on with an assistant's message that is not complete, instead of answering it.

Laws: what the configuration says wins; else what is known of servers of the kind: Ollama, vLLM, llama.cpp and Claude before 4.6
do, which answers 400 from then on (litellm#27967). Pure.
"""

from __future__ import annotations

import re

from llm_proxy.wire.calls import Deployment

_KINDS = frozenset({"ollama", "vllm", "llamacpp"})
#: ``claude-3-5-sonnet-...`` and ``claude-sonnet-4-5-...``: a number of one or two digits is a version, a longer one a date.
_CLAUDE = re.compile(r"claude-(?:(?:opus|sonnet|haiku)-)?(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?")
_REFUSES_FROM = (4, 6)


def kind_of(deployment: Deployment) -> str:
    """The kind of server, as far as the configuration says."""
    return deployment.vendor if deployment.api_type == "openai" else deployment.api_type


def takes_prefill(deployment: Deployment) -> bool:
    """Whether it goes on."""
    if deployment.prefill is not None:
        return deployment.prefill
    kind = kind_of(deployment)
    if kind != "anthropic":
        return kind in _KINDS
    if "claude-2" in deployment.model or "claude-instant" in deployment.model:
        return True
    found = _CLAUDE.search(deployment.model)
    return found is not None and (int(found[1]), int(found[2] or 0)) < _REFUSES_FROM
