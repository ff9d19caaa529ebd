"""LiteLLM's ``config.yaml`` (docs.litellm.ai/docs/proxy/config_settings)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llm_proxy.cli.importing.draft import Draft, Place, is_name, mapping
from llm_proxy.cli.importing.fallbacks import UNSAID, Fallbacks
from llm_proxy.cli.importing.litellm_models import read_models
from llm_proxy.cli.importing.options import seconds
from llm_proxy.cli.importing.secrets import own_key

_FALLBACKS = {
    "fallbacks": UNSAID,
    "context_window_fallbacks": ("context_length",),
    "content_policy_fallbacks": ("content_filter",),
}
_PERIODS = {"30d": "month", "1mo": "month", "1d": "day", "24h": "day", "7d": "week", "1h": "hour"}
_EJECTION = (
    "an upstream that fails is left alone by a rule of its own: five failures in a row, or half of 20 in 30 s"
)
_SHARED = "set LLM_PROXY_API_SHARED=redis://host:port/0 where several machines hold limits together"
_LOG = "set LLM_PROXY_API_LOG_LEVEL or LLM_PROXY_API_LOG_FORMAT"
_TELEMETRY = "/metrics and traces say it: docs/telemetry.md"
_CACHE = "answers are not kept"
_WHY = {
    "router_settings": {
        "allowed_fails": _EJECTION,
        "cooldown_time": _EJECTION,
        "disable_cooldowns": _EJECTION,
        "allowed_fails_policy": _EJECTION,
        "retry_policy": "what may be tried again is decided by a rule of its own; retries says how often",
        "redis_host": _SHARED,
        "redis_port": _SHARED,
        "redis_password": _SHARED,
        "redis_url": _SHARED,
        "redis_db": _SHARED,
        "enable_tag_filtering": "upstreams are not chosen by tags; keys may be given models of their own",
        "tag_filtering_match_any": "upstreams are not chosen by tags",
        "routing_strategy_args": "the choice has no knobs: docs/routing.md",
        "provider_budget_config": "budgets belong to keys and teams, in access.json",
    },
    "litellm_settings": {
        "set_verbose": _LOG,
        "json_logs": _LOG,
        "callbacks": _TELEMETRY,
        "success_callback": _TELEMETRY,
        "failure_callback": _TELEMETRY,
        "service_callbacks": _TELEMETRY,
        "cache": _CACHE,
        "cache_params": _CACHE,
        "telemetry": "nothing is sent anywhere unless a collector is named",
        "turn_off_message_logging": "texts of prompts and answers are in no log",
        "ssl_verify": "ca says whose certificates an upstream may have",
        "default_team_settings": "teams stand in access.json; their telemetry is that of the gateway",
        "max_internal_user_budget": "budgets belong to keys and teams, in access.json",
        "default_internal_user_params": "budgets belong to keys and teams, in access.json",
        "upperbound_key_generate_params": "keys are made by llm-proxy key, and stand in access.json",
        "guardrails": "texts are not judged here",
    },
    "general_settings": {
        "database_url": "set LLM_PROXY_API_STATE to a directory: what was used is kept there; keys stand in access.json",
        "store_model_in_db": "models stand in models-config.json, which is live",
        "alerting": _TELEMETRY,
        "pass_through_endpoints": "/passthrough/PROVIDER/ leads to the providers of the configuration",
        "background_health_checks": "upstreams are judged by the requests that they answer",
        "health_check_interval": "upstreams are judged by the requests that they answer",
        "global_max_parallel_requests": "set max_concurrent of the models, or limits.concurrent of keys",
        "max_parallel_requests": "set max_concurrent of the models",
        "completion_model": "a request names its model",
        "infer_model_from_keys": "a request names its model",
    },
}


def read(source: Any, draft: Draft) -> None:
    """The whole file."""
    sections = source if isinstance(source, Mapping) else {}
    read_models(sections.get("model_list"), _credentials(sections, draft), draft)
    fallbacks = Fallbacks(draft)
    defaults: list[tuple[Place, list[Any]]] = []
    both = [
        (section, key, value)
        for section in ("litellm_settings", "router_settings")  # what the second says holds, as there
        for key, value in (mapping(sections.get(section))).items()
    ]
    for section, key, value in both:
        if key in ("model_group_alias", "model_alias_map"):
            _aliases(value, (section, key), draft)
        elif key == "default_fallbacks" and isinstance(value, list):
            defaults.append(((section, key), value))
        elif key not in _FALLBACKS:
            _setting(section, key, value, draft)
    for kind, reasons in _FALLBACKS.items():  # where they are a circle, the last ones are left out
        for section, key, value in both:
            if key == kind:
                _fallbacks(value, (section, key), reasons, fallbacks, defaults, draft)
    for place, others in defaults:
        _for_all(place, others, fallbacks, draft)
    fallbacks.finish()
    _budget(sections.get("litellm_settings"), draft)
    _general(sections.get("general_settings"), draft)
    for name in mapping(sections.get("environment_variables")):
        draft.changed("set it in the environment of the service", "environment_variables", str(name))
    for name in (
        "include",
        "guardrails",
        "mcp_servers",
        "vector_store_registry",
        "prompts",
        "finetune_settings",
        "files_settings",
    ):
        if name in sections:
            draft.lost(_SECTIONS.get(name, "nothing here does this"), name)


_SECTIONS = {
    "include": "import each of those files, and put what comes out together",
    "guardrails": "texts are not judged here",
    "mcp_servers": "tools belong to clients here",
    "files_settings": "a request for files says its provider: docs/endpoints.md",
    "finetune_settings": "/passthrough/PROVIDER/ leads to a vendor's own endpoints",
}


def _credentials(sections: Mapping[str, Any], draft: Draft) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    rows = sections.get("credential_list")
    for at, row in enumerate(rows if isinstance(rows, list) else ()):
        if isinstance(row, Mapping) and isinstance(row.get("credential_values"), Mapping):
            found[str(row.get("credential_name"))] = row["credential_values"]
            draft.changed("stands with the models that use it", "credential_list", at)
    return found


def _aliases(given: Any, place: Place, draft: Draft) -> None:
    for name, value in given.items() if isinstance(given, Mapping) else ():
        here = (*place, name)
        model = value.get("model") if isinstance(value, Mapping) else value
        why = draft.alias(name, str(model))
        if why:
            draft.lost(why, *here)
        elif isinstance(value, Mapping) and value.get("hidden"):
            draft.changed("an alias, which lists show", *here)
        else:
            draft.changed(f'is "{name}" in $models', *here)


def _fallbacks(
    value: Any,
    place: Place,
    reasons: tuple[str, ...],
    fallbacks: Fallbacks,
    defaults: list[tuple[Place, list[Any]]],
    draft: Draft,
) -> None:
    for at, entry in enumerate(value if isinstance(value, list) else ()):
        for model, others in entry.items() if isinstance(entry, Mapping) else ():
            here: Place = (*place, at, model)
            if not isinstance(others, list):
                draft.lost("is no list of models", *here)
            elif model == "*":
                defaults.append((here, others))
            else:
                for number, other in enumerate(others):
                    _fallback(model, other, (*here, number), reasons, fallbacks, draft)


def _fallback(
    model: str, other: Any, place: Place, reasons: tuple[str, ...], fallbacks: Fallbacks, draft: Draft
) -> None:
    if not is_name(other):
        return draft.lost("a fallback is the name of a model here", *place)
    why = fallbacks.add(model, other, reasons)
    if why:
        draft.lost(why, *place)
    else:
        draft.changed(f'is among the fallbacks of "{model}" in $models', *place)
    return None


def _for_all(place: Place, others: list[Any], fallbacks: Fallbacks, draft: Draft) -> None:
    """For every model that has none of its own."""
    without = [name for name in sorted(draft.models) if not fallbacks.has(name) and "*" not in name]
    for at, other in enumerate(others):
        why = ""
        for name in without:
            if name != other:
                why = fallbacks.add(name, str(other), UNSAID) or why
        if why and not any(fallbacks.has(name) for name in without):
            draft.lost(why, *place, at)
        else:
            draft.changed("is among the fallbacks of every model without others", *place, at)


def _setting(section: str, key: str, value: Any, draft: Draft) -> None:
    """One of the router's or the library's."""
    here = (section, key)
    if key == "routing_strategy":
        _strategy(value, here, draft)
    elif key == "num_retries" and isinstance(value, int) and 0 <= value <= 100:
        draft.changed('is retries of "*" in $models', *here)
        draft.said("*", retries=value)
    elif key in ("request_timeout", "timeout", "stream_timeout") and (limit := seconds(value)):
        limb = "first_byte" if key == "stream_timeout" else "total"
        draft.changed(f"is timeouts.{limb} of every provider", *here)
        for rows in draft.providers.values():
            rows["defaults"].setdefault("timeouts", {})[limb] = limit
    elif key == "drop_params":
        draft.changed(
            "always so: what an upstream does not take is left out, and named in X-Dropped-Params", *here
        )
    elif key in ("enable_pre_call_checks", "enable_pre_call_check"):
        draft.changed("always so: an upstream whose window is too small is not asked", *here)
    elif key not in ("max_budget", "budget_duration"):
        draft.lost(_WHY[section].get(key, "nothing here does this"), *here)


def _strategy(value: Any, here: Place, draft: Draft) -> None:
    if value == "simple-shuffle":
        draft.changed('is policy weighted of "*" in $models', *here)
        draft.said("*", policy="weighted")
    elif value in ("least-busy", "latency-based-routing"):
        draft.changed("the default here: of two by weight, the one that is likely to begin sooner", *here)
    elif value in ("usage-based-routing", "usage-based-routing-v2"):
        draft.changed(
            "limits hold for each upstream; otherwise the one that is likely to begin sooner", *here
        )
    else:
        draft.lost("upstreams are not chosen so here; order says who is asked first", *here)


def _budget(settings: Any, draft: Draft) -> None:
    """Money for all requests together, which is a budget of every key here."""
    if not isinstance(settings, Mapping) or "max_budget" not in settings:
        return None
    usd, period = settings["max_budget"], str(settings.get("budget_duration", "30d"))
    if not isinstance(usd, (int, float)) or isinstance(usd, bool) or not 0 <= usd <= 1e9:
        return draft.lost("is no sum of money", "litellm_settings", "max_budget")
    draft.changed(
        'is the budget "all" of access.json, which each key must name', "litellm_settings", "max_budget"
    )
    draft.access.setdefault("budgets", {})["all"] = {"usd": usd, "per": _PERIODS.get(period, "month")}
    if period in _PERIODS:
        draft.changed(f"a {_PERIODS[period]} of the calendar", "litellm_settings", "budget_duration")
    elif "budget_duration" in settings:
        draft.changed("a month: say another period in access.json", "litellm_settings", "budget_duration")
    return None


def _general(settings: Any, draft: Draft) -> None:
    for key, value in settings.items() if isinstance(settings, Mapping) else ():
        here = ("general_settings", key)
        if key == "master_key":
            own_key(value, "master", draft, here, admin="write", passthrough=True)
            draft.advice.append(
                "Keys that LiteLLM made stand in its database and not in this file: make new ones with llm-proxy key new NAME --write."
            )
        else:
            draft.lost(_WHY["general_settings"].get(key, "nothing here does this"), *here)
    if "all" in draft.access.get("budgets", {}):
        for row in draft.access.get("keys", {}).values():
            row["budgets"] = ["all"]
