"""The shipped files: the schema is current, agrees with the loader, and the shipped configurations are good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llm_proxy.live.config.loader import ConfigError
from llm_proxy.live.config.presets import PRESETS
from llm_proxy.live.config.schema import json_schema, render
from llm_proxy.live.config.shipped import is_shipped
from tests.llm_proxy.live.config.test_problems import model
from tests.support.config_kit import API_TYPES, CONTRACT, load

CONFIGS = Path(__file__).parent.parent.parents[2] / "resources" / "configs"
SHIPPED = ["models-config.json", "models-config.example.json"]
REGENERATE = f"python -m llm_proxy.live.config.schema {' '.join(API_TYPES)} > resources/configs/models-config.schema.json"


def _errors(document: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema(API_TYPES))
    return [error.message for error in validator.iter_errors(document)]


def _shipped(name: str) -> Any:
    return json.loads((CONFIGS / name).read_text())


def test_the_schema_on_disk_is_current() -> None:
    """The shipped schema is what the model classes say now."""
    assert render(API_TYPES) == (CONFIGS / "models-config.schema.json").read_text(), REGENERATE


def test_the_schema_is_a_schema() -> None:
    """It is valid by its own meta-schema."""
    jsonschema.Draft202012Validator.check_schema(json_schema(API_TYPES))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_follow_the_shipped_schema(name: str) -> None:
    """An editor shows no error in the files that we ship, and they name the schema beside them."""
    document = _shipped(name)

    assert _errors(document) == []
    assert document["$schema"] == "models-config.schema.json"


def test_the_shipped_configuration_is_just_the_demo() -> None:
    """A fresh checkout starts without any server, key or variable: it holds the model demo and nothing else."""
    config = load((CONFIGS / "models-config.json").read_bytes())

    assert [(d.provider, d.name, d.api_type) for d in config.deployments] == [("demo", "demo", "demo")]
    assert (config.uses_demo, config.warnings, config.secret_files) == (True, (), ())


def test_the_shipped_configuration_is_recognised_by_what_it_says() -> None:
    """The file that we ship is the one that discovery takes for it, however its lines end; any edit of it is not."""
    data = (CONFIGS / "models-config.json").read_bytes()

    assert is_shipped(data)
    assert is_shipped(data.replace(b"\n", b"\r\n"))
    assert not is_shipped(data.replace(b'"pl"', b'"de"'))
    assert not is_shipped(b'{"demo": {"demo": {}}}')
    assert not is_shipped(data[:-9])
    assert not is_shipped(b" " * 5000 + data)
    assert not is_shipped(OSError())


def test_the_example_shows_every_provider_and_loads() -> None:
    """With its variables set the example is accepted without a warning, and each api_type occurs in it."""
    names = ("OPENAI", "ANTHROPIC", "GEMINI", "GROQ", "AZURE_OPENAI")
    config = load(
        (CONFIGS / "models-config.example.json").read_bytes(),
        env={f"{name}_API_KEY": "k" for name in names},
        files={"/run/secrets/openrouter": b"k\n"},
    )

    assert {d.api_type for d in config.deployments} == set(API_TYPES)
    assert config.warnings == ()


def test_the_contracts_example_follows_the_schema() -> None:
    """The documented example shows no error in an editor."""
    assert _errors(CONTRACT) == []


def test_comments_and_unknown_vendors_pass_the_schema() -> None:
    """Comments may stand anywhere, providers may have any name, null may stand for any field."""
    row = {
        **dict.fromkeys(["api_type", "options", "headers", "timeouts", "weight", "on_client_gone"]),
        "$comment": [1],
    }

    assert (
        _errors(
            {"$comment-x": 1, "box": {"$comment": 1, "defaults": row, "m": {"timeouts": {"$comment": 1}}}}
        )
        == []
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"temprature": 1},
        {"api_type": "opnai"},
        {"weight": "1"},
        {"weight": -1},
        {"active": 1},
        {"languages": "en"},
        {"timeouts": {"idel": 1}},
        {"on_client_gone": "wait"},
        {"headers": {"X-A": 1}},
        {"options": {"temperature": "hot"}},
        {"options": {"stream": True}},
    ],
    ids=str,
)
def test_the_schema_finds_common_mistakes(fields: dict[str, Any]) -> None:
    """An editor marks unknown fields and wrong types, those of canonical options included."""
    assert _errors(model(**fields))


@pytest.mark.parametrize(
    ("names", "sound"),
    [
        ({"llama3.2": {"retries": 2, "fallbacks": ["qwen3", {"model": "gpt-4o", "on": ["auth"]}]}}, True),
        ({"fast": {"alias": "llama3.2", "$comment": 1}, "$comment": "mine", "*": {"queue": None}}, True),
        ({"llama3.2": {"hedge": {"after": "p95"}, "queue": {"size": 1, "wait": 0.5}}}, True),
        ({"llama3.2": {"hedge": {"after": "p99"}}}, False),
        ({"llama3.2": {"hedge": {}}}, False),
        ({"llama3.2": {"retries": -1}}, False),
        ({"llama3.2": {"retry": 1}}, False),
        ({"llama3.2": {"fallbacks": [{"on": ["auth"]}]}}, False),
        ({"llama3.2": {"fallbacks": [{"model": "qwen3", "on": ["never"]}]}}, False),
        ({"llama3.2": {"queue": {"sise": 1}}}, False),
        ({"llama3.2": 1}, False),
    ],
    ids=str,
)
def test_names_in_the_schema(names: dict[str, Any], sound: bool) -> None:
    """An editor knows ``$models`` as the loader does."""
    document = {**CONTRACT, "$models": names}

    assert (_errors(document) == []) is sound
    if sound:
        load(document, env={"OPENAI_API_KEY": "k"})
    else:
        with pytest.raises(ConfigError):
            load(document, env={"OPENAI_API_KEY": "k"})


@pytest.mark.parametrize("key", ["$providers", "$model", "$"])
def test_reserved_keys_in_the_schema(key: str) -> None:
    """What the loader refuses for its dollar sign, an editor marks."""
    assert _errors({**CONTRACT, key: {}})


def test_known_providers_are_offered() -> None:
    """Every api_type and every well-known vendor is a property, so that editors complete its name."""
    assert set(json_schema(API_TYPES)["properties"]) == {*API_TYPES, *PRESETS, "$models"}
