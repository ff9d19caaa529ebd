"""Configurations of LiteLLM: files in the shape of those that its documentation and its repository show."""

from __future__ import annotations

import pytest

from tests.llm_proxy.cli.importing.kit import imported


def row(model: str, name: str = "m", **more: object) -> str:
    """A file with one deployment."""
    lines = "".join(f"      {key}: {value}\n" for key, value in more.items())
    return f"model_list:\n  - model_name: {name}\n    litellm_params:\n      model: {model}\n{lines}"


def test_a_group_of_two_vendors() -> None:
    """One name, two upstreams: Azure by its v1 API, the vendor's usual variable where no key is named."""
    found = imported(
        "litellm",
        """
        model_list:
          - model_name: chat
            litellm_params:
              model: gpt-4o-mini
          - model_name: chat
            litellm_params:
              model: azure/my-deployment
              api_base: https://my-resource.openai.azure.com/openai/deployments/x
              api_version: "2024-05-15"
              api_key: os.environ/AZURE_API_KEY
              rpm: 480
              tpm: 100000
              weight: 3
              order: 1
              timeout: 300
              stream_timeout: 60
              max_parallel_requests: 4
              max_retries: 3
        """,
    )
    assert found.config["openai"] == {
        "defaults": {"api_token": "${OPENAI_API_KEY}"},
        "chat": {"model": "gpt-4o-mini"},
    }
    assert found.config["azure"]["defaults"] == {
        "api_host": "https://my-resource.openai.azure.com/openai/v1",
        "api_token": "${AZURE_API_KEY}",
    }
    assert found.config["azure"]["chat"] == {
        "limits": {"rpm": 480, "tpm": 100000},
        "weight": 3,
        "order": 1,
        "timeouts": {"total": 300, "first_byte": 60},
        "max_concurrent": 4,
        "model": "my-deployment",
    }
    assert found.config["$models"] == {"chat": {"retries": 3}}
    assert set(found.draft.variables) == {"OPENAI_API_KEY", "AZURE_API_KEY"}


@pytest.mark.parametrize(
    ("model", "base", "provider", "upstream"),
    [
        ("anthropic/claude-sonnet-4-5", None, "anthropic", "claude-sonnet-4-5"),
        ("claude-opus-4-8", None, "anthropic", "claude-opus-4-8"),
        ("gemini/gemini-2.5-flash", None, "gemini", "gemini-2.5-flash"),
        ("groq/llama-3.3-70b-versatile", None, "groq", "llama-3.3-70b-versatile"),
        ("together_ai/meta-llama/Llama-3-70b", None, "together", "meta-llama/Llama-3-70b"),
        ("openrouter/deepseek/deepseek-chat", None, "openrouter", "deepseek/deepseek-chat"),
        ("ollama_chat/qwen3:8b", None, "ollama", "qwen3:8b"),
        ("ollama/llama3.2", "http://10.0.0.4:11434/", "ollama", "llama3.2"),
        ("hosted_vllm/Qwen/Qwen3-8B", "http://gpu-box:8000/v1", "gpu-box", "Qwen/Qwen3-8B"),
        ("openai/my-model", "http://127.0.0.1:8081/v1", "local-8081", "my-model"),
        ("openai/my-model", "https://api.groq.com/openai/v1/chat/completions", "groq", "my-model"),
        ("openai/x", "https://10.1.2.3:8443/v1", "10-1-2-3-8443", "x"),
        ("lm_studio/qwen", None, "lmstudio", "qwen"),
        ("text-completion-openai/gpt-3.5-turbo-instruct", None, "openai", "gpt-3.5-turbo-instruct"),
        ("mistralai/mistral-7b", "http://gpu:1/v1", "gpu", "mistralai/mistral-7b"),
        ("azure/responses/gpt-5", "https://r.openai.azure.com", "azure", "gpt-5"),
    ],
)
def test_providers(model: str, base: str | None, provider: str, upstream: str) -> None:
    """What stands before the slash, or the address, says whose server it is."""
    found = imported("litellm", row(model, **({"api_base": base} if base else {})))
    assert found.config[provider]["m"] == {"model": upstream}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("os.environ/MY_KEY", "${MY_KEY}"),
        ('"os.environ/MY_KEY"', "${MY_KEY}"),
        ("${MY_KEY}", "${MY_KEY}"),
        ("$MY_KEY", "${MY_KEY}"),
        ("sk-pl4nted-0001", "${OPENAI_API_KEY}"),
        ("none", None),
        ("fake-key", None),
        ('""', None),
        ("null", None),
        ("anything", None),
    ],
)
def test_keys(text: str, reference: str | None) -> None:
    """A reference becomes ours, a key becomes the name of a variable, and a word that stands for none is left out."""
    found = imported("litellm", row("openai/gpt-4o", api_key=text))
    assert found.config["openai"].get("defaults", {}).get("api_token") == reference
    assert list(found.draft.variables) == ([reference[2:-1]] if reference else [])


