"""Open WebUI's exported configuration: Admin Panel, Settings, Database, Export Config (docs.openwebui.com).

It is nested (``{"openai": {"api_base_urls": [...]}}``); names with dots (``{"openai.api_base_urls": [...]}``) are taken as well.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name, stars_fit
from llm_proxy.cli.importing.secrets import headers_of, reference
from llm_proxy.cli.importing.upstreams import Upstream, is_address, kind_at, same_host, variable_of

_PAGE = "a setting of Open WebUI's own, which goes on there"


def read(source: Any, draft: Draft) -> None:
    """The whole file."""
    config = _nested(source if isinstance(source, Mapping) else {})
    for section in ("openai", "ollama"):
        given = config.get(section)
        if isinstance(given, Mapping):
            _connections(section, given, draft)
    for key in source if isinstance(source, Mapping) else ():
        if key.partition(".")[0] not in ("openai", "ollama"):
            draft.lost(_PAGE, key)
        elif "." in key:
            draft.changed("with its connection", key)


def _nested(config: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        head, dot, rest = key.partition(".")
        if dot:
            found[head] = {**found.get(head, {}), rest: value}
        elif isinstance(value, Mapping) and isinstance(found.get(key), dict):
            found[key] |= value
        else:
            found[key] = value
    return found


def _connections(section: str, given: Mapping[str, Any], draft: Draft) -> None:
    field = "base_urls" if section == "ollama" else "api_base_urls"
    urls, keys, configs = given.get(field), given.get("api_keys"), given.get("api_configs")
    urls = urls if isinstance(urls, list) else []
    keys = keys if isinstance(keys, list) else []
    configs = configs if isinstance(configs, Mapping) else {}
    off = given.get("enable") is False
    for at, url in enumerate(urls):
        config = configs.get(str(at), configs.get(str(url)))
        where = str(at) if str(at) in configs else str(url)
        key = keys[at] if at < len(keys) else None
        _Connection(section, str(url), key, config if isinstance(config, Mapping) else {}, draft).read(
            (section, field, at), (section, "api_keys", at), (section, "api_configs", where), off
        )
    for at in range(len(urls), len(keys)):
        draft.lost("there is no address to this key", section, "api_keys", at)
    for name in given:
        if name == "enable":
            (draft.changed if off else draft.taken)(
                *(("its connections are not active",) if off else ()), section, name
            )
        elif name not in (field, "api_keys", "api_configs"):
            draft.lost(_PAGE, section, name)


class _Connection:
    def __init__(self, section: str, url: str, key: Any, config: Mapping[str, Any], draft: Draft) -> None:
        self.section, self.url, self.key, self.config, self.draft = (
            section,
            url.strip().rstrip("/"),
            key,
            config,
            draft,
        )

    def read(self, url: Place, key: Place, config: Place, off: bool) -> None:
        """Put its models into the draft."""
        draft = self.draft
        if not is_address(self.url):
            return draft.lost("is no address", *url)
        kind, host = self.kind(url)
        called = Upstream(kind, host).name
        token = None
        text = self.config.get("key") if self.section == "ollama" else self.key
        if text is not None:
            token = reference(
                text, draft, (*config, "key") if self.section == "ollama" else key, variable_of(called)
            )
        more: dict[str, Any] = {}
        if found := headers_of(self.config.get("headers"), draft, (*config, "headers"), variable_of(called)):
            more["headers"] = found
        if off or self.config.get("enable") is False:
            more["active"] = False
        if self.config.get("api_type") == "responses":
            more["api"] = "responses"
            draft.changed("is api responses", *config, "api_type")
        upstream = Upstream(kind, host, token, tuple(more.items()))
        prefix = self.config.get("prefix_id")
        prefix = (
            f"{prefix}."
            if isinstance(prefix, str) and prefix and is_name(f"{prefix}.*") and "*" not in prefix
            else ""
        )
        models = self.config.get("model_ids")
        if isinstance(models, list) and models:
            for at, model in enumerate(models):
                if not is_name(model) or not is_name(prefix + model):
                    draft.lost("is no name that a model can have here", *config, "model_ids", at)
                elif not stars_fit(prefix + model, model):
                    draft.lost("its wildcards do not fit each other", *config, "model_ids", at)
                else:
                    draft.taken(*config, "model_ids", at)
                    draft.row(upstream, prefix + model, {"model": model} if prefix else {})
        else:
            draft.row(upstream, f"{prefix}*", {"model": "*"} if prefix else {})
            draft.changed('no models are named: the pattern "*" serves all that it has', *config, "model_ids")
        for name, value in self.config.items():
            self.rest(name, value, (*config, name))
        return None

    def kind(self, place: Place) -> tuple[str, str | None]:
        """What kind of upstream it is, and where, unless that is where it always is."""
        if self.section == "ollama":
            host = re.sub(r"/(api|v1)$", "", self.url)
            self.draft.taken(*place)
            return "ollama", same_host(host, "ollama")
        kind = (
            "azure"
            if self.config.get("azure") is True or self.config.get("provider") == "azure"
            else kind_at(self.url)
        )
        if kind == "azure":
            self.draft.changed("Azure's v1 API is asked, at /openai/v1, which wants no version", *place)
            return kind, re.sub(r"/openai(/.*)?$", "", self.url) + "/openai/v1"
        if kind == "gemini" or (kind == "anthropic"):
            self.draft.changed(f"asked in its own dialect, as {kind}", *place)
            return kind, None
        if kind == "ollama":
            self.draft.changed("an Ollama, asked in its own dialect", *place)
            return kind, same_host(re.sub(r"/(api|v1)$", "", self.url), kind)
        self.draft.taken(*place)
        return kind, same_host(self.url, kind)

    def rest(self, name: str, value: Any, here: Place) -> None:
        """What else it says of a connection."""
        if name == "enable":
            (
                self.draft.taken
                if value is not False
                else lambda *at: self.draft.changed("is active false", *at)
            )(*here)
        elif name == "prefix_id":
            self.draft.changed("is the beginning of its models' names", *here)
        elif name in ("azure", "provider", "api_version"):
            self.draft.changed("is told by the address", *here)
        elif name == "auth_type":
            (
                self.draft.taken
                if value in ("bearer", "none", None)
                else lambda *at: self.draft.lost("a key is a bearer token here", *at)
            )(*here)
        elif name not in ("model_ids", "key", "headers", "api_type"):
            self.draft.lost("nothing here reads it", *here)
