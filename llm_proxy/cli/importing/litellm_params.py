"""The fields of a LiteLLM deployment: ``litellm_params`` and ``model_info`` (docs.litellm.ai/docs/proxy/config_settings)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place
from llm_proxy.cli.importing.options import count, is_keep_alive, option, seconds
from llm_proxy.cli.importing.secrets import headers_of, reference
from llm_proxy.cli.importing.upstreams import variable_of

_PRICES = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
}
_WHY = {
    "tags": "upstreams are not chosen by tags; keys may be given models of their own",
    "region_name": "regions are addresses here: a row for each",
    "mock_response": "the provider demo answers without a server",
    "mock_timeout": "nothing fails on purpose here",
    "use_in_pass_through": "a key with passthrough may use /passthrough",
    "configurable_clientside_auth_params": "clients cannot choose upstreams or their keys",
    "additional_drop_params": "what a vendor refuses is known here and left out",
    "allowed_openai_params": "what a vendor takes is known here and sent",
    "base_model": "prices are looked up by the upstream's own name; prices of access.json say others",
    "access_groups": "lists of models stand with keys and teams, in access.json",
    "input_cost_per_second": "prices are by tokens",
    "output_cost_per_second": "prices are by tokens",
    "max_budget": "budgets belong to keys and teams, in access.json",
    "budget_duration": "budgets belong to keys and teams, in access.json",
    "health_check_timeout": "upstreams are judged by the requests that they answer",
    "health_check_model": "upstreams are judged by the requests that they answer",
    "merge_reasoning_content_in_choices": "thinking goes to clients as their dialect has it",
    "max_output_tokens": "options.max_tokens would be a limit for every request",
}


@dataclass(slots=True)
class Fields:
    """What is gathered for a row: ``fields`` of it, ``options`` of its requests. ``kind`` of upstream, public ``name``."""

    draft: Draft
    kind: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def param(self, key: str, value: Any, here: Place) -> None:
        """One field of ``litellm_params``, or of those that older files have beside it."""
        for group in (self._number, self._time, self._words, self._option):
            if group(key, value, here):
                return
        self.draft.lost(_WHY.get(key, "no field of a model does this here"), *here)

    def _number(self, key: str, value: Any, here: Place) -> bool:
        if key in ("rpm", "tpm", "max_parallel_requests"):
            if (number := count(value)) is None:
                self.draft.lost("is no number of them", *here)
            elif key == "max_parallel_requests":
                self.draft.changed("is max_concurrent", *here)
                self.fields["max_concurrent"] = number
            else:
                self.draft.changed(f"is limits.{key}", *here)
                self.fields.setdefault("limits", {})[key] = number
        elif key in ("weight", "order"):
            kinds = (int, float) if key == "weight" else (int,)
            if not isinstance(value, kinds) or isinstance(value, bool) or not 0 <= value <= 1_000_000:
                self.draft.lost(f"is none that {key} can have", *here)
            else:
                self.draft.taken(*here)
                self.fields[key] = value
        elif key in ("max_retries", "num_retries"):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
                self.draft.lost("is no number of them", *here)
            else:
                self.draft.changed("is retries of the name in $models, for all of its upstreams", *here)
                there = self.draft.names.get(self.name, {}).get("retries", 0)
                self.draft.said(self.name, retries=max(value, there))
        else:
            return False
        return True

    def _time(self, key: str, value: Any, here: Place) -> bool:
        if key not in ("timeout", "request_timeout", "stream_timeout"):
            return False
        limb = "first_byte" if key == "stream_timeout" else "total"
        if (limit := seconds(value)) is None:
            self.draft.lost("is no number of seconds", *here)
        else:
            self.draft.changed(f"is timeouts.{limb}", *here)
            self.fields.setdefault("timeouts", {})[limb] = limit
        return True

    def _words(self, key: str, value: Any, here: Place) -> bool:
        draft = self.draft
        if key in ("extra_headers", "headers"):
            found = headers_of(value, draft, here, variable_of(self.kind))
            self.fields.setdefault("headers", {}).update(found)
        elif key == "extra_body" and isinstance(value, Mapping):
            draft.changed("are options", *here)
            self.options |= value
        elif key == "organization":
            text: str | None = str(value)
            if str(value).startswith("os.environ/"):
                text = reference(value, draft, here, "OPENAI_ORGANIZATION")
            else:
                draft.changed("is the header OpenAI-Organization", *here)
            self.fields.setdefault("headers", {})["OpenAI-Organization"] = text
        elif key == "keep_alive" and self.kind == "ollama" and is_keep_alive(value):
            draft.taken(*here)
            self.fields["keep_alive"] = value
        elif key == "api_version":
            draft.changed("not needed: the v1 API is asked", *here)
        elif key == "drop_params":
            draft.changed(
                "always so: what an upstream does not take is left out, and named in X-Dropped-Params", *here
            )
        else:
            return False
        return True

    def _option(self, key: str, value: Any, here: Place) -> bool:
        if key in _PRICES:
            self._price(key, value, here)
            return True
        found = option(key, value, self.draft, here)
        if found:
            self.options |= found
        return found is not None

    def info(self, info: Mapping[str, Any], at: Place) -> None:
        """``model_info``."""
        draft = self.draft
        for key, value in info.items():
            here = (*at, key)
            if key == "max_input_tokens" or (key == "max_tokens" and "max_input_tokens" not in info):
                if number := count(value):
                    draft.changed("is input_size", *here)
                    self.fields["input_size"] = number
                else:
                    draft.lost("is no number of tokens", *here)
            elif key in _PRICES:
                self._price(key, value, here)
            elif key == "mode":
                draft.changed("not needed: every endpoint is open for every model", *here)
            elif key.startswith("supports_"):
                draft.changed(
                    "not needed: the upstream is asked what its model can do; capabilities says it", *here
                )
            elif key in ("id", "db_model"):
                draft.changed("not needed: provider/model names one upstream", *here)
            else:
                draft.lost(_WHY.get(key, "nothing here reads it"), *here)

    def _price(self, key: str, value: Any, here: Place) -> None:
        """US dollars a token there, for a million tokens here."""
        try:
            usd = round(float(value) * 1_000_000, 9)
        except (TypeError, ValueError):
            usd = -1.0
        if not 0 <= usd <= 1e9:
            self.draft.lost("is no price", *here)
            return
        self.draft.changed("is a price of access.json, for a million tokens", *here)
        self.draft.access.setdefault("prices", {}).setdefault(self.name, {})[_PRICES[key]] = usd