def test_two_keys_of_a_vendor() -> None:
    """Two accounts are two providers and two variables; the same key twice is one."""
    text = "model_list:\n" + "".join(
        f"  - model_name: chat\n    litellm_params: {{model: gpt-4o, api_key: sk-pl4nted-{key}}}\n    rpm: {rpm}\n"
        for key, rpm in (("a", 3), ("b", 4), ("a", 5))
    )
    found = imported("litellm", text)
    assert [name for name in found.config if name[0] != "$"] == ["openai", "openai-2", "openai-3"]
    tokens = [found.config[name]["defaults"]["api_token"] for name in ("openai", "openai-2", "openai-3")]
    assert tokens == ["${OPENAI_API_KEY}", "${OPENAI_API_KEY_2}", "${OPENAI_API_KEY}"]
    assert found.config["openai-2"]["chat"] == {"limits": {"rpm": 4}, "model": "gpt-4o"}


def test_wildcards() -> None:
    """A star stays a star, with a prefix or without; stars that do not fit are said."""
    found = imported(
        "litellm",
        """
        model_list:
          - model_name: "*"
            litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
          - model_name: "anthropic/*"
            litellm_params: {model: "anthropic/*"}
          - model_name: "claude-*"
            litellm_params: {model: "anthropic/claude-*"}
          - model_name: "team/*"
            litellm_params: {model: "gemini/gemini-2.5-flash"}
          - model_name: fixed
            litellm_params: {model: "groq/*"}
        """,
    )
    assert found.config["openai"]["*"] == {}
    assert found.config["anthropic"]["anthropic/*"] == {"model": "*"}
    assert found.config["anthropic"]["claude-*"] == {}
    assert found.config["gemini"]["team/*"] == {"model": "gemini-2.5-flash"}
    assert found.fate("model_list[4]") == ("not supported", "its wildcards do not fit each other")


