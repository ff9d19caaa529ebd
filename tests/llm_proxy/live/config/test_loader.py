"""What a sound models-config.json means: implied types, defaults, merging, placeholders, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.live.config.presets import PRESETS
from llm_proxy.wire.calls import Secret, Timeouts
from tests.support.config_kit import API_TYPES, CONTRACT, load, row


def test_the_contracts_example_loads_as_it_says() -> None:
    """The documented example gives its four rows: implied types and hosts, defaults, overrides, one model twice."""
    config = load(CONTRACT, env={"OPENAI_API_KEY": "sk-1"})
    rows = {(d.provider, d.name): d for d in config.deployments}

    assert set(rows) == {
        ("ollama", "llama3.2"),
        ("ollama", "qwen3"),
        ("gpu-box", "llama3.2"),
        ("openai", "gpt-4o"),
    }
    local, second = rows["ollama", "llama3.2"], rows["gpu-box", "llama3.2"]
    assert (local.api_type, local.api_host, local.model) == ("ollama", "http://127.0.0.1:11434", "llama3.2")
    assert (dict(local.options), local.languages, local.keep_alive) == (
        {"num_ctx": 16384},
        ("en", "pl"),
        "30m",
    )
    assert rows["ollama", "qwen3"].model == "qwen3:8b"
    assert dict(rows["ollama", "qwen3"].options) == {"num_ctx": 8192}
    assert (second.api_type, second.weight, second.model) == ("vllm", 3.0, "meta-llama/Llama-3.2-3B-Instruct")
    assert rows["openai", "gpt-4o"].api_host == "https://api.openai.com/v1"
    assert rows["openai", "gpt-4o"].token == Secret("sk-1")
    assert (config.warnings, config.secret_files, config.uses_demo) == ((), (), False)


def test_unset_fields_have_the_documented_defaults() -> None:
    """A model without fields is active, weighs 1, has the public name upstream and the documented limits."""
    found = row({"ollama": {"m": {}}})

    assert (found.model, found.active, found.weight, found.token) == ("m", True, 1.0, None)
    assert found.timeouts == Timeouts(connect=10, first_byte=300, idle=120, total=None)
    assert (found.on_client_gone, found.drain_seconds) == ("cancel", 30.0)
    assert (found.languages, found.input_size, found.keep_alive, found.prompt) == ((), None, None, None)


def test_every_field_arrives() -> None:
    """Each field of the contract ends in the deployment."""
    found = row(
        {
            "box": {
                "m": {
                    "api_type": "openai",
                    "api_host": "https://Box.Example:8443/v1/",
                    "api_token": "k",
                    "model": "up/stream",
                    "options": {"seed": 1},
                    "keep_alive": -1,
                    "active": False,
                    "weight": 0,
                    "languages": ["pl"],
                    "input_size": 4096,
                    "timeouts": {"connect": 1, "first_byte": 2, "idle": 3.5, "total": 4},
                    "headers": {"X-A": "v"},
                    "prompt": "conversation",
                    "on_client_gone": "drain",
                    "drain_seconds": 5,
                }
            }
        }
    )

    assert found.api_host == "https://box.example:8443/v1"
    assert found.token == Secret("k")
    assert dict(found.headers) == {"X-A": Secret("v")}
    assert (found.model, dict(found.options), found.keep_alive) == ("up/stream", {"seed": 1}, -1)
    assert (found.active, found.weight, found.languages, found.input_size) == (False, 0.0, ("pl",), 4096)
    assert found.timeouts == Timeouts(1, 2, 3.5, 4)
    assert (found.prompt, found.on_client_gone, found.drain_seconds) == ("conversation", "drain", 5.0)


def test_a_known_vendor_implies_dialect_and_host() -> None:
    """A preset's name is enough; what the file says wins over it."""
    for preset in PRESETS.values():
        given = {} if preset.api_host else {"api_host": "http://x/v1"}
        found = row({preset.name: {"defaults": given, "m": {}}})
        assert (found.api_type, found.api_host) == (preset.api_type, preset.api_host or "http://x/v1")
        assert preset.api_type in API_TYPES
        assert preset.name not in API_TYPES

    assert row({"groq": {"m": {"api_host": "http://proxy/v1"}}}).api_host == "http://proxy/v1"


