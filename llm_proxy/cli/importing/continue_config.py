"""Continue's ``config.yaml``, and the older ``config.json`` (docs.continue.dev/reference)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name, stars_fit
from llm_proxy.cli.importing.options import count, is_keep_alive, option, seconds
from llm_proxy.cli.importing.secrets import headers_of, reference
from llm_proxy.cli.importing.upstreams import Upstream, host_of, is_address, kind_at, same_host, variable_of

#: What ``provider`` says, and what it is here.
_KINDS = {
    **{
        name: name
        for name in (
            "openai anthropic gemini ollama lmstudio vllm mistral groq deepseek openrouter together fireworks deepinfra cerebras "
            "nvidia sambanova moonshot azure perplexity"
        ).split()
    },
    "llama.cpp": "llamacpp",
    "llamafile": "llamacpp",
    "xAI": "xai",
    "huggingface-tgi": "tgi",
    "huggingface-inference-api": "huggingface",
    "zAI": "zai",
    "google": "gemini",
}
_FOREIGN = (
    "bedrock",
    "sagemaker",
    "bedrockimport",
    "vertexai",
    "watsonx",
    "cohere",
    "replicate",
    "cloudflare",
    "function-network",
)
#: Where Continue looks for a server whose address is not said.
_USUAL = {"llamacpp": "http://127.0.0.1:8080", "vllm": "http://127.0.0.1:8000"}
_EDITOR = "this belongs to the editor, and goes on there"
_SAMPLING = {"keepAlive": "keep_alive"}


def read(source: Any, draft: Draft) -> None:
    """The whole file."""
    config = source if isinstance(source, Mapping) else {}
    shared = config.get("requestOptions")
    for key in ("models", "tabAutocompleteModel", "embeddingsProvider", "reranker"):
        rows = config.get(key)
        for at, row in enumerate(
            rows if isinstance(rows, list) else [rows] if isinstance(rows, Mapping) else ()
        ):
            _model(row, (key, at) if isinstance(rows, list) else (key,), shared, draft)
    if isinstance(shared, Mapping):
        for name in shared:
            if name in ("headers", "timeout", "caBundlePath", "clientCertificate"):
                draft.changed("stands with each model", "requestOptions", name)
            else:
                draft.lost(_REQUEST.get(name, "no field of a model does this here"), "requestOptions", name)
    for key in config:
        if key not in ("models", "tabAutocompleteModel", "embeddingsProvider", "reranker", "requestOptions"):
            draft.lost("a name of the file's own" if key in ("name", "version", "schema") else _EDITOR, key)


_REQUEST = {
    "verifySsl": "certificates are always judged; ca says by whom they may be signed",
    "proxy": "set HTTPS_PROXY in the environment of the service",
    "noProxy": "set NO_PROXY in the environment of the service",
}


def _model(row: Any, place: Place, shared: Any, draft: Draft) -> None:
    if not isinstance(row, Mapping) or "uses" in row:
        return draft.lost("a block of Continue's hub is not in this file: put the model itself here", *place)
    provider, model = str(row.get("provider", "")), row.get("model")
    if provider in _FOREIGN:
        return draft.lost(f"no adapter here speaks to {provider}", *place)
    base = str(row.get("apiBase") or "").strip().rstrip("/")
    kind = _KINDS.get(provider) or ("openai" if base else "")
    if not kind:
        return draft.lost(f"the provider {provider[:40]} is not known here, and it has no apiBase", *place)
    if not is_name(model):
        return draft.lost("it names no model", *place)
    draft.taken(*place, "provider")
    if base and not is_address(base):
        return draft.lost("is no address", *place, "apiBase")
    host = _host(kind, base or _USUAL.get(kind, ""), row, place, draft)
    if host is None and host_of(kind) is None:
        return draft.lost(f"{kind} has no usual address: give apiBase", *place)
    kind = kind_at(host, kind) if host and kind == "openai" else kind
    name, fields = str(model), dict[str, Any]()
    if model == "AUTODETECT":
        name = "*"
        draft.changed('is the pattern "*": the upstream is asked for its models', *place, "model")
    else:
        draft.taken(*place, "model")
        if kind == "azure" and isinstance(row.get("env"), Mapping) and is_name(row["env"].get("deployment")):
            fields["model"] = row["env"]["deployment"]
            draft.changed("is model, the name of the deployment", *place, "env", "deployment")
    if not stars_fit(name, str(fields.get("model", name))):
        return draft.lost("its wildcards do not fit each other", *place)
    token = None
    if "apiKey" in row:
        token = reference(row["apiKey"], draft, (*place, "apiKey"), variable_of(Upstream(kind, host).name))
    elif kind not in ("ollama", "lmstudio", "llamacpp", "vllm", "tgi") and not (host and kind == "openai"):
        token = f"${{{variable_of(kind)}}}"
        draft.variables.setdefault(variable_of(kind), f"the key of {kind}")
    _fields(row, fields, place, kind, draft)
    for options, at in ((shared, None), (row.get("requestOptions"), place)):
        _request(options, fields, at, kind, draft)
    draft.row(Upstream(kind, host, token), name, fields)
    return None


def _host(kind: str, base: str, row: Mapping[str, Any], place: Place, draft: Draft) -> str | None:
    if not base:
        return None
    here = (*place, "apiBase")
    if kind == "azure":
        draft.changed("Azure's v1 API is asked, at /openai/v1", *here)
        for key in ("apiVersion", "apiType"):
            if isinstance(row.get("env"), Mapping) and key in row["env"]:
                draft.changed("not needed: the v1 API is asked", *place, "env", key)
        return re.sub(r"/openai(/.*)?$", "", base) + "/openai/v1"
    bare = re.sub(r"/(v1|v1beta|api)$", "", base) if kind in ("anthropic", "gemini", "ollama") else base
    if kind in ("vllm", "llamacpp", "lmstudio", "tgi") and not re.search(r"/v\d+", bare):
        bare += "/v1"
    (draft.taken if bare == base else lambda *at: draft.changed(f"as {kind} has it here", *at))(*here)
    return same_host(bare, kind)


def _fields(row: Mapping[str, Any], fields: dict[str, Any], place: Place, kind: str, draft: Draft) -> None:
    for key, value in row.items():
        here = (*place, key)
        if key == "contextLength" and count(value):
            draft.changed("is input_size", *here)
            fields["input_size"] = count(value)
        elif key in ("defaultCompletionOptions", "completionOptions") and isinstance(value, Mapping):
            _completion(value, fields, here, kind, draft)
        elif key in ("name", "title"):
            draft.changed("clients ask for the model by the name of the model", *here)
        elif key == "roles":
            draft.changed("every endpoint is open for every model", *here)
        elif key == "capabilities":
            draft.changed("not needed: the upstream is asked what its model can do", *here)
        elif key == "useResponsesApi" and value is True:
            draft.changed("is api responses", *here)
            fields["api"] = "responses"
        elif key == "env" and isinstance(value, Mapping):
            for name in value:
                if kind != "azure" or name not in ("deployment", "apiVersion", "apiType"):
                    draft.lost("nothing here reads it", *here, name)
        elif key not in ("provider", "model", "apiBase", "apiKey", "requestOptions"):
            draft.lost(_EDITOR, *here)


def _completion(given: Mapping[str, Any], fields: dict[str, Any], at: Place, kind: str, draft: Draft) -> None:
    options: dict[str, Any] = {}
    for key, value in given.items():
        here = (*at, key)
        if key == "contextLength" and count(value):
            if kind == "ollama":
                draft.changed("is options.num_ctx and input_size", *here)
                options["num_ctx"] = count(value)
            else:
                draft.changed("is input_size", *here)
            fields["input_size"] = count(value)
        elif key == "keepAlive" and kind == "ollama" and is_keep_alive(value):
            draft.changed("is keep_alive", *here)
            fields["keep_alive"] = value
        elif (found := option(key, value, draft, here)) is not None:
            options |= found
        else:
            draft.lost("what a request asks for is its client's affair", *here)
    if options:
        fields["options"] = options


def _request(given: Any, fields: dict[str, Any], at: Place | None, kind: str, draft: Draft) -> None:
    """``requestOptions`` of a model, or with ``at`` None those of all, which are reported once."""
    if not isinstance(given, Mapping):
        return
    told = draft if at is not None else Draft(variables=draft.variables, met=draft.met)
    place = (*(at or ()), "requestOptions")
    for key, value in given.items():
        here = (*place, key)
        if key == "headers":
            fields.setdefault("headers", {}).update(headers_of(value, told, here, variable_of(kind)))
        elif key == "timeout" and (limit := seconds(value)):
            told.changed("is timeouts.total, in seconds", *here)
            fields["timeouts"] = {"total": limit}
        elif key == "caBundlePath" and isinstance(value, str):
            told.changed("is ca", *here)
            fields["ca"] = value
        elif key == "clientCertificate" and isinstance(value, Mapping):
            for name, ours in (("cert", "client_cert"), ("key", "client_key")):
                if isinstance(value.get(name), str):
                    told.changed(f"is {ours}", *here, name)
                    fields[ours] = value[name]
            if "passphrase" in value:
                told.lost("a key has no passphrase here", *here, "passphrase")
        elif key == "extraBodyProperties" and isinstance(value, Mapping):
            told.changed("are options", *here)
            fields["options"] = {**fields.get("options", {}), **value}
        else:
            told.lost(_REQUEST.get(key, "no field of a model does this here"), *here)
