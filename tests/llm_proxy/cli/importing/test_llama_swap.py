"""Configurations of llama-swap, at itself and at each model's own address."""

from __future__ import annotations

from tests.llm_proxy.cli.importing.kit import imported

FILE = """
healthCheckTimeout: 500
startPort: 10001
macros:
  server: /opt/llama-server --port ${PORT}
  ctx: 4096
apiKeys: [sk-pl4nted-1, "${env.SWAP_KEY}"]
models:
  big:
    macros: {temp: 0.7}
    cmd: |
      ${server} --model big.gguf --ctx-size ${ctx}
    aliases: [gpt-4o-mini, other]
    ttl: 60
    concurrencyLimit: 4
    useModelName: org/big
    filters:
      stripParams: "temperature, top_p"
      setParams: {temperature: 0.7}
      setParamsByID:
        "${MODEL_ID}": {chat_template_kwargs: {reasoning_effort: medium}}
        "${MODEL_ID}:high": {chat_template_kwargs: {reasoning_effort: high}}
    timeouts: {connect: 30, responseHeader: 0, idleConn: 90}
    capabilities: {in: [text, image], tools: true, context: 32000}
    metadata: {port: "${PORT}"}
  away:
    cmd: x
    proxy: http://10.0.0.9:9999
    unlisted: true
  docker:
    cmd: docker run -p ${PORT}:8080 x
    cmdStop: docker stop ${MODEL_ID}
peers:
  openrouter:
    proxy: https://openrouter.ai/api
    apiKey: ${env.OPENROUTER_KEY}
    models: [z-ai/glm-4.7, qwen/qwen3]
    filters: {setParams: {temperature: 1}}
selectors:
  coding: {strategy: warm, targets: [big, z-ai/glm-4.7]}
  plan: {strategy: pin, targets: [away, big]}
  many: {strategy: spillover, targets: [docker, big, nobody], settings: {spillover: 4}}
profiles: {work: {pins: {a: big}}}
hooks: {on_startup: {preload: [big]}}
routing: {router: {use: group, settings: {groups: {g: {members: [big]}}}}}
"""


def test_at_llama_swap() -> None:
    """It goes on starting the servers and setting parameters; names, aliases, limits and times are ours."""
    found = imported("llama-swap", FILE, at="http://127.0.0.1:9292/")
    rows = found.config["llama-swap"]
    assert rows["defaults"] == {
        "api_type": "openai",
        "api_host": "http://127.0.0.1:9292/v1",
        "api_token": "${LLAMA_SWAP_API_KEY}",
    }
    assert rows["big"] == {"max_concurrent": 4, "timeouts": {"connect": 30}, "input_size": 32000}
    assert set(rows) == {
        *("defaults", "big", "big:high", "away", "docker"),
        *("z-ai/glm-4.7", "qwen/qwen3", "coding", "plan", "many"),
    }
    assert found.config["$models"] == {"gpt-4o-mini": {"alias": "big"}, "other": {"alias": "big"}}
    assert list(found.access["keys"]) == ["client-1"]
    assert found.fate("apiKeys[1]")[0] == "not supported"
    assert found.fate("models.big.ttl") == ("changed", "llama-swap goes on doing this")
    assert found.fate("profiles")[0] == "not supported"
    assert "8080" not in found.report


def test_at_the_usual_port_it_warns() -> None:
    """8080 is the port of both."""
    found = imported("llama-swap", "models: {a: {cmd: x}}\n")
    assert found.config["llama-swap"]["defaults"]["api_host"] == "http://127.0.0.1:8080/v1"
    assert "give one of them another port" in found.report


def test_at_each_model() -> None:
    """A provider for each server at the port that llama-swap would give it; parameters are defaults; selectors are upstreams in their order."""
    found = imported("llama-swap", FILE, direct=True)
    config = found.config
    assert config["big"]["defaults"]["api_host"] == "http://localhost:10001/v1"
    assert config["docker"]["defaults"]["api_host"] == "http://localhost:10002/v1"
    assert config["away"]["defaults"]["api_host"] == "http://10.0.0.9:9999/v1"
    options = {"temperature": 0.7, "chat_template_kwargs": {"reasoning_effort": "medium"}}
    assert config["big"]["big"]["options"] == options
    assert config["big"]["big"]["model"] == "org/big"
    assert config["big"]["big:high"]["options"]["chat_template_kwargs"] == {"reasoning_effort": "high"}
    assert config["openrouter"]["defaults"] == {"api_token": "${OPENROUTER_KEY}"}
    assert config["openrouter"]["coding"] == {"model": "z-ai/glm-4.7", "order": 1}
    assert config["big"]["coding"] == {"model": "org/big", "order": 0}
    assert config["away"]["plan"] == {"model": "away", "order": 0}
    assert "plan" not in config["big"]
    assert config["docker"]["many"] == {"model": "docker", "order": 0, "max_concurrent": 4}
    assert found.fate("models.big.filters.stripParams")[0] == "not supported"
    assert found.fate("models.big.cmd")[0] == "not supported"
    assert found.fate("selectors.many.targets[2]")[0] == "not supported"
    assert "OPENROUTER_KEY" in found.draft.variables


def test_what_is_odd() -> None:
    """No models, models that are none, addresses that are none."""
    assert not imported("llama-swap", "logLevel: info\n").draft.models
    found = imported(
        "llama-swap",
        "models: {'': {cmd: x}, a: just text, b: {cmd: x, proxy: 'unix:/x'}, c: {cmd: y, proxy: 'http://h:${PORT}'}}\nstartPort: many\n",
        direct=True,
    )
    assert found.draft.models == set()
    assert found.report.count("its address is not in the file") == 1
