"""New settings in a file that somebody wrote: its comments and layout stay, and a second time changes nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llm_proxy.cli.merging.merge import merge, read
from llm_proxy.cli.merging.values import MergeError, merged_value
from llm_proxy.faces.programs.table import PROGRAMS
from llm_proxy.faces.programs.values import File, Gateway

GATEWAY = Gateway("http://127.0.0.1:8080", "smollm2", "sk-given")


def file_of(name: str, gateway: Gateway = GATEWAY) -> File:
    """The first file of a program."""
    return next(setting for setting in PROGRAMS[name].settings(gateway) if isinstance(setting, File))


JSON_FILES = {
    "empty": "{}",
    "empty with a comment": "{\n  // nothing yet\n}\n",
    "other settings": '{\n  "theme": "dark", // mine\n  "env": {"A": "1"}\n}\n',
    "a comma at the end": '{\n  /* a,b */\n  "permissions": {"allow": ["Bash(ls:*)",],},\n}\n',
    "a comment behind the last": '{\n\t"model": "opus", // was good\n\t"env": {\n\t\t"ANTHROPIC_BASE_URL": "http://old", // old\n\t\t"B": "//no comment"\n\t} // end\n}\n',
    "one line": '{"model": "opus", "env": {}}',
    "an address is no comment": '{"env": {"ANTHROPIC_BASE_URL": "https://a/*b*/c"}}',
    "null": '{"env": null}',
}
TOML_FILES = {
    "comments": '# mine\nmodel = "gpt-5" # the best\n\n# servers\n[mcp_servers.files]\ncommand = "x" # run\n',
    "a provider of that name": '[model_providers.llm-proxy]\nname = "old" # n\nbase_url = \'http://old\'\n\n[profiles.a]\nmodel = "o3"\n',
    "quoted": '[model_providers."llm-proxy"]\nname = "old"\n',
    "another provider": 'model_provider = "other"\n[model_providers.other]\nname = "other"\nhttp_headers = { a = "b" }\n',
    "only a comment": "# nothing\n",
    "a text of lines": 'notify = """\n[model]\nx"""\n[tui]\nx = 1\n',
}
YAML_FILES = {
    "comments": "# mine\nname: My agent # keep\nversion: 2.0.0\nschema: v1\nmodels:\n  # local ones\n  - name: Llama\n    provider: ollama # here\n    model: llama3.2\n\nrules:\n  - Be short # really\n",
    "no models": "name: a\nversion: 1.0.0\n",
    "empty list": "name: a\nmodels: []\nrules:\n- x\n",
    "items at the left": "models:\n- name: Llama\n  provider: ollama\n  model: a\nname: a\n",
    "the same model": "models:\n  - name: smollm2 (llm-proxy)\n    provider: openai # p\n    model: old\n    apiBase: http://old/v1 # b\n    apiKey: mine\n  - name: other\n    model: x\n",
    "the same with its mark last": "models:\n  - provider: openai\n    apiKey: ''\n    name: \"smollm2 (llm-proxy)\"\n",
}
CASES = [
    *((f"json, {what}", "claude-code", text) for what, text in JSON_FILES.items()),
    *((f"toml, {what}", "codex", text) for what, text in TOML_FILES.items()),
    *((f"yaml, {what}", "continue", text) for what, text in YAML_FILES.items()),
]


@pytest.mark.parametrize(("what", "name", "text"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.parametrize("keep", [False, True])
def test_what_was_there_and_what_is_new(what: str, name: str, text: str, keep: bool) -> None:
    """It says both; every comment is where it was beside its line; a second time changes nothing."""
    file = file_of(name)
    after = merge(text, file, keep)

    kept = (*file.kept, *(file.secret if keep else ()))
    assert read(file.form, after) == merged_value(read(file.form, text), file.content, file.same, kept)
    assert merge(after, file, keep) == after
    for comment in re.findall(r"(?:^|(?<=\s))(?:#|//) .*$|/\* .*? \*/", text, re.MULTILINE):
        assert comment in after, after
    unchanged = [line for line in text.splitlines() if "mine" in line or "keep" in line or "really" in line]
    assert all(line in after.splitlines() for line in unchanged if "apiKey" not in line)


def test_a_comment_stays_on_its_line() -> None:
    """A setting behind the last one does not take that one's comment away."""
    after = merge('{\n  "a": 1 // of a\n}\n', file_of("claude-code"), keep_secrets=True)
    assert after.startswith('{\n  "a": 1, // of a\n  "model": "smollm2",\n  "env": {\n')
    assert after.endswith("  }\n}\n")


def test_a_key_that_is_there_stays() -> None:
    """Unless another one was given."""
    file = file_of("claude-code")
    mine = '{"env": {"ANTHROPIC_AUTH_TOKEN": "sk-mine"}}'
    assert "sk-mine" in merge(mine, file, keep_secrets=True)
    assert "sk-mine" not in merge(mine, file, keep_secrets=False)


def test_variables() -> None:
    """``NAME=value`` is replaced where it stands, also behind ``export``, and added where it does not."""
    file = file_of("gemini-cli")
    text = "# mine\nexport GEMINI_MODEL='old'\nGEMINI_API_KEY=sk-mine\nOTHER=1"
    assert merge(text, file, keep_secrets=True) == (
        "# mine\nexport GEMINI_MODEL=smollm2\nGEMINI_API_KEY=sk-mine\nOTHER=1\n"
        "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8080\n"
    )
    assert "GEMINI_API_KEY=sk-given" in merge(text, file, keep_secrets=False)


def test_a_list_of_models_at_the_top() -> None:
    """llm's file is a list: another model is added, the same one is replaced."""
    file = file_of("llm")
    text = "# mine\n- model_id: a # of a\n  model_name: a\n"
    after = merge(text, file, keep_secrets=True)
    assert after.startswith(text)
    assert [row["model_id"] for row in read("yaml", after)] == ["a", "gateway-smollm2"]
    newer = merge(after, file_of("llm", Gateway("http://10.0.0.1:1", "smollm2")), keep_secrets=True)
    assert [row["api_base"] for row in read("yaml", newer)[1:]] == ["http://10.0.0.1:1/v1"]


BROKEN = [
    ("claude-code", '{"a": '),
    ("claude-code", "[1, 2]x"),
    ("claude-code", '"text"'),
    ("claude-code", '{"a": 1, "a": 2}'),
    ("codex", "model = "),
    ("codex", 'model_providers = { llm-proxy = { name = "x" } }\n'),
    ("continue", "models: [{name: a, model: b}]\n"),
    ("continue", "a: [\n"),
    ("continue", "- a\n"),
    ("continue", "models: &all\n  - name: a\n    more: *all\n"),
    ("llm", "a: b\n"),
    ("continue", "just words\n"),
    ("continue", "models: &all\n  - name: a\n    model: b\nmore: *all\nmodels2: |\n  models:\n"),
]


@pytest.mark.parametrize(("name", "text"), BROKEN)
def test_what_cannot_be_edited_is_refused(name: str, text: str) -> None:
    """A file that is broken, or laid out in a way that is not known, is an error in one line, or edited rightly; never spoiled."""
    file = file_of(name)
    try:
        after = merge(text, file, keep_secrets=True)
    except MergeError as error:
        assert "\n" not in str(error)
        return
    wanted: Any = merged_value(read(file.form, text), file.content, file.same, (*file.kept, *file.secret))
    assert read(file.form, after) == wanted