def test_any_other_name_may_use_the_usual_host_of_its_type() -> None:
    """A provider of another name gives api_type, and takes that type's host if there is a usual one."""
    assert row({"mine": {"m": {"api_type": "ollama"}}}).api_host == "http://127.0.0.1:11434"


def test_objects_merge_key_by_key_and_null_removes() -> None:
    """options, headers and timeouts merge deeply, a null takes a default away, lists and scalars replace."""
    found = row(
        {
            "ollama": {
                "defaults": {
                    "options": {"a": 1, "b": {"c": 1, "d": 2}, "stop": ["x"], "gone": 1, "e": None},
                    "headers": {"X-Keep": "1", "X-Change": "1", "X-Gone": "1"},
                    "timeouts": {"idle": 5, "total": 50},
                    "prompt": "p",
                    "weight": 2,
                },
                "m": {
                    "options": {"b": {"c": None, "n": 3}, "stop": ["y"], "gone": None, "new": {"z": None}},
                    "headers": {"x-change": "2", "X-Gone": None},
                    "timeouts": {"idle": 6},
                    "prompt": None,
                    "weight": None,
                },
            }
        }
    )

    assert dict(found.options) == {"a": 1, "b": {"d": 2, "n": 3}, "stop": ["y"], "new": {}}
    assert dict(found.headers) == {"X-Keep": Secret("1"), "X-Change": Secret("2")}
    assert (found.timeouts.idle, found.timeouts.total) == (6, 50)
    assert (found.prompt, found.weight) == (None, 1.0)


def test_one_models_options_do_not_reach_another() -> None:
    """Merging copies: two models of one provider share nothing but what defaults say."""
    config = load(
        {"ollama": {"defaults": {"options": {"o": {"a": 1}}}, "x": {"options": {"o": {"b": 2}}}, "y": {}}}
    )

    assert [dict(d.options) for d in config.deployments] == [{"o": {"a": 1, "b": 2}}, {"o": {"a": 1}}]


def test_deployments_cannot_be_changed() -> None:
    """A row's mappings are read-only: a snapshot is shared by all requests."""
    found = row({"ollama": {"m": {"options": {"a": 1}, "headers": {"X-A": "v"}}}})
    mappings: Any = (found.options, found.headers, load({"ollama": {"m": {}}}).providers)

    for mapping in mappings:
        with pytest.raises(TypeError):
            mapping["a"] = 2


def test_comments_are_ignored_at_any_level() -> None:
    """$schema and keys that begin with $comment count nowhere, whatever they hold."""
    found = row(
        {
            "$schema": 5,
            "$comment": "${NOT_LOOKED_AT}",
            "ollama": {
                "$comment-2": [],
                "defaults": {"$comment": 1},
                "m": {"$schema": "", "options": {"a": 1, "$comment": "x"}, "headers": {"$comment": "x"}},
            },
        }
    )

    assert (dict(found.options), dict(found.headers)) == ({"a": 1}, {})


def test_placeholders_are_filled_in_any_string() -> None:
    """${NAME} and ${file:...} work within any string, $${ is a literal, and what came in is not looked at again."""
    found = row(
        {
            "ollama": {
                "m": {
                    "api_host": "http://${HOST}:${PORT}/x",
                    "api_token": "${file:/run/key}",
                    "model": "$${A} $$ ${A}",
                    "languages": ["${A}"],
                    "headers": {"X-A": "Bearer ${A}"},
                    "options": {"list": [{"deep": "${A}"}], "empty": "${EMPTY}"},
                }
            }
        },
        env={"HOST": "box", "PORT": "1", "A": "${B}", "EMPTY": ""},
        files={"/run/key": b"sk-file\n"},
    )

    assert (found.api_host, found.token) == ("http://box:1/x", Secret("sk-file"))
    assert (found.model, found.languages) == ("${A} $$ ${B}", ("${B}",))
    assert found.headers["X-A"] == Secret("Bearer ${B}")
    assert dict(found.options) == {"list": [{"deep": "${B}"}], "empty": ""}