def test_the_router() -> None:
    """Retries, times, fallbacks by their reason, aliases; a circle is left open, what leads nowhere is said."""
    found = imported(
        "litellm",
        """
        model_list:
          - {model_name: small, litellm_params: {model: gpt-4o-mini}}
          - {model_name: large, litellm_params: {model: claude-sonnet-4-5}}
          - {model_name: third, litellm_params: {model: gemini/gemini-2.5-pro}}
        router_settings:
          routing_strategy: simple-shuffle
          num_retries: 2
          timeout: 30
          stream_timeout: 10
          fallbacks: [{small: [large, nobody]}, {large: [small]}]
          context_window_fallbacks: [{small: [large, third]}]
          content_policy_fallbacks: [{third: [small]}]
          default_fallbacks: [third]
          model_group_alias: {cheap: small, large: small, ghost: nobody, old: {model: large, hidden: true}}
          allowed_fails: 3
          cooldown_time: 30
          redis_host: localhost
          redis_password: pl4nted-password
          enable_pre_call_checks: true
        """,
    )
    assert found.config["$models"] == {
        "*": {"retries": 2, "policy": "weighted"},
        "cheap": {"alias": "small"},
        "old": {"alias": "large"},
        "small": {
            "fallbacks": [
                {"model": "large", "on": ["unavailable", "rate_limit", "context_length"]},
                {"model": "third", "on": ["context_length"]},
            ]
        },
        "large": {"fallbacks": ["third"]},
    }
    assert found.config["openai"]["defaults"]["timeouts"] == {"total": 30, "first_byte": 10}
    for place in (
        "router_settings.fallbacks[0].small[1]",
        "router_settings.fallbacks[1].large[0]",
        "router_settings.content_policy_fallbacks[0].third[0]",
        "router_settings.model_group_alias.large",
        "router_settings.model_group_alias.ghost",
        "router_settings.cooldown_time",
        "router_settings.redis_password",
    ):
        assert found.fate(place)[0] == "not supported"
    assert "LLM_PROXY_API_SHARED" in found.report


def test_keys_budgets_and_prices() -> None:
    """The master key is kept as its hash, so that clients go on with it; money stands in access.json."""
    found = imported(
        "litellm",
        """
        model_list:
          - model_name: priced
            litellm_params: {model: gpt-4o, input_cost_per_token: 0.0000025, output_cost_per_token: 1.0e-05}
            model_info: {cache_read_input_token_cost: 0.00000125, max_input_tokens: 128000, mode: chat, supports_vision: true}
        litellm_settings: {max_budget: 100, budget_duration: 30d}
        general_settings:
          master_key: sk-pl4nted-master
          database_url: "postgresql://user:pl4nted@host/db"
        """,
    )
    assert found.access["prices"] == {"priced": {"input": 2.5, "output": 10, "cache_read": 1.25}}
    assert found.access["budgets"] == {"all": {"usd": 100, "per": "month"}}
    key = found.access["keys"]["master"]
    assert key["hash"].startswith("sha256:")
    assert (key["admin"], key["budgets"]) == ("write", ["all"])
    assert found.config["openai"]["priced"] == {"input_size": 128000, "model": "gpt-4o"}
    assert "LLM_PROXY_API_STATE" in found.report


def test_prices_alone_close_nothing() -> None:
    """With access.json every request needs a key, so it is not made for prices alone; nor for a master key that is not in the file."""
    found = imported(
        "litellm",
        row("gpt-4o", input_cost_per_token=0.1)
        + "general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}\n",
    )
    assert found.access == {}
    assert found.fate("model_list[0].litellm_params.input_cost_per_token")[0] == "not supported"
    assert "llm-proxy key new master --write" in found.fate("general_settings.master_key")[1]


def test_parameters_and_headers() -> None:
    """Parameters are options, headers headers; those that hold keys become variables; what is unknown is said."""
    found = imported(
        "litellm",
        row(
            "openai/x",
            api_base="https://llm.corp.example/v1",
            temperature=0.2,
            max_tokens=512,
            extra_headers="{X-Team: a, Authorization: Bearer pl4nted-1, X-Api-Key: os.environ/CORP}",
            extra_body="{top_k: 20}",
            organization="org-1",
            tags="[free]",
            drop_params="true",
            brand_new="1",
            top_p="'high'",
        ),
    )
    assert found.config["llm"]["m"] == {
        "headers": {
            "X-Team": "a",
            "Authorization": "Bearer ${OPENAI_AUTHORIZATION}",
            "X-Api-Key": "${CORP}",
            "OpenAI-Organization": "org-1",
        },
        "options": {"temperature": 0.2, "max_tokens": 512, "top_k": 20},
        "model": "x",
    }
    assert found.fate("model_list[0].litellm_params.brand_new")[0] == "not supported"
    assert found.fate("model_list[0].litellm_params.top_p")[0] == "not supported"


