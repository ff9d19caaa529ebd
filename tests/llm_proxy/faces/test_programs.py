"""What other people's programs are told of a gateway: every text is one that its own format's reader takes."""

from __future__ import annotations

import ast
import json
import shlex
import tomllib
from typing import Any

import pytest
import yaml

from llm_proxy.faces.programs.table import PROGRAMS, told, told_of_all
from llm_proxy.faces.programs.values import Code, File, Gateway, Variables
from llm_proxy.faces.programs.writing import env_value, exports, text_of

#: A name with what formats quote.
ODD = Gateway("http://127.0.0.1:8080", 'org/It\'s "odd": #1 $x', "sk-secret")
PLAIN = Gateway("http://127.0.0.1:8080", "smollm2")


def _read(form: str, text: str) -> Any:
    if form == "json":
        return json.loads(text)
    if form == "toml":
        return tomllib.loads(text)
    return yaml.safe_load(text)


@pytest.mark.parametrize("gateway", [PLAIN, ODD], ids=["plain", "odd"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_text_is_of_its_form(name: str, gateway: Gateway) -> None:
    """Files read back are what they were made of; code parses; a shell sees each variable's value."""
    for setting in PROGRAMS[name].settings(gateway):
        if isinstance(setting, File) and setting.form != "env":
            assert _read(setting.form, text_of(setting.form, setting.content)) == setting.content
            for place in setting.secret:
                value: Any = setting.content
                for key in place:
                    value = value[key]
                assert value == gateway.key
        elif isinstance(setting, Variables):
            words = shlex.split(exports(setting.values))
            assert [word for word in words if word != "export"] == [
                f"{key}={value}" for key, value in setting.values.items()
            ]
        elif isinstance(setting, Code) and setting.language == "python":
            ast.parse(setting.text)
        elif isinstance(setting, Code) and setting.language == "bash":
            assert json.loads(shlex.split(setting.text)[-1])["model"] == gateway.model


def test_marks_stay_for_a_page_to_fill_in() -> None:
    """With marks for a gateway each text holds them, and JSON can carry all of it."""
    marks = Gateway("{{url}}", "{{model}}", "{{key}}")
    programs = json.loads(json.dumps(told_of_all(marks)))
    assert [program["id"] for program in programs] == list(PROGRAMS)
    for program in programs:
        text = "".join(part["text"] for part in program["parts"])
        assert "{{url}}" in text
        assert "{{model}}" in text or program["id"] == "open-webui"


def test_nothing_shows_a_key() -> None:
    """A gateway's repr does not hold the key."""
    assert "sk-secret" not in repr(ODD)
    assert "sk-secret" in json.dumps(told(PROGRAMS["claude-code"], ODD))


def test_values_of_a_variables_file() -> None:
    """Plain ones stay plain; those with signs are quoted."""
    assert [env_value(text) for text in ("a:/b", "a b", 'a"b')] == ["a:/b", '"a b"', '"a\\"b"']
