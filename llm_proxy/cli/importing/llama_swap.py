"""llama-swap's ``config.yaml`` (github.com/mostlygeek/llama-swap, config.example.yaml): at llama-swap itself, which goes on starting and
stopping the servers, or with ``direct`` at each model's own address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name, items, mapping, stars_fit
from llm_proxy.cli.importing.options import count, options_of, seconds
from llm_proxy.cli.importing.secrets import own_key, reference
from llm_proxy.cli.importing.upstreams import Upstream, is_address, kind_at, same_host, variable_of

#: Where it listens unless its command line says otherwise.
USUAL = "http://127.0.0.1:8080"
_GOES_ON = "llama-swap goes on doing this"
_NOT_SWAPPED = "who starts and stops the servers must still run: without --direct that is llama-swap"
_START_PORT = 5800
_MACRO = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
_ENV = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
_TOKEN = "${LLAMA_SWAP_API_KEY}"  # noqa: S105 (a reference)
_ROOT = {
    "profiles": "names do not change at run time; an alias in $models is live",
    "ui": "the console of this gateway is another one",
    "captureBuffer": "bodies are not kept",
}


def read(source: Any, draft: Draft, *, direct: bool, at: str) -> None:
    """The whole file; ``at``: where llama-swap is."""
    config = source if isinstance(source, Mapping) else {}
    _Reader(config, draft, direct, at.rstrip("/").removesuffix("/v1")).read()


class _Reader:
    def __init__(self, config: Mapping[str, Any], draft: Draft, direct: bool, at: str) -> None:
        self.config, self.draft, self.direct = config, draft, direct
        self.swap = Upstream("llamacpp", f"{at}/v1", called="llama-swap")
        self.targets: dict[str, tuple[Upstream, str]] = {}

    def read(self) -> None:
        """Put all of it into the draft."""
        self.keys()
        if not self.direct and self.swap.host == f"{USUAL}/v1":
            self.draft.advice.append(
                "llama-swap and this gateway both listen at port 8080 unless they are told otherwise: give one of them another port, and say "
                "--at where llama-swap is."
            )
        models = self.config.get("models")
        models = models if isinstance(models, Mapping) else {}
        ports = self.ports(models)
        for name, model in models.items():
            if isinstance(model, Mapping) and is_name(name):
                self.model(str(name), model, ports.get(str(name)))
            else:
                self.draft.lost("is no model", "models", str(name))
        self.peers()
        self.selectors()
        for name, model in models.items():
            for number, alias in enumerate(items(mapping(model).get("aliases"))):
                self.alias(str(alias), str(name), ("models", str(name), "aliases", number))
        for key in self.config:
            if key not in ("models", "peers", "selectors", "apiKeys"):
                (self.draft.lost if self.direct or key in _ROOT else self.draft.changed)(
                    _ROOT.get(key) or (_NOT_SWAPPED if self.direct else _GOES_ON), key
                )

    def keys(self) -> None:
        """Keys of llama-swap's clients: they are keys here, and the first is what llama-swap itself is asked with."""
        token = None
        for number, text in enumerate(items(self.config.get("apiKeys"))):
            place: Place = ("apiKeys", number)
            if _ENV.fullmatch(str(text)):
                name = _ENV.fullmatch(str(text))[1]  # type: ignore[index]
                self.draft.lost(
                    f"a key is kept as its hash: llm-proxy key new client-{number + 1} --write", *place
                )
                token = token or f"${{{name}}}"
                continue
            own_key(text, f"client-{number + 1}", self.draft, place)
            token = token or _TOKEN
        if token and not self.direct:
            self.draft.variables[token[2:-1]] = "one of llama-swap's apiKeys, with which it is asked"
            self.swap = Upstream("llamacpp", self.swap.host, token, called="llama-swap")

    def ports(self, models: Mapping[str, Any]) -> dict[str, int]:
        """What ``${PORT}`` is of each model: counted in the order of their names, as llama-swap does."""
        port = self.config.get("startPort", _START_PORT)
        found = {}
        for name in sorted(map(str, models)):
            model = models.get(name)
            if isinstance(model, Mapping) and isinstance(port, int):
                text = self.filled(str(model.get("cmd", "")), model)
                if "${PORT}" in text or "${PORT}" in str(model.get("proxy", "${PORT}")):
                    found[name], port = port, port + 1
        return found

    def filled(self, text: str, model: Mapping[str, Any]) -> str:
        """With its macros; those of the environment stay references, in our form."""
        macros = {**mapping(self.config.get("macros")), **mapping(model.get("macros"))}
        for _ in range(10):
            after = _MACRO.sub(lambda found: str(macros.get(found[1], found[0])), text)
            if after == text:
                break
            text = after
        return _ENV.sub(r"${\1}", text)

    def model(self, name: str, model: Mapping[str, Any], port: int | None) -> None:
        """One of its models."""
        draft, place = self.draft, ("models", name)
        fields: dict[str, Any] = {}
        upstream: Upstream | None = self.swap
        if self.direct:
            upstream = self.address(name, model, port)
            if upstream is None:
                return
            if is_name(model.get("useModelName")) and stars_fit(name, model["useModelName"]):
                fields["model"] = model["useModelName"]
                draft.changed("is model", *place, "useModelName")
        for key, value in model.items():
            self.field(key, value, fields, (*place, key))
        assert upstream is not None
        self.targets[name] = (upstream, str(fields.get("model", name)))
        draft.row(upstream, name, fields)
        if "cmd" in model and self.direct:
            draft.lost(_NOT_SWAPPED, *place, "cmd")
        by_id = (
            (model.get("filters") or {}).get("setParamsByID")
            if isinstance(model.get("filters"), Mapping)
            else None
        )
        for variant, values in by_id.items() if isinstance(by_id, Mapping) else ():
            self.variant(
                name,
                self.filled(variant.replace("${MODEL_ID}", name), model),
                values,
                upstream,
                fields,
                variant,
            )

    def variant(
        self, name: str, variant: str, values: Any, upstream: Upstream, fields: Mapping[str, Any], key: str
    ) -> None:
        """A name under which the same model has other parameters."""
        place: Place = ("models", name, "filters", "setParamsByID", key)
        if not is_name(variant) or "${" in variant:
            return self.draft.lost("is no name that a model can have here", *place)
        if not self.direct:
            self.draft.changed("a model of llama-swap's by that name", *place)
            if variant != name:
                self.draft.row(
                    upstream, variant, {key: value for key, value in fields.items() if key != "model"}
                )
            return None
        options = options_of(values, self.draft, place, "a default here: what a client sends wins")
        row = {**fields, "options": {**fields.get("options", {}), **options}}
        if variant == name:
            self.draft.providers[
                next(p for p, rows in self.draft.providers.items() if rows.get(name) is not None)
            ][name] = row
        else:
            self.draft.row(upstream, variant, {**row, "model": fields.get("model", name)})
        return None

    def address(self, name: str, model: Mapping[str, Any], port: int | None) -> Upstream | None:
        """Where its server listens."""
        text = self.filled(str(model.get("proxy") or "http://localhost:${PORT}"), model).replace(
            "${MODEL_ID}", name
        )
        text = text.replace("${PORT}", str(port)) if port else text
        if not is_address(text) or "${PORT}" in text:
            self.draft.lost("its address is not in the file", "models", name)
            return None
        if "proxy" in model:
            self.draft.taken("models", name, "proxy")
        label = re.sub(r"[^\w.-]+", "-", name).strip("-")
        return Upstream("llamacpp", text.rstrip("/").removesuffix("/v1") + "/v1", called=label)

    def field(self, key: str, value: Any, fields: dict[str, Any], here: Place) -> None:
        """A field of a model, whatever the way to it."""
        draft = self.draft
        if key == "concurrencyLimit":
            if number := count(value):
                draft.changed("is max_concurrent: more wait instead of a 429", *here)
                fields["max_concurrent"] = number
            else:
                draft.changed("none here, and llama-swap's own of 10", *here)
        elif key == "timeouts" and isinstance(value, Mapping):
            self.times(value, fields, here)
        elif key == "capabilities" and isinstance(value, Mapping):
            self.abilities(value, fields, here)
        elif key == "filters" and isinstance(value, Mapping) and self.direct:
            if "stripParams" in value:
                draft.lost("what clients send is passed on", *here, "stripParams")
            words = "a default here: what a client sends wins"
            if options := options_of(value.get("setParams"), draft, (*here, "setParams"), words):
                fields["options"] = options
        elif key in ("name", "description", "metadata", "unlisted"):
            draft.lost("lists show every model, by its name alone", *here)
        elif not self.direct and key != "aliases":
            draft.changed(_GOES_ON, *here)
        elif key not in ("aliases", "useModelName", "proxy", "cmd"):
            draft.lost(_NOT_SWAPPED, *here)

    def times(self, given: Mapping[str, Any], fields: dict[str, Any], here: Place) -> None:
        """Two of them have a counterpart."""
        ours = {"connect": "connect", "responseHeader": "first_byte"}
        for name, value in given.items():
            limit = seconds(value)
            if name in ours and limit is not None:
                self.draft.changed(f"is timeouts.{ours[name]}", *here, name)
                fields.setdefault("timeouts", {})[ours[name]] = limit
            elif name not in ours:
                self.draft.lost("connections have times of their own here", *here, name)
            else:
                self.draft.changed("no limit there; the usual one here", *here, name)

    def abilities(self, given: Mapping[str, Any], fields: dict[str, Any], here: Place) -> None:
        """The window is taken; the rest is asked of the upstream."""
        for name, value in given.items():
            if name == "context" and count(value):
                self.draft.changed("is input_size", *here, name)
                fields["input_size"] = count(value)
            else:
                self.draft.changed("not needed: the upstream is asked what its model can do", *here, name)

    def alias(self, alias: str, name: str, place: Place) -> None:
        """Another name of a model's."""
        why = self.draft.alias(alias, name) if is_name(alias) else "is no name that a model can have here"
        if why:
            self.draft.lost(why, *place)
        else:
            self.draft.changed(f'is "{alias}" in $models', *place)

    def peers(self) -> None:
        """Other servers whose models it passes on."""
        peers = self.config.get("peers")
        for name, peer in peers.items() if isinstance(peers, Mapping) else ():
            place: Place = ("peers", str(name))
            if not isinstance(peer, Mapping):
                self.draft.lost("is no peer", *place)
                continue
            upstream = self.peer(str(name), peer, place) if self.direct else self.swap
            if upstream is None:
                continue
            fields: dict[str, Any] = {}
            for key, value in peer.items():
                if key not in ("models", "proxy", "apiKey"):
                    self.field(key, value, fields, (*place, key))
                elif key != "models" and not self.direct:
                    self.draft.changed(_GOES_ON, *place, key)
            for number, model in enumerate(items(peer.get("models"))):
                here = (*place, "models", number)
                if not is_name(model):
                    self.draft.lost("is no name that a model can have here", *here)
                    continue
                self.draft.taken(*here)
                self.draft.row(upstream, model, fields)
                self.targets.setdefault(model, (upstream, model))
                self.targets[f"{name}/{model}"] = (upstream, model)

    def peer(self, name: str, peer: Mapping[str, Any], place: Place) -> Upstream | None:
        """Where one is, when it is asked without llama-swap."""
        host = self.filled(str(peer.get("proxy", "")), {}).rstrip("/").removesuffix("/v1") + "/v1"
        if not is_address(host):
            self.draft.lost("its proxy is no address", *place)
            return None
        self.draft.taken(*place, "proxy")
        kind = kind_at(host)
        token = None
        if peer.get("apiKey"):
            token = reference(peer["apiKey"], self.draft, (*place, "apiKey"), variable_of(name))
        label = kind if same_host(host, kind) is None else re.sub(r"[^\w.-]+", "-", name).strip("-")
        return Upstream(kind, same_host(host, kind), token, called=label)

    def selectors(self) -> None:
        """Names that stand for one of several models."""
        selectors = self.config.get("selectors")
        for name, selector in selectors.items() if isinstance(selectors, Mapping) else ():
            place: Place = ("selectors", str(name))
            if not isinstance(selector, Mapping) or not is_name(name):
                self.draft.lost("is no selector", *place)
                continue
            if not self.direct:
                self.draft.changed("a model of llama-swap's by that name, which goes on choosing", *place)
                self.draft.row(self.swap, str(name), {})
                continue
            settings = selector.get("settings")
            spill = count(settings.get("spillover")) if isinstance(settings, Mapping) else None
            if spill:
                self.draft.changed("is max_concurrent of each target", *place, "settings", "spillover")
            targets = items(selector.get("targets"))
            for order, target in enumerate(targets[:1] if selector.get("strategy") == "pin" else targets):
                known = self.targets.get(str(target))
                if known is None:
                    self.draft.lost("nothing that was imported serves that model", *place, "targets", order)
                    continue
                self.draft.changed("an upstream of that name, asked in this order", *place, "targets", order)
                limit = {"max_concurrent": spill or 1} if selector.get("strategy") == "spillover" else {}
                self.draft.row(known[0], str(name), {"model": known[1], "order": order, **limit})
            self.draft.changed(
                "the first that has room takes the request; none is chosen for being warm", *place, "strategy"
            )
