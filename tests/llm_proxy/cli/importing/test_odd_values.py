"""Sources in which anything may stand anywhere: no importer breaks, and what it makes of them is sound."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from llm_proxy.cli.importer import judge, text_of
from llm_proxy.cli.importing.draft import Draft
from llm_proxy.cli.importing.report import report
from llm_proxy.cli.importing.sources import BY_WORD, Asked
from tests.llm_proxy.cli.importing.test_llama_swap import FILE as LLAMA_SWAP

SAMPLES: dict[str, Any] = {
    "litellm": yaml.safe_load("""
        model_list:
          - {model_name: a, litellm_params: {model: azure/d, api_base: "https://r.openai.azure.com", api_key: os.environ/K, rpm: 1, timeout: 3}}
          - {model_name: "x/*", litellm_params: {model: "anthropic/*", extra_headers: {X-Key: k}}, model_info: {max_input_tokens: 9}}
          - {model_name: l, litellm_params: {model: ollama_chat/q, api_base: "http://h:1", keep_alive: 3m, max_retries: 2}}
        credential_list: [{credential_name: c, credential_values: {api_key: k}}]
        litellm_settings: {num_retries: 1, fallbacks: [{a: [l]}], max_budget: 3, budget_duration: 1d, default_fallbacks: [l]}
        router_settings: {routing_strategy: simple-shuffle, model_group_alias: {b: a}, timeout: 4}
        general_settings: {master_key: sk-1}
        environment_variables: {A: b}
        """),
    "llama-swap": yaml.safe_load(LLAMA_SWAP),
    "continue": yaml.safe_load("""
        requestOptions: {headers: {X-A: b}, timeout: 3}
        models:
          - {name: a, provider: azure, model: m, apiBase: "https://r.openai.azure.com", apiKey: k, env: {deployment: d}}
          - {name: b, provider: ollama, model: AUTODETECT, defaultCompletionOptions: {contextLength: 9, keepAlive: 3, temperature: 1}}
          - {name: c, provider: openai, model: n, apiBase: "http://h:1/v1", requestOptions: {clientCertificate: {cert: /c, key: /k}}}
        """),
    "opencode": {
        "disabled_providers": ["z"],
        "provider": {
            "p": {
                "npm": "@ai-sdk/openai-compatible",
                "options": {
                    "baseURL": "http://h:1/v1",
                    "apiKey": "{env:K}",
                    "headers": {"X-Key": "k"},
                    "timeout": 1000,
                },
                "models": {
                    "m": {
                        "id": "n",
                        "limit": {"context": 9},
                        "cost": {"input": 1, "output": 1},
                        "options": {"topP": 1},
                    }
                },
            },
            "anthropic": {"whitelist": ["c"], "blacklist": ["d"], "env": ["E"]},
        },
    },
    "open-webui": {
        "openai": {
            "enable": True,
            "api_base_urls": ["https://api.openai.com/v1", "http://h:1/v1"],
            "api_keys": ["k", ""],
            "api_configs": {
                "0": {"enable": True, "model_ids": ["m"], "prefix_id": "p", "headers": {"X-Key": "k"}}
            },
        },
        "ollama": {"base_urls": ["http://h:11434"], "api_configs": {"0": {"key": "k", "prefix_id": "q"}}},
    },
    "ollama": {"models": [{"name": "a:latest", "size": 1}, {"name": "b"}]},
}
#: What a person, or another program, may have written in the place of anything.
ODD: tuple[Any, ...] = (
    *(
        None,
        1,
        -1,
        0,
        1.5,
        True,
        "",
        [],
        {},
        "x",
        "*",
        "a/*",
        "http://h:1/v1",
        "${X}",
        "os.environ/X",
        [1],
        {"a": 1},
        ["a"],
    ),
    *("defaults", "$models", "a" * 300, "\0", "é", float("inf"), 10**30, "two words"),
)
TRIES = 60


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All of a value but itself."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield (*place, key)
        yield from places(member, (*place, key))


@pytest.mark.parametrize("word", SAMPLES)
def test_anything_anywhere(word: str) -> None:
    """So many times with up to four odd values each; the sample itself comes first, and is sound."""
    chance = random.Random(word)
    for number in range(TRIES):
        source = json.loads(json.dumps(SAMPLES[word], default=str))
        for _ in range(chance.randint(1, 4) if number else 0):
            *path, last = chance.choice(list(places(source)))
            inner = source
            for key in path:
                inner = inner[key]
            inner[last] = copy.deepcopy(chance.choice(ODD))
        draft = Draft()
        if word == "ollama" and not isinstance(source["models"], list):
            continue  # which its reader has refused
        BY_WORD[word].fill(source, draft, Asked(direct=number % 2 == 1))
        draft.finish(source)
        if draft.models:
            judge(text_of(draft.config("x")), text_of(draft.access) if draft.access else "")
        assert report(draft), source
