"""LiteLLM's ``model_list``: a row here for each deployment (docs.litellm.ai/docs/proxy/configs)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name
from llm_proxy.cli.importing.litellm_kinds import FOREIGN, FOREIGN_NAMES, KEYLESS, KINDS, NAMES, VARIABLES
from llm_proxy.cli.importing.litellm_params import Fields
from llm_proxy.cli.importing.secrets import reference
from llm_proxy.cli.importing.upstreams import Upstream, host_of, is_address, kind_at, same_host, variable_of


def read_models(rows: Any, credentials: Mapping[str, Mapping[str, Any]], draft: Draft) -> None:
    """All of ``model_list``. ``credentials``: values by the names of ``credential_list``."""
    for at, row in enumerate(rows if isinstance(rows, list) else ()):
        place: Place = ("model_list", at)
        if isinstance(row, Mapping):
            _Row(row, place, credentials, draft).read()
        else:
            draft.lost("is no deployment", *place)


class _Row:
    def __init__(
        self, row: Mapping[str, Any], place: Place, credentials: Mapping[str, Mapping[str, Any]], draft: Draft
    ) -> None:
        self.row, self.place, self.draft = row, place, draft
        given = row.get("litellm_params")
        self.params: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
        self.at: Place = (*place, "litellm_params")
        credential = self.params.pop("litellm_credential_name", None)
        if credential is not None:
            known = credentials.get(str(credential))
            if known is None:
                draft.lost(
                    "there are no such credentials in credential_list", *self.at, "litellm_credential_name"
                )
            else:
                draft.taken(*self.at, "litellm_credential_name")
                self.params = {**known, **self.params}

    def read(self) -> None:
        """Put the row into the draft, or say why not."""
        draft, name, model = self.draft, self.row.get("model_name"), self.params.pop("model", None)
        if not is_name(name):
            return draft.lost("is no name that a model can have here", *self.place)
        if not is_name(model):
            return draft.lost("it names no model of a provider", *self.place)
        assert isinstance(name, str)
        kind, upstream_model, why = self.kind(str(model))
        if why:
            return draft.lost(f"{name}: {why}", *self.place)
        if name.count("*") != upstream_model.count("*") and "*" in upstream_model:
            return draft.lost("its wildcards do not fit each other", *self.place)
        draft.taken(*self.place, "model_name")
        draft.taken(*self.at, "model")
        host, kind = self.host(kind)
        if not kind:
            return None
        if host is None and host_of(kind) is None:
            return draft.lost(f"{kind} has no usual address: give api_base", *self.at, "model")
        token = self.token(kind, host)
        found = Fields(draft, kind, name)
        for key, value in self.params.items():
            found.param(key, value, (*self.at, key))
        for key, value in self.row.items():
            if key == "model_info" and isinstance(value, Mapping):
                found.info(value, (*self.place, key))
            elif key not in ("model_name", "litellm_params"):
                found.param(key, value, (*self.place, key))
        fields = {**found.fields, **({"options": found.options} if found.options else {})}
        if upstream_model != name:
            fields["model"] = upstream_model
        draft.row(Upstream(kind, host, token), name, fields)
        return None

    def kind(self, model: str) -> tuple[str, str, str]:
        """The kind of upstream, its name for the model, and why there is none."""
        custom = self.params.pop("custom_llm_provider", None)
        if custom is not None:
            self.draft.taken(*self.at, "custom_llm_provider")
        head, slash, rest = model.partition("/")
        prefix = str(custom or (head if slash else ""))
        if custom and head == custom and slash:
            model = rest
        prefix = FOREIGN_NAMES.get(prefix, prefix)
        if prefix in FOREIGN:
            return "", "", FOREIGN[prefix]
        if prefix in KINDS:
            kind = KINDS[prefix]
            model = rest if slash and not custom else model
            if kind == "azure":
                model = model.removeprefix("responses/")
            return kind, model, "" if is_name(model) else "it names no model of a provider"
        for pattern, kind in NAMES:
            if not slash and pattern.match(model):
                return kind, model, ""
        if self.params.get("api_base") or self.params.get("base_url"):
            return "openai", model, ""  # whatever it is, it has an address of its own
        if model == "*":
            return "", "", "name each provider's wildcard, such as openai/* and anthropic/*"
        whose = f"the provider {prefix[:40]}" if prefix else "its provider"
        return "", "", f"{whose} is not known here, and it has no api_base"

    def host(self, kind: str) -> tuple[str | None, str]:
        """Where it is; None: where that kind always is. The kind may be told better by the address; it is empty where that is none: what was meant
        for a server of one's own must not go to a vendor."""
        key = "api_base" if "api_base" in self.params else "base_url"
        given = self.params.pop(key, None)
        here = (*self.at, key)
        if given is None and kind != "azure":
            return None, kind
        text = "os.environ/AZURE_API_BASE" if given is None else str(given).strip().rstrip("/")
        variable = reference(text, self.draft, here, "") if text.startswith("os.environ/") else None
        if variable and kind == "azure":
            words = f"set it without a slash at its end: {variable}/openai/v1 is asked, which wants no api_version"
            self.draft.changed(words, *here)
            return f"{variable}/openai/v1", kind
        if variable:
            return variable, kind
        if not is_address(text):
            self.draft.lost("is no address that can be taken here: http or https, no user, no query", *here)
            return None, ""
        kind = kind_at(text, kind) if kind == "openai" else kind
        if kind == "azure":
            root = re.sub(r"/openai(/.*)?$", "", text)
            self.draft.changed("Azure's v1 API is asked, at /openai/v1, which wants no api_version", *here)
            return f"{root}/openai/v1", kind
        bare = text
        for tail in ("/chat/completions", "/completions", "/embeddings", "/messages"):
            bare = bare.removesuffix(tail)
        if kind in ("anthropic", "gemini", "ollama"):
            bare = re.sub(r"/(v1|v1beta|api)$", "", bare)
        if bare != text:
            self.draft.changed("without the path of an endpoint, which is added here", *here)
        else:
            self.draft.taken(*here)
        return same_host(bare, kind), kind

    def token(self, kind: str, host: str | None) -> str | None:
        """What stands for its key."""
        if "api_key" in self.params:
            return reference(
                self.params.pop("api_key"),
                self.draft,
                (*self.at, "api_key"),
                variable_of(Upstream(kind, host).name),
            )
        if kind in KEYLESS or (host is not None and kind == "openai"):
            return None
        name = VARIABLES.get(kind) or variable_of(kind)
        self.draft.variables.setdefault(name, f"the key of {kind}, which LiteLLM reads there by itself")
        return f"${{{name}}}"
