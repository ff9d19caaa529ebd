"""Configurations of Continue, opencode, Open WebUI and a plain Ollama."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_proxy.cli.importing.reading import SourceError
from tests.llm_proxy.cli.importing.kit import imported


def test_continue() -> None:
    """Models by the names of the models; keys of its hub as variables; what belongs to the editor stays there."""
    found = imported(
        "continue",
        """
        name: Mine
        version: 1.0.0
        schema: v1
        requestOptions: {headers: {X-All: "1"}, verifySsl: false}
        models:
          - name: GPT
            provider: openai
            model: gpt-4o
            apiKey: ${{ secrets.OPENAI_API_KEY }}
            roles: [chat, edit]
            useResponsesApi: true
            defaultCompletionOptions: {temperature: 0.7, contextLength: 128000, maxTokens: 4096, reasoning: true}
          - {name: Local, provider: ollama, model: AUTODETECT}
          - name: Claude
            provider: anthropic
            model: claude-sonnet-4-5
            apiKey: sk-ant-pl4nted
            apiBase: https://api.anthropic.com/v1/
            requestOptions:
              headers: {X-Auth-Token: pl4nted-2}
              timeout: 600
              caBundlePath: /etc/ca.pem
              clientCertificate: {cert: /c.pem, key: /k.pem, passphrase: pl4nted}
          - {uses: mistral/codestral}
          - {name: Bed, provider: bedrock, model: x}
          - {name: V, provider: vllm, model: Qwen/Qwen3-8B, apiBase: "http://gpu:8000", contextLength: 40960}
          - {name: A, provider: azure, model: gpt-4.1, apiBase: "https://r.openai.azure.com", apiKey: x, env: {deployment: d, apiVersion: 2024-05-01}}
          - {name: O, provider: ollama, model: qwen3, defaultCompletionOptions: {contextLength: 8192, keepAlive: 600}}
        rules: [be short]
        """,
    )
    config = found.config
    assert config["openai"]["gpt-4o"] == {
        "input_size": 128000,
        "options": {"temperature": 0.7, "max_tokens": 4096},
        "api": "responses",
        "headers": {"X-All": "1"},
    }
    assert config["ollama"]["*"] == {"headers": {"X-All": "1"}}
    assert config["ollama"]["qwen3"]["options"] == {"num_ctx": 8192}
    claude = config["anthropic"]["claude-sonnet-4-5"]
    assert claude["headers"] == {"X-All": "1", "X-Auth-Token": "${ANTHROPIC_X_AUTH_TOKEN}"}
    assert (claude["ca"], claude["client_cert"], claude["client_key"]) == ("/etc/ca.pem", "/c.pem", "/k.pem")
    assert config["gpu"]["defaults"]["api_host"] == "http://gpu:8000/v1"
    assert config["azure"]["gpt-4.1"]["model"] == "d"
    assert found.fate("models[3]")[0] == "not supported"
    assert found.fate("models[4]")[0] == "not supported"
    assert found.fate("requestOptions.verifySsl")[0] == "not supported"


def test_the_older_file_of_continue() -> None:
    """config.json, with comments: titles, a model for completion, one for embeddings."""
    found = imported(
        "continue",
        """
        {
          // old
          "models": [
            {"title": "L", "provider": "lmstudio", "model": "qwen", "apiBase": "http://localhost:1234/v1/"},
            {"title": "X", "provider": "xAI", "model": "grok-4", "apiKey": "xai-pl4nted", "completionOptions": {"topP": 0.9}},
          ],
          "tabAutocompleteModel": {"title": "T", "provider": "mistral", "model": "codestral-latest", "apiKey": "pl4nted"},
          "embeddingsProvider": {"provider": "ollama", "model": "nomic-embed-text"},
          "slashCommands": [{"name": "edit"}]
        }
        """,
    )
    assert found.config["lmstudio"]["qwen"] == {}
    assert found.config["xai"]["grok-4"] == {"options": {"top_p": 0.9}}
    assert found.config["mistral"]["defaults"] == {"api_token": "${MISTRAL_API_KEY}"}
    assert "nomic-embed-text" in found.config["ollama"]


def test_opencode(tmp_path: Path) -> None:
    """Providers with their packages, references in its own form, lists of models, costs."""
    key = tmp_path / "key"
    found = imported(
        "opencode",
        """
        {
          // mine
          "$schema": "https://opencode.ai/config.json",
          "model": "anthropic/claude-sonnet-4-5",
          "disabled_providers": ["groq"],
          "provider": {
            "lmstudio": {"npm": "@ai-sdk/openai-compatible", "name": "LM", "options": {"baseURL": "http://127.0.0.1:1234/v1"},
                         "models": {"google/gemma": {"name": "Gemma"}, "plain": {}}},
            "corp": {"npm": "@ai-sdk/openai-compatible",
                     "options": {"baseURL": "https://llm.corp.example/v1", "apiKey": "{env:CORP_KEY}", "timeout": 600000,
                                 "headers": {"Authorization": "Bearer pl4nted-3", "X-Team": "a"}},
                     "models": {"m1": {"id": "real-m1", "limit": {"context": 200000, "output": 65536},
                                       "cost": {"input": 1, "output": 2}, "reasoning": true,
                                       "options": {"reasoningEffort": "high", "weird": 1}, "headers": {"X-Api-Key": "pl4nted"}}}},
            "responses": {"npm": "@ai-sdk/openai", "options": {"baseURL": "http://gw:1/v1", "apiKey": "pl4nted-4"}, "models": {"r": {}}},
            "anthropic": {"options": {"apiKey": "{file:KEYFILE}"}, "whitelist": ["claude-sonnet-4-5"], "blacklist": ["claude-3-haiku"]},
            "amazon-bedrock": {"options": {"region": "us-east-1"}},
            "groq": {},
            "openai": {},
            "mystery": {"npm": "@x/y"},
            "google": {"models": {"gemini-2.5-pro": {}}, "env": ["MY_GEMINI_KEY"]},
          },
          "mcp": {"x": {"type": "local", "command": ["y"]}},
        }
        """.replace("KEYFILE", str(key)),
    )
    config = found.config
    assert config["lmstudio"] == {"google/gemma": {}, "plain": {}}
    assert config["corp"]["defaults"] == {
        "api_type": "openai",
        "api_host": "https://llm.corp.example/v1",
        "api_token": "${CORP_KEY}",
        "headers": {"Authorization": "Bearer ${CORP_AUTHORIZATION}", "X-Team": "a"},
        "timeouts": {"total": 600},
    }
    assert config["corp"]["m1"] == {
        "model": "real-m1",
        "input_size": 200000,
        "options": {"reasoning_effort": "high"},
        "headers": {"X-Api-Key": "${CORP_X_API_KEY}"},
    }
    assert config["responses"]["defaults"]["api"] == "responses"
    assert config["anthropic"]["defaults"] == {"api_token": f"${{file:{key}}}"}
    assert config["anthropic"]["claude-3-haiku"] == {"active": False}
    assert config["openai"]["*"] == {}
    assert config["gemini"]["defaults"] == {"api_token": "${MY_GEMINI_KEY}"}
    assert found.access == {}  # prices alone
    for name in ("amazon-bedrock", "groq", "mystery"):
        assert found.fate(f"provider.{name}")[0] == "not supported"


@pytest.mark.parametrize("dotted", [False, True])
def test_open_webui(dotted: bool) -> None:
    """Its connections, by their numbers: keys, prefixes, models, those that are off; nested, or with dots in the names."""
    openai = {
        "enable": True,
        "api_base_urls": [
            "https://api.openai.com/v1",
            "http://gpu:8000/v1",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "https://r.openai.azure.com/openai/deployments/d",
            "ftp://x",
        ],
        "api_keys": ["sk-pl4nted-9", "", "pl4nted-g", "pl4nted-a", "x", "more"],
        "api_configs": {
            "0": {
                "enable": True,
                "model_ids": ["gpt-4o"],
                "prefix_id": "oai",
                "tags": [],
                "auth_type": "bearer",
            },
            "1": {"enable": False},
            "3": {
                "azure": True,
                "api_version": "2024-05-01",
                "model_ids": ["gpt-4.1"],
                "headers": {"X-Key": "pl4nted"},
            },
        },
    }
    ollama = {
        "enable": True,
        "base_urls": ["http://localhost:11434", "http://gpu:11434"],
        "api_configs": {
            "0": {"prefix_id": "loc"},
            "http://gpu:11434": {"key": "pl4nted", "model_ids": ["a:1b"]},
        },
    }
    source: dict[str, object] = {
        "version": 0,
        "ui": {"default_locale": ""},
        "openai": openai,
        "ollama": ollama,
    }
    if dotted:
        source = {f"openai.{name}": value for name, value in openai.items()}
        source |= {f"ollama.{name}": value for name, value in ollama.items()} | {"ui.theme": 1}
    found = imported("open-webui", json.dumps(source))
    config = found.config
    assert config["openai"]["oai.gpt-4o"] == {"model": "gpt-4o"}
    assert config["gpu"]["defaults"] == {
        "api_type": "openai",
        "api_host": "http://gpu:8000/v1",
        "active": False,
    }
    assert config["gemini"] == {"defaults": {"api_token": "${GEMINI_API_KEY}"}, "*": {}}
    assert config["azure"]["defaults"]["api_host"] == "https://r.openai.azure.com/openai/v1"
    assert config["ollama"]["loc.*"] == {"model": "*"}
    assert config["ollama-2"]["a:1b"] == {}
    assert found.fate("openai.api_base_urls[4]")[0] == "not supported"
    assert found.fate("openai.api_keys[5]")[0] == "not supported"


def test_the_table_of_an_ollama() -> None:
    """What ``ollama list`` prints; ``:latest`` is left off, and stays another name."""
    found = imported(
        "ollama",
        "NAME               ID              SIZE      MODIFIED    \n"
        "llama3.2:latest    a80c4f17acd5    2.0 GB    3 days ago  \n"
        "hf.co/org/m:Q4     500a1f067a9f    5.2 GB    2 weeks ago \n",
    )
    assert found.config["ollama"] == {"llama3.2": {"model": "llama3.2:latest"}, "hf.co/org/m:Q4": {}}
    assert found.config["$models"] == {"llama3.2:latest": {"alias": "llama3.2"}}


def test_the_list_of_an_ollama() -> None:
    """What ``/api/tags`` answers; without a model yet, the pattern serves what it will have."""
    found = imported(
        "ollama",
        json.dumps({"models": [{"name": "qwen3:8b", "size": 1, "digest": "x", "details": {"family": "q"}}]}),
        at="http://gpu:11434",
    )
    assert found.config["ollama"] == {"defaults": {"api_host": "http://gpu:11434"}, "qwen3:8b": {}}
    assert imported("ollama", '{"models": []}').config["ollama"] == {"*": {}}


@pytest.mark.parametrize(
    ("word", "text", "words"),
    [
        ("ollama", "bash: ollama: command not found\n", "not the table"),
        ("ollama", '{"models": 1}', "not what /api/tags"),
        ("ollama", "NAME ID\nx\n", "not the table"),
        ("opencode", "{", "is not JSON (line 1)"),
        ("litellm", "a: [\n", "is not YAML (line "),
        ("litellm", "", "is no configuration of LiteLLM"),
        ("litellm", "- 1\n", "is no configuration of LiteLLM"),
        (
            "litellm",
            "a: &x [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"b{i}: &b{i} [{'*' + ('x' if i == 0 else f'b{i - 1}')}{(', *' + ('x' if i == 0 else f'b{i - 1}')) * 8}]\n"
                for i in range(8)
            ),
            "more than",
        ),
        ("continue", "a: !!python/object/apply:os.system ['true']\n", "is not YAML"),
    ],
)
def test_what_is_no_source(word: str, text: str, words: str) -> None:
    """One line, without anything of the text; nothing of YAML's that runs or grows."""
    with pytest.raises(SourceError, match=words.replace("(", r"\(").replace(")", r"\)")):
        imported(word, text)


def test_no_address_is_no_vendor() -> None:
    """Nor do these send to a vendor what was meant for a server of one's own."""
    assert not imported(
        "continue", "models: [{name: a, provider: openai, model: m, apiBase: '<here>', apiKey: pl4nted}]"
    ).draft.models
    text = '{"provider": {"openai": {"options": {"baseURL": "nowhere"}, "models": {"m": {}}}}}'
    assert not imported("opencode", text).draft.models


def test_where_continue_looks_by_itself() -> None:
    """A llama.cpp or a vLLM whose address is not said is at its usual port."""
    found = imported(
        "continue", "models: [{name: a, provider: llama.cpp, model: m}, {name: b, provider: vllm, model: n}]"
    )
    hosts = {rows["defaults"]["api_host"] for name, rows in found.config.items() if name[0] != "$"}
    assert hosts == {"http://127.0.0.1:8080/v1", "http://127.0.0.1:8000/v1"}
