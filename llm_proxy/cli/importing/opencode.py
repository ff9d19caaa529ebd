"""opencode's ``opencode.json`` (opencode.ai/docs/config, opencode.ai/docs/providers)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name, stars_fit
from llm_proxy.cli.importing.options import count, options_of, seconds
from llm_proxy.cli.importing.secrets import headers_of, reference
from llm_proxy.cli.importing.upstreams import Upstream, host_of, is_address, kind_at, same_host, variable_of

#: Packages of the AI SDK, and names that opencode has by itself.
_KINDS = {
    **{
        f"@ai-sdk/{name}": name
        for name in "openai anthropic azure groq mistral deepseek cerebras deepinfra fireworks perplexity xai".split()
    },
    "@ai-sdk/google": "gemini",
    "@ai-sdk/togetherai": "together",
    "@ai-sdk/openai-compatible": "openai",
    "@openrouter/ai-sdk-provider": "openrouter",
    "ollama-ai-provider": "ollama",
    "ollama-ai-provider-v2": "ollama",
    **{
        name: name
        for name in (
            "openai anthropic azure groq mistral deepseek cerebras deepinfra perplexity xai openrouter moonshot nvidia huggingface "
            "sambanova zai lmstudio"
        ).split()
    },
    "google": "gemini",
    "togetherai": "together",
    "fireworks-ai": "fireworks",
    "moonshotai": "moonshot",
    "zhipuai": "zai",
}
_FOREIGN = {
    "@ai-sdk/amazon-bedrock": "AWS Bedrock",
    "amazon-bedrock": "AWS Bedrock",
    "@ai-sdk/google-vertex": "Vertex AI",
    "google-vertex": "Vertex AI",
    "@ai-sdk/cohere": "Cohere",
    "github-copilot": "GitHub Copilot's sign-in",
}
_PROGRAM = "a setting of opencode's own, which goes on there"
_COSTS = {"input": "input", "output": "output", "cache_read": "cache_read", "cache_write": "cache_write"}


def read(source: Any, draft: Draft) -> None:
    """The whole file."""
    config = source if isinstance(source, Mapping) else {}
    off = config.get("disabled_providers")
    providers = config.get("provider")
    for name, provider in providers.items() if isinstance(providers, Mapping) else ():
        if isinstance(off, list) and name in off:
            draft.lost("it stands in disabled_providers", "provider", name)
        elif isinstance(provider, Mapping):
            _provider(str(name), provider, draft)
        else:
            draft.lost("is no provider", "provider", name)
    for key in config:
        if key in ("model", "small_model"):
            draft.lost(
                "which model is asked for is the client's choice: llm-proxy client opencode --write", key
            )
        elif key != "provider":
            draft.lost(_PROGRAM, key)


def _provider(name: str, provider: Mapping[str, Any], draft: Draft) -> None:
    place: Place = ("provider", name)
    given = provider.get("options")
    options: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    base = str(options.get("baseURL") or provider.get("api") or "").strip().rstrip("/")
    kind, why = _kind(name, str(provider.get("npm") or ""), base)
    if why:
        return draft.lost(why, *place)
    if "npm" in provider:
        draft.changed(f"is {kind} here", *place, "npm")
    host = None
    if base:
        address = (*place, "options", "baseURL") if "baseURL" in options else (*place, "api")
        host = _host(kind, base, address, draft)
        if host is None:
            return None
        kind = kind_at(base, kind) if kind == "openai" else kind
        host = same_host(host, kind)
    if host is None and host_of(kind) is None:
        return draft.lost(f"{kind} has no usual address: give baseURL", *place)
    called = kind if host is None else re.sub(r"[^\w.-]+", "-", name).strip("-.") or kind
    token = _token(kind, host, called, provider, options, place, draft)
    more = _defaults(options, place, called, draft)
    if provider.get("npm") == "@ai-sdk/openai" and kind == "openai" and host is not None:
        more["api"] = "responses"
    upstream = Upstream(kind, host, token, tuple(more.items()), called)
    found = provider.get("models")
    models: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    for model, facts in models.items():
        _model(str(model), facts, upstream, (*place, "models", str(model)), draft)
    _lists(provider, models, upstream, place, draft)
    for key in provider:
        if key == "name":
            draft.lost("a provider has one name here, its key", *place, key)
        elif key == "env":
            draft.changed("a key stands with the provider, as a reference", *place, key)
        elif key not in ("npm", "api", "options", "models", "whitelist", "blacklist"):
            draft.lost("nothing here reads it", *place, key)
    return None


def _kind(name: str, package: str, base: str) -> tuple[str, str]:
    """What it is here, and why it is nothing."""
    for word in (package, name):
        if word in _FOREIGN:
            return "", f"no adapter here speaks to {_FOREIGN[word]}"
    kind = (
        _KINDS.get(package)
        or (None if package and not base else _KINDS.get(name))
        or ("openai" if base else "")
    )
    return kind, "" if kind else "its package is not known here, and it has no baseURL"


def _host(kind: str, base: str, here: Place, draft: Draft) -> str | None:
    if base.startswith("{env:"):
        return reference(base, draft, here, "")
    if not is_address(base):
        draft.lost("is no address", *here)  # what was meant for a server of one's own must not go to a vendor
        return None
    bare = re.sub(r"/(v1|v1beta|api)$", "", base) if kind in ("anthropic", "gemini", "ollama") else base
    if bare == base:
        draft.taken(*here)
    else:
        draft.changed(f"without its end, as {kind} has it here", *here)
    return bare


def _token(
    kind: str,
    host: str | None,
    called: str,
    provider: Mapping[str, Any],
    options: Mapping[str, Any],
    place: Place,
    draft: Draft,
) -> str | None:
    if "apiKey" in options:
        return reference(options["apiKey"], draft, (*place, "options", "apiKey"), variable_of(called))
    names = provider.get("env")
    if isinstance(names, list) and names and re.fullmatch(r"[A-Za-z_]\w*", str(names[0])):
        name = str(names[0])
    elif host is None and kind not in ("ollama", "lmstudio"):
        name = variable_of(kind)
    else:
        return None
    draft.variables.setdefault(name, f"the key of {called}; opencode may have it in its auth.json")
    return f"${{{name}}}"


def _defaults(options: Mapping[str, Any], place: Place, called: str, draft: Draft) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in options.items():
        here = (*place, "options", key)
        if key == "headers":
            found["headers"] = headers_of(value, draft, here, variable_of(called))
        elif (
            key == "timeout"
            and not isinstance(value, bool)
            and isinstance(value, (int, float))
            and seconds(value / 1000)
        ):
            draft.changed("is timeouts.total, in seconds", *here)
            found["timeouts"] = {"total": value // 1000 if value % 1000 == 0 else value / 1000}
        elif key == "timeout" and value is False:
            draft.changed("a stream may take as long as it goes on", *here)
        elif key not in ("apiKey", "baseURL"):
            draft.lost("nothing here reads it", *here)
    return {key: value for key, value in found.items() if value}


def _model(name: str, facts: Any, upstream: Upstream, place: Place, draft: Draft) -> None:
    if not is_name(name):
        return draft.lost("is no name that a model can have here", *place)
    fields: dict[str, Any] = {}
    if not isinstance(facts, Mapping) or not facts:
        draft.taken(*place)
        facts = {}
    for key, value in facts.items():
        here = (*place, key)
        if key == "id" and is_name(value) and stars_fit(name, value):
            draft.changed("is model", *here)
            if value != name:
                fields["model"] = value
        elif key in ("limit", "cost", "options") and isinstance(value, Mapping):
            {"limit": _limit, "cost": _cost, "options": _options}[key](name, value, fields, here, draft)
        elif key == "headers":
            if found := headers_of(value, draft, here, variable_of(upstream.name)):
                fields["headers"] = found
        elif key in ("attachment", "reasoning", "temperature", "tool_call", "modalities"):
            draft.changed("not needed: the upstream is asked what its model can do", *here)
        else:
            draft.lost("nothing here reads it", *here)
    draft.row(upstream, name, fields)
    return None


def _limit(name: str, given: Mapping[str, Any], fields: dict[str, Any], here: Place, draft: Draft) -> None:
    for limb, number in given.items():
        if limb == "context" and count(number):
            draft.changed("is input_size", *here, limb)
            fields["input_size"] = count(number)
        else:
            draft.lost("the client's own limit, which it sends", *here, limb)


def _options(name: str, given: Mapping[str, Any], fields: dict[str, Any], here: Place, draft: Draft) -> None:
    if options := options_of(given, draft, here):
        fields["options"] = options


def _cost(name: str, value: Mapping[str, Any], fields: dict[str, Any], here: Place, draft: Draft) -> None:
    """US dollars for a million tokens, there as here."""
    prices: dict[str, float] = {}
    for limb, usd in value.items():
        if limb in _COSTS and isinstance(usd, (int, float)) and not isinstance(usd, bool) and 0 <= usd <= 1e9:
            prices[_COSTS[limb]] = usd
            draft.changed("is a price of access.json", *here, limb)
        else:
            draft.lost("is no price", *here, limb)
    if {"input", "output"} <= prices.keys():
        draft.access.setdefault("prices", {})[name] = prices


def _lists(
    provider: Mapping[str, Any], models: Mapping[str, Any], upstream: Upstream, place: Place, draft: Draft
) -> None:
    """Which models of a known provider there are; without a list all that it has."""
    allowed, refused = provider.get("whitelist"), provider.get("blacklist")
    if isinstance(allowed, list):
        for at, name in enumerate(allowed):
            if is_name(name):
                draft.taken(*place, "whitelist", at)
                if name not in models:
                    draft.row(upstream, name, {})
    elif not models:
        draft.row(upstream, "*", {})
        draft.changed('no models are named: the pattern "*" serves all that it has', *place, "models")
    if isinstance(refused, list):
        for at, name in enumerate(refused):
            draft.changed("is not active", *place, "blacklist", at)
            if is_name(name):
                draft.row(upstream, name, {"active": False})
