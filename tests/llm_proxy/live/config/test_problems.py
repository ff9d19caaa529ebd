"""What is wrong with a models-config.json: all of it at once, each with its place, and never a value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm_proxy.live.config.loader import ConfigError
from llm_proxy.wire.json_scan import scan
from tests.support.config_kit import API_TYPES, load, problem, problems

#: Each text stands for a value that must never be shown.
PLANTED = "sk-planted"


def model(**fields: Any) -> dict[str, Any]:
    """A document with one model of ``fields``."""
    return {"openai": {"m": fields}}


#: Fields of one model, the path of the only problem below ``openai.m``, and a part of its message.
FIELD_PROBLEMS: list[tuple[dict[str, Any], str, str]] = [
    ({"temprature": 1}, "temprature", 'did you mean "temperature" in "options"?'),
    ({"max_tokens": 1}, "max_tokens", 'did you mean "max_tokens" in "options"?'),
    ({"wieght": 1}, "wieght", 'did you mean "weight"?'),
    ({"api_key": PLANTED}, "api_key", 'did you mean "api_token"?'),
    ({"base_url": PLANTED}, "base_url", 'did you mean "api_host"?'),
    ({"zzz": None}, "zzz", "known are api_type, api_host, api_token"),
    (
        {"api_type": "opnai"},
        "api_type",
        'one of anthropic, demo, gemini, ollama, openai, vllm; did you mean "openai"?',
    ),
    ({"api_type": PLANTED}, "api_type", "one of anthropic, demo, gemini, ollama, openai, vllm"),
    ({"api_type": 3}, "api_type", "must be a string"),
    ({"api_token": 123456}, "api_token", "must be a string"),
    ({"api_token": ""}, "api_token", "must not be empty"),
    ({"api_token": f"{PLANTED}\n"}, "api_token", "control characters"),
    ({"api_token": f"{PLANTED} "}, "api_token", "white space at either end"),
    ({"api_token": f"{PLANTED}\u2026"}, "api_token", "Latin-1"),
    ({"model": ""}, "model", "1 to 256 printable characters"),
    ({"model": "a\nb"}, "model", "1 to 256 printable characters"),
    ({"options": []}, "options", "must be an object"),
    ({"options": {"temperature": "hot"}}, "options.temperature", "must be a number"),
    ({"options": {"max_tokens": True}}, "options.max_tokens", "must be an integer"),
    ({"options": {"stop": [1]}}, "options.stop", "a string or a list of strings"),
    ({"options": {"response_format": {}}}, "options.response_format.type", "required"),
    ({"options": {"stream": False}}, "options.stream", "client's to say"),
    ({"options": {"messages": []}}, "options.messages", "come from the client"),
    ({"options": {"model": "x"}}, "options.model", 'beside "options"'),
    ({"options": {"api_key": PLANTED}}, "options.api_key", '"api_token"'),
    ({"keep_alive": "30 minutes"}, "keep_alive", '"30m" or a number of seconds'),
    ({"keep_alive": True}, "keep_alive", "number of seconds"),
    ({"keep_alive": ["5m"]}, "keep_alive", "number of seconds"),
    ({"active": "yes"}, "active", "must be true or false"),
    ({"active": 1}, "active", "must be true or false"),
    ({"weight": -0.1}, "weight", "greater than or equal to 0"),
    ({"weight": True}, "weight", "must be a number"),
    ({"weight": "1"}, "weight", "must be a number"),
    ({"weight": 1e300}, "weight", "less than or equal to 1000000"),
    ({"weight": 10**400}, "weight", "must be a number"),
    ({"languages": "en"}, "languages", "list of strings"),
    ({"languages": ["en", 5]}, "languages.1", "must be a string"),
    ({"languages": [""]}, "languages.0", "printable"),
    ({"input_size": 0}, "input_size", "greater than 0"),
    ({"input_size": 8192.0}, "input_size", "whole number"),
    ({"input_size": True}, "input_size", "whole number"),
    ({"input_size": 10**400}, "input_size", "less than or equal to"),
    ({"timeouts": 30}, "timeouts", "must be an object"),
    (
        {"timeouts": {"conect": 3}},
        "timeouts.conect",
        'known are connect, first_byte, idle, total; did you mean "connect"?',
    ),
    ({"timeouts": {"idle": 0}}, "timeouts.idle", "greater than 0"),
    ({"timeouts": {"idle": "5s"}}, "timeouts.idle", "must be a number"),
    ({"timeouts": {"first_byte": 300_000}}, "timeouts.first_byte", "less than or equal to 86400"),
    ({"headers": ["X-A: b"]}, "headers", "must be an object"),
    ({"headers": {"X A": PLANTED}}, "headers.X A", "not a header name"),
    ({"headers": {"": PLANTED}}, "headers.", "not a header name"),
    ({"headers": {"X-\u0141": PLANTED}}, "headers.X-\u0141", "not a header name"),
    ({"headers": {"Content-Length": "1"}}, "headers.Content-Length", "the gateway sets this header itself"),
    ({"headers": {"X-A": 1}}, "headers.X-A", "must be a string"),
    ({"headers": {"X-A": f"{PLANTED}\r\nX-B: 1"}}, "headers.X-A", "control characters"),
    ({"headers": {"X-A": "1", "x-a": "2"}}, "headers.x-a", "the same header twice"),
    ({"prompt": ""}, "prompt", "printable"),
    ({"on_client_gone": "wait"}, "on_client_gone", "'cancel' or 'drain'"),
    ({"api": "completions"}, "api", "'chat' or 'responses'"),
    ({"drain_seconds": -1}, "drain_seconds", "greater than or equal to 0"),
    ({"api_token": "${NOT_SET}"}, "api_token", "NOT_SET is not set in the environment"),
    (
        {"api_token": "${file:/not/there}"},
        "api_token",
        "/not/there cannot be read: No such file or directory",
    ),
    ({"api_token": "${file:relative}"}, "api_token", "absolute path"),
    ({"api_token": "${file:/a\0b}"}, "api_token", "absolute path"),
    ({"api_token": "${EMPTY}"}, "api_token", "must not be empty"),
    ({"api_token": "${BROKEN}"}, "api_token", "BROKEN in the environment is not valid UTF-8"),
    ({"api_token": "${file:/binary}"}, "api_token", "/binary is not valid UTF-8"),
    ({"api_token": f"${{{PLANTED}}}"}, "api_token", "a placeholder is"),
    ({"api_token": f"${{{PLANTED}"}, "api_token", "a placeholder is"),
    ({"options": {"a": ["${NOT_SET}"]}}, "options.a.0", "NOT_SET is not set"),
]


@pytest.mark.parametrize(("fields", "path", "message"), FIELD_PROBLEMS, ids=range(len(FIELD_PROBLEMS)))
def test_each_wrong_field_is_one_problem(fields: dict[str, Any], path: str, message: str) -> None:
    """One mistake is one problem, at its path, that says what is allowed and shows no value."""
    found = problem(
        model(**fields),
        env={"EMPTY": "", "BROKEN": PLANTED + "\udcff"},
        files={"/binary": b"\xff" + PLANTED.encode()},
    )

    assert found.path == f"openai.m.{path}"
    assert message in found.message
    assert PLANTED not in str(found)
    assert found.line > 1


DOCUMENT_PROBLEMS: list[tuple[Any, str, str]] = [
    ({}, "", "no provider is configured"),
    ({"$schema": "x", "$comment": 1}, "", "no provider is configured"),
    ({"ollama": []}, "ollama", "must be an object"),
    ({"ollama": None}, "ollama", "must be an object"),
    ({"ollama": {"m": 1}}, "ollama.m", "must be an object of fields"),
    ({"ollama": {"m": None}}, "ollama.m", "must be an object of fields"),
    ({"ollama": {"defaults": None}}, "ollama.defaults", "must be an object of fields"),
    ({"ollama": {"api_host": PLANTED}}, "ollama.api_host", 'is a field, not a model: put it into "defaults"'),
    ({"ollama": {"options": {"num_ctx": 1}}}, "ollama.options", 'put it into "defaults"'),
    (
        {"ollma": {"m": {}}},
        "ollma",
        'one of anthropic, demo, gemini, ollama, openai, vllm; did you mean "ollama"?',
    ),
    ({"Groq": {"m": {}}}, "Groq", 'did you mean "groq"?'),
    ({"box": {}}, "box", '"api_type" is required'),
    ({"box": {"a": {}, "b": {"api_type": "ollama"}}}, "box.a", '"api_type" is required'),
    ({"vllm": {"a": {}, "b": {}}}, "vllm", '"api_host" is required'),
    ({"vllm": {"defaults": {}}}, "vllm", '"api_host" is required'),
    ({"llamacpp": {"m": {}}}, "llamacpp", '"api_host" is required'),
    ({"vllm": {"a": {"api_host": "http://x"}, "b": {}}}, "vllm.b", "vllm has no usual one"),
    ({"ollama": {"m": {"api_type": "openai"}}}, "ollama", 'name implies ollama and "api_type" is openai'),
    ({"a/b": {"defaults": {"api_type": "ollama"}}}, "a/b", "must not contain any of"),
    ({"..": {"defaults": {"api_type": "ollama"}}}, "..", "more than dots"),
    ({"": {"defaults": {"api_type": "ollama"}}}, "", "1 to 100 printable"),
    ({"ollama": {"": {}}}, "ollama.", "1 to 256 printable"),
    ({"ollama": {"a\x1b[2Jb": {}}}, "ollama.a\\x1b[2Jb", "1 to 256 printable"),
    ({"ollama": {"m" * 300: {}}}, "ollama." + "m" * 60 + "...", "1 to 256 printable"),
]


@pytest.mark.parametrize(
    ("document", "path", "message"), DOCUMENT_PROBLEMS, ids=range(len(DOCUMENT_PROBLEMS))
)
def test_each_wrong_document_is_one_problem(document: Any, path: str, message: str) -> None:
    """Wrong providers, names and missing facts are one problem each, said once if they concern a whole provider."""
    found = problem(document)

    assert found.path == path
    assert message in found.message
    assert PLANTED not in str(found)


def test_all_problems_come_at_once_in_the_order_of_the_text() -> None:
    """Faults of the text, unknown fields, wrong types, unset variables and missing hosts are reported together."""
    text = """{
  "openai": {
    "defaults": {"api_token": "${OPENAI_API_KEY}", "wight": 1},
    "a": {"weight": -1, "weight": -2, "languages": "en"},
    "b": {"options": {"temperature": 1e999, "stop": 1}}
  },
  "gpu-box": {"defaults": {"api_typ": "vllm"}, "m": {}},
  "vllm": {"m": {"active": 1}}
}"""
    found = [(p.line, p.column, p.path) for p in problems(text)]

    assert found == [
        (3, 31, "openai.defaults.api_token"),
        (3, 52, "openai.defaults.wight"),
        (4, 25, "openai.a.weight"),
        (4, 35, "openai.a.weight"),
        (4, 52, "openai.a.languages"),
        (5, 38, "openai.b.options.temperature"),
        (5, 53, "openai.b.options.stop"),
        (7, 3, "gpu-box"),
        (7, 28, "gpu-box.defaults.api_typ"),
        (8, 3, "vllm"),
        (8, 28, "vllm.m.active"),
    ]


def test_a_broken_field_makes_no_second_problem() -> None:
    """From a field that is wrong nothing is concluded: a bad host is not also a missing one."""
    assert (
        problem({"box": {"defaults": {"api_type": "vlm"}, "a": {}, "b": {}}}).path == "box.defaults.api_type"
    )
    assert problem({"vllm": {"defaults": {"api_host": "x"}, "a": {}}}).path == "vllm.defaults.api_host"
    assert problem({"vllm": {"m": {"api_host": "${HOST}/v1"}}}).path == "vllm.m.api_host"
    assert problem({"box": {"defaults": 1, "a": {}}}).path == "box.defaults"


def test_a_models_own_field_outdoes_a_broken_default() -> None:
    """A wrong default is reported although every model overrides it, and the models are checked nevertheless."""
    found = problems(
        {"vllm": {"defaults": {"api_host": 1}, "a": {"api_host": "http://x"}, "b": {"weight": "x"}}}
    )

    assert [p.path for p in found] == ["vllm.defaults.api_host", "vllm.b.weight"]


def test_the_error_lists_all_problems_a_line_each() -> None:
    """str() of the error is what an operator reads: file, line, column, path and reason of every problem."""
    with pytest.raises(ConfigError) as caught:
        load('{"ollama": {"m": {"weight": true,\n "x": 1}}}')

    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert lines[0] == "models-config.json: line 1, column 29: ollama.m.weight: must be a number"
    assert lines[1].startswith(
        "models-config.json: line 2, column 2: ollama.m.x: unknown field, known are api_type, "
    )


def test_the_error_names_the_secret_files() -> None:
    """A rejected configuration still says which files it named: a missing one is watched for, too."""
    with pytest.raises(ConfigError) as caught:
        load({"openai": {"m": {"api_token": "${file:/later}"}}})

    assert caught.value.secret_files == ("/later",)


def test_of_thousands_of_problems_the_first_are_reported() -> None:
    """The others are counted: a log line, and whoever reads it, have an end."""
    models = {f"m{index}": {"wight": 1} for index in range(2000)}
    found = problems({"ollama": models})

    assert [problem.path for problem in found] == [*(f"ollama.m{index}.wight" for index in range(20)), ""]
    assert found[-1].message == "and 1,980 more"


def test_of_thousands_of_duplicate_keys_the_first_are_located() -> None:
    """Each place costs a look at all that stands before it."""
    text = "{" + ",".join(['"a":{}'] * 50_000) + "}"
    found = scan(text)

    assert (len(found.problems), found.more) == (20, 49_999 - 20)
    assert len(scan(text, 1).problems) == 1


def test_a_secret_in_the_wrong_place_is_not_shown() -> None:
    """A key pasted as any value at all, of any field, is in no problem, no repr and no traceback text."""
    fields = [
        "api_type",
        "api_host",
        "model",
        "options",
        "keep_alive",
        "active",
        "weight",
        "languages",
        "input_size",
    ]
    fields += ["timeouts", "headers", "prompt", "on_client_gone", "drain_seconds", "zzz"]
    for value in (
        f"{PLANTED}\0",
        [f"{PLANTED}\0"],
        {"idle": PLANTED, "temperature": PLANTED, "X-A": f"{PLANTED}\n"},
    ):
        document = json.dumps({"openai": {"m": dict.fromkeys(fields, value), "model": PLANTED}, "x": PLANTED})
        with pytest.raises(ConfigError) as caught:
            load(document)
        error = caught.value
        assert PLANTED not in f"{error!s}{error!r}{error.args!r}{error.problems!r}"
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__


def test_every_api_type_is_offered() -> None:
    """The list of allowed types is the list of adapters that the caller has."""
    assert all(name in problem(model(api_type="nope")).message for name in API_TYPES)
