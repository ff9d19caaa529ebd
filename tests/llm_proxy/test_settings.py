"""The LLM_PROXY_API_* variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.settings import PREFIX, Settings, SettingsError, service_links, unknown_variables

BAD = {
    "PORT": ["x", "70000", "-1", "8080.5"],
    "OLLAMA_PORT": ["x", "70000", "-1", "8080"],
    "WORKERS": ["many", "-1"],
    "TIMEOUT": ["0", "-3", "nan", "inf", "soon"],
    "LOG_LEVEL": ["LOUD"],
    "LOG_FORMAT": ["xml"],
    "MINIMUM": ["maybe"],
    "EP_PREFIX": ["a b", "/x?y", "/a#b"],
    "DEFAULT_EP_LANGUAGE": ["../etc", "p"],
    "MAX_BODY_SIZE": ["1e9", "12"],
    "DRAIN_SECONDS": ["-1", "inf"],
    "WATCH": ["sometimes"],
    "HOST": ["a b"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_a_wrong_value_is_one_line_that_helps(name: str, value: str) -> None:
    """The line names the variable and what is allowed, and does not repeat the value."""
    with pytest.raises(SettingsError) as caught:
        Settings.read({PREFIX + name: value})

    line = str(caught.value)
    assert line.startswith(f"{PREFIX}{name}: ")
    assert "allowed: " in line
    assert "\n" not in line
    assert len(value) < 4 or value not in line


def test_defaults_are_the_contract() -> None:
    """Unset and empty variables mean the documented defaults."""
    settings = Settings.read({PREFIX + "PORT": "", PREFIX + "LOG_FILENAME": ""})

    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert (settings.ep_prefix, settings.timeout, settings.default_ep_language) == ("/api", None, "pl")
    assert (settings.max_body_size, settings.drain_seconds) == (33_554_432, 30.0)
    assert (settings.header_timeout, settings.body_timeout, settings.write_timeout) == (10.0, 60.0, 60.0)
    assert settings.keepalive_timeout == 75.0
    assert settings.minimum is False


def test_flags_win_over_the_environment() -> None:
    """A flag beats the variable of the same name, and its error names the flag."""
    assert Settings.read({PREFIX + "PORT": "1"}, {"port": "2"}).port == 2
    with pytest.raises(SettingsError, match="--port"):
        Settings.read({PREFIX + "PORT": "1"}, {"port": "x"})


def test_ollama_has_a_port_of_its_own_or_none() -> None:
    """Unset and empty mean none; two free ports may be asked for, but never the same one."""
    assert Settings.read({PREFIX + "OLLAMA_PORT": ""}).ollama_port is None
    assert Settings.read({PREFIX + "OLLAMA_PORT": "11434"}).ollama_port == 11434
    assert Settings.read({PREFIX + "OLLAMA_PORT": "0", PREFIX + "PORT": "0"}).ollama_port == 0
    with pytest.raises(SettingsError, match="--ollama-port: is the port of the other endpoints"):
        Settings.read({PREFIX + "PORT": "9000"}, {"ollama_port": "9000"})


@pytest.mark.parametrize(
    ("given", "prefix"), [("api", "/api"), ("/api/", "/api"), ("/", ""), ("/a/b", "/a/b")]
)
def test_prefix_is_normalised(given: str, prefix: str) -> None:
    """Slashes around the prefix do not matter."""
    assert Settings.read({PREFIX + "EP_PREFIX": given}).ep_prefix == prefix


@pytest.mark.parametrize(
    ("value", "on"),
    [
        ("1", True),
        ("yes", True),
        ("anything", True),
        *((no, False) for no in ("0", "false", "False", "no", "off")),
    ],
)
def test_debug_switch_takes_any_value(value: str, on: bool) -> None:
    """IN_DEBUG is on with any value but the words for no, and raises the level."""
    found = Settings.read({PREFIX + "IN_DEBUG": value})

    assert (found.in_debug, found.log_level) == ((True, "DEBUG") if on else (False, "INFO"))


@pytest.mark.parametrize("level", ["WARN", "warning", "Warning"])
def test_both_words_for_a_warning(level: str) -> None:
    """Python's word is taken as ours."""
    assert Settings.read({PREFIX + "LOG_LEVEL": level}).log_level == "WARN"


LINKS = {
    "PORT": "tcp://10.96.12.7:8080",
    "OLLAMA_PORT": "udp://[fd00::1]:11434",
    "SERVICE_HOST": "10.96.12.7",
    "SERVICE_PORT": "8080",
    "SERVICE_PORT_HTTP": "8080",
    "PORT_8080_TCP": "tcp://10.96.12.7:8080",
    "PORT_8080_TCP_PROTO": "tcp",
    "PORT_8080_TCP_PORT": "8080",
    "PORT_8080_TCP_ADDR": "10.96.12.7",
    "CANARY_PORT": "tcp://10.96.12.9:8080",
    "CANARY_SERVICE_HOST": "10.96.12.9",
}


def test_service_links_are_ignored() -> None:
    """What Kubernetes sets for a Service of our name, or of one that begins with it, is neither a setting nor a slip."""
    env = {PREFIX + name: value for name, value in LINKS.items()}
    found = Settings.read(env)

    assert (found.port, found.ollama_port) == (8080, None)
    assert unknown_variables(env) == []
    assert service_links(env) == sorted(env)


def test_what_is_no_service_link() -> None:
    """A setting of the operator is read, and a slip of his is told, whatever Kubernetes has set beside it."""
    env = {PREFIX + "PORT": "9000", PREFIX + "SERVICE": "x", PREFIX + "TIMEOUT": "tcp://1.2.3.4:5"}

    assert service_links(env) == []
    assert Settings.read({PREFIX + "PORT": "9000"}).port == 9000
    assert len(unknown_variables(env)) == 1
    with pytest.raises(SettingsError, match="TIMEOUT"):
        Settings.read(env)


def test_default_paths_are_found_beside_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another directory the shipped configuration is used; a file in the current directory comes first."""
    monkeypatch.chdir(tmp_path)
    assert Settings.read({}).models_config.is_absolute()
    assert tmp_path not in Settings.read({}).models_config.parents

    own = tmp_path / "resources" / "configs" / "models-config.json"
    own.parent.mkdir(parents=True)
    own.write_text("{}")

    assert Settings.read({}).models_config == own


def test_a_mistyped_variable_is_noticed() -> None:
    """A variable that means nothing is reported with the nearest one that does."""
    assert unknown_variables({PREFIX + "PROT": "1", "PATH": "x"}) == [
        f"{PREFIX}PROT is not a setting; did you mean {PREFIX}PORT?"
    ]