def test_credentials_by_name() -> None:
    """A row takes what the list of credentials says, and its own wins."""
    found = imported(
        "litellm",
        """
        credential_list:
          - credential_name: azure-eu
            credential_values: {api_key: pl4nted-9, api_base: "https://eu.openai.azure.com"}
        model_list:
          - {model_name: a, litellm_params: {model: azure/dep, litellm_credential_name: azure-eu}}
          - {model_name: b, litellm_params: {model: azure/dep, litellm_credential_name: azure-us}}
        """,
    )
    assert found.config["azure"]["defaults"]["api_host"] == "https://eu.openai.azure.com/openai/v1"
    assert found.config["azure"]["a"] == {"model": "dep"}
    assert found.fate("model_list[1].litellm_params.litellm_credential_name")[0] == "not supported"


def test_an_address_of_the_environment() -> None:
    """It stays a reference."""
    found = imported("litellm", row("openai/x", api_base="os.environ/BASE", api_key="os.environ/K"))
    (provider,) = (rows for name, rows in found.config.items() if name[0] != "$")
    assert provider["defaults"] == {
        "api_type": "openai",
        "api_host": "${BASE}",
        "api_token": "${K}",
    } or provider["defaults"] == {"api_host": "${BASE}", "api_token": "${K}"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("bedrock/anthropic.claude-3", "signed by AWS"),
        ("sagemaker/x", "signed by AWS"),
        ("vertex_ai/gemini-pro", "service accounts"),
        ("cohere_chat/command-r", "compatibility"),
        ("nobody/knows", "the provider nobody is not known here"),
        ("some-model", "not known here"),
        ("hosted_vllm/x", "no usual address"),
        ("''", "names no model"),
        ("azure/", "names no model"),
    ],
)
def test_what_cannot_be_served(model: str, words: str) -> None:
    """The reason stands in the report, and there is no such model."""
    found = imported("litellm", row(model))
    assert not found.draft.models
    assert words in " ".join(found.report.split())


def test_the_rest_is_named() -> None:
    """Sections that nothing here corresponds to are in the report, with where that is done, if it is."""
    found = imported(
        "litellm",
        row("gpt-4o")
        + """
litellm_settings: {success_callback: [langfuse], cache: true, cache_params: {type: redis, password: pl4nted}, set_verbose: true}
environment_variables: {REDIS_HOST: h, REDIS_PASSWORD: pl4nted}
guardrails: [{guardrail_name: x}]
mcp_servers: {github: {url: "https://x"}}
include: [other.yaml]
a_section_of_next_year: {deep: {deeper: [1, 2]}}
""",
    )
    assert "answers are not kept" in found.report
    assert found.fate("a_section_of_next_year.deep.deeper[1]")[0] == "not supported"
    assert found.fate("environment_variables.REDIS_PASSWORD")[0] == "changed"


def test_azure_by_its_variable() -> None:
    """Where LiteLLM reads the address from the environment, ours does too, with the path of the v1 API behind it."""
    for more in ({}, {"api_base": "os.environ/AZURE_API_BASE"}):
        found = imported("litellm", row("azure/dep", api_key="os.environ/AZURE_API_KEY", **more))
        assert found.config["azure"]["defaults"]["api_host"] == "${AZURE_API_BASE}/openai/v1"
        assert "AZURE_API_BASE" in found.draft.variables


def test_no_address_is_no_vendor() -> None:
    """What was meant for a server of one's own is not sent to the vendor whose name it has."""
    found = imported("litellm", row("openai/mine", api_base="'<your endpoint>'", api_key="os.environ/K"))
    assert not found.draft.models
    assert found.fate("model_list[0].litellm_params.api_base")[0] == "not supported"
    assert "name each provider's wildcard" in imported("litellm", row("'*'", name="'*'")).report