def test_secret_files_are_listed_and_read_once() -> None:
    """Every named file is reported for watching; a file named twice is read once, so that both uses agree."""
    reads: list[str] = []

    class Files(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            reads.append(path)
            return super().__getitem__(path)

    document = {"openai": {name: {"api_token": "${file:/b}"} for name in ("x", "y")}}
    config = load(document, files=Files({"/b": b"k"}))

    assert (config.secret_files, reads) == (("/b",), ["/b"])


def test_texts_from_outside_do_not_show_themselves() -> None:
    """An option that was filled from the environment prints as ***, and is an ordinary string on the wire."""
    found = row(
        {"ollama": {"m": {"options": {"key": "${K}"}, "api_token": "${K}", "headers": {"X-A": "${K}"}}}},
        {"K": "sk-x"},
    )

    assert "sk-x" not in repr(found) + str(found)
    assert json.dumps(dict(found.options)) == '{"key": "sk-x"}'


def test_a_longer_total_is_cut_with_a_warning_at_its_place() -> None:
    """LLM_PROXY_API_TIMEOUT bounds every total: said once where it stands, and the default total is that bound."""
    text = '{"ollama": {\n "defaults": {"timeouts": {"total": 600}},\n "a": {}, "b": {"timeouts": {"total": 5}}}}'
    config = load(text, max_total=60)
    (warning,) = config.warnings

    assert [d.timeouts.total for d in config.deployments] == [60, 5]
    assert (warning.path, warning.line, warning.column) == ("ollama.defaults.timeouts.total", 2, 37)
    assert "60" in warning.message
    assert "600" not in str(warning)
    assert not load(text).warnings
    assert [d.timeouts.total for d in load(text).deployments] == [600, 5]
    assert load({"ollama": {"m": {}}}, max_total=60).deployments[0].timeouts.total == 60


def test_each_provider_has_a_bare_row_for_passthrough() -> None:
    """It comes from defaults; without them from the models if they agree on host and key; else a model must be named."""
    providers = load(
        {
            "openai": {
                "defaults": {"api_token": "k", "headers": {"X-A": "v"}},
                "m": {"api_host": "http://other"},
            },
            "ollama": {},
            "same": {
                n: {"api_type": "vllm", "api_host": "http://a/v1", "api_token": "k"} for n in ("x", "y")
            },
            "hosts": {n: {"api_type": "vllm", "api_host": f"http://{n}/v1"} for n in ("x", "y")},
            "keys": {n: {"api_type": "vllm", "api_host": "http://a/v1", "api_token": n} for n in ("x", "y")},
            "vllm": {"defaults": {"weight": 2}, "x": {"api_host": "http://a"}, "y": {"api_host": "http://b"}},
        }
    ).providers
    bare = providers["openai"]

    assert bare is not None
    assert (bare.name, bare.api_host, bare.token) == ("", "https://api.openai.com/v1", Secret("k"))
    assert providers["ollama"] is not None
    same = providers["same"]
    assert same is not None
    assert (same.name, same.api_host, same.token) == ("", "http://a/v1", Secret("k"))
    assert (providers["hosts"], providers["keys"], providers["vllm"]) == (None, None, None)


def test_a_provider_may_have_no_models() -> None:
    """A provider that is only defaults serves passthrough and no model."""
    config = load({"openai": {}})

    assert (config.deployments, list(config.providers)) == ((), ["openai"])


def test_the_demo_is_noticed_however_it_is_named() -> None:
    """The process serves the demo's endpoint if any row speaks to it, also an inactive one or a provider alone."""
    assert load({"demo": {"demo": {}}}).uses_demo
    assert load({"demo": {}}).uses_demo
    assert load({"x": {"m": {"api_type": "demo", "active": False}}}).uses_demo
    assert not load({"ollama": {"demo": {}}}).uses_demo


@pytest.mark.parametrize("value", ["5m", "1h30m", "0", "-1m", "1.5h", 0, -1, 300, 2.5])
def test_good_keep_alive(value: str | float) -> None:
    """Go durations and seconds pass as they are."""
    assert row({"ollama": {"m": {"keep_alive": value}}}).keep_alive == value
