"""The table of commands: the screen of ``llm-proxy`` alone, and what is said of a command that is none."""

from __future__ import annotations

import pytest

from llm_proxy import __main__ as program
from llm_proxy.__main__ import COMMANDS


def test_alone_it_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command with its words, within 80 columns, and exit status 0."""
    assert program.main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {command.name} " in out for command in COMMANDS)
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` tells the flags of each."""
    with pytest.raises(SystemExit) as end:
        program.main([command, "--help"])
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: llm-proxy {command} ")


def test_a_command_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    """What is near is named, and the exit status is 2."""
    assert program.main(["chek", "--against", "x"]) == 2
    assert 'did you mean "check"?' in capsys.readouterr().err
