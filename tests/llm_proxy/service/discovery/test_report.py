"""What a start says to somebody who has configured nothing."""

from __future__ import annotations

import json
import shlex

import pytest

from llm_proxy.service.discovery import cloud, kinds
from llm_proxy.service.discovery.fingerprints import AtPort
from llm_proxy.service.discovery.report import Found, Next, curl, facts, table
from llm_proxy.service.discovery.rounds import after

NAMES = ("nomic-embed-text:latest", "qwen3:8b", "a", "b", "c", "d")
SEEN = [
    AtPort(11434, "found", kinds.OLLAMA, NAMES),
    AtPort(8000, "found", kinds.VLLM, ("Qwen/Qwen3-8B",)),
    AtPort(8080, "unused", reason="another llm-proxy"),
    AtPort(1234, "silent"),
    AtPort(1337, "nothing"),
    AtPort(52415, "nothing"),
]
ENV = {"OPENAI_API_KEY": "sk-planted", "AWS_BEARER_TOKEN_BEDROCK": "planted", "GROQ_API_KEY": " "}
HERE = Next("http://127.0.0.1:8081/api", "http://127.0.0.1:8081/console")

TABLE = """
On this machine (LLM_PROXY_API_DISCOVER=0: nobody looks):

  found  Ollama  127.0.0.1:11434  6 models: nomic-embed-text:latest, qwen3:8b, a, b and 2 more
  found  vLLM    127.0.0.1:8000   1 model: Qwen/Qwen3-8B
  not    127.0.0.1:8080  another llm-proxy
  not    127.0.0.1:1234  does not answer within 300 ms
  not    nothing listens at: Jan 1337, exo 52415
  key    OPENAI_API_KEY  not used, as openai costs money: --with-cloud
  key    AWS_BEARER_TOKEN_BEDROCK  not used: its models depend on your region and account: name them in
                                   models-config.json

Try it (qwen3:8b):

  curl -N http://127.0.0.1:8081/api/chat -H 'Content-Type: application/json' \\
    -d '{"model": "qwen3:8b", "messages": [{"role": "user", "content": "Hello!"}]}'

Console:   http://127.0.0.1:8081/console
Keep it:   llm-proxy init    (writes what was found into a models-config.json of your own)
"""


def test_the_whole_table() -> None:
    """Each server with its models, everybody else with the reason why not, keys by their names, a line to copy with the real
    port and a model that chats, and where to go on."""
    lines = table(Found(after({}, SEEN), cloud.keys_in(ENV)), HERE)

    assert "\n".join(lines) == TABLE
    assert "planted" not in "\n".join(lines)


def test_nothing_found() -> None:
    """Then demo is what to try, and the way to a real model is told; a local model that cannot be had is told with why."""
    nothing = after({}, SEEN[4:])
    plain = "\n".join(table(Found(nothing), HERE))
    without = "\n".join(table(Found(nothing, local_problem="its packages could not be fetched"), HERE))

    assert "Try it (demo):" in plain
    assert "start with --local" in plain
    assert "init" not in plain
    assert "not    local model  its packages could not be fetched" in without
    assert "start with --local" not in without


def test_the_local_model_comes_first() -> None:
    """Whoever asked for it tries it."""
    found = Found(after({}, SEEN), local="smollm2", with_cloud=True, keys=cloud.keys_in(ENV))
    lines = table(found, Next("http://127.0.0.1:1/api"))

    assert "Try it (smollm2):" in lines
    assert any("SmolLM2-135M" in line for line in lines)
    assert any("used: every model of openai" in line for line in lines)
    assert not any(line.startswith("Console:") for line in lines)


@pytest.mark.parametrize("name", ["it's", 'a"b', "a\\b", "$(rm -rf /)", "`id`", "modèle"])
def test_the_line_can_be_copied_whatever_the_model_is_called(name: str) -> None:
    """A shell takes the request apart into the words that were meant, and the body is JSON with that name."""
    words = shlex.split(" ".join(line.removesuffix("\\") for line in curl(name, HERE)))

    assert words[:3] == ["curl", "-N", "http://127.0.0.1:8081/api/chat"]
    assert json.loads(words[words.index("-d") + 1])["model"] == name


def test_keys_and_sockets_are_in_it() -> None:
    """Where keys are asked for the line sends one, from the environment; a Unix socket is named as curl wants it."""
    with_key = " ".join(curl("m", Next("http://127.0.0.1:1/api", keys=True)))
    by_socket = curl("m", Next("unix:/run/llm proxy.sock"))[0]

    assert "Authorization: Bearer $LLM_PROXY_API_KEY" in with_key
    assert by_socket.startswith("curl -N --unix-socket '/run/llm proxy.sock' http://localhost/api/chat ")


def test_the_facts_for_status() -> None:
    """The same as values: servers, who is not used and why, keys by name, the local model."""
    told = facts(Found(after({}, SEEN), cloud.keys_in(ENV), local_problem="no"))

    assert [server["provider"] for server in told["servers"]] == ["ollama", "vllm"]
    assert told["unused"] == [
        {"server": "", "address": "127.0.0.1:8080", "problem": "another llm-proxy"},
        {"server": "", "address": "127.0.0.1:1234", "problem": "does not answer within 300 ms"},
    ]
    assert [key["variable"] for key in told["keys"]] == ["OPENAI_API_KEY", "AWS_BEARER_TOKEN_BEDROCK"]
    assert told["local"] == {"model": None, "problem": "no"}
    assert "planted" not in json.dumps(told)
