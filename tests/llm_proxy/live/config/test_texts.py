"""Files that are no strict JSON object: rejected at the very place of the fault."""

from __future__ import annotations

import pytest

from llm_proxy.live.config.loader import MAX_BYTES
from tests.support.config_kit import problem

PLANTED = "sk-planted"
COMMENT = 'comments are not allowed; use a key that begins with "$comment"'

TEXT_PROBLEMS: list[tuple[bytes, str, int, int]] = [
    (b"", "is empty", 1, 1),
    (b" \n", "is empty", 1, 1),
    (b"\xef\xbb\xbf{}", "byte order mark", 1, 1),
    (b'{"ollama": {\n"m\xff": {}}}', "not valid UTF-8", 2, 3),
    (b'{"ollama": {"m": {}}}\n\0\0', "a NUL byte is not text", 2, 1),
    (b"[]", "must be an object, not an array", 1, 1),
    (b'{"ollama": {"m": {}},}', 'no "," may stand before "}"', 1, 21),
    (b"{'ollama': {}}", "a key in double quotes", 1, 2),
    (b'{"ollama": {"m": {}}} x', "nothing may follow", 1, 23),
    (b'{"ollama": {"m": {}}} // x', COMMENT, 1, 23),
    (b'# sk-planted\n{"ollama": {"m": {}}}', COMMENT, 1, 1),
    (b'{"ollama": { // x\n"m": {}}}', COMMENT, 1, 14),
    (b'{"ollama": {"m": {}, /* x */ "n": {}}}', COMMENT, 1, 22),
    (b'{"ollama": {"m": {}\n# x\n}}', COMMENT, 2, 1),
    (b'{"ollama": {"m" /* x */: {}}}', COMMENT, 1, 17),
    (b'{"ollama": {"m": {"options": {"stop": ["a", #\n"b"]}}}}', COMMENT, 1, 45),
    (b'{"ollama": {"m": {"weight": 1// x\n}}}', COMMENT, 1, 30),
    (b'{"ollama": {"m": {"model": "\\#"}}}', "escape", 1, 29),
    (b'{"ollama": {"m": {"weight": NaN}}}', "NaN and Infinity", 1, 29),
    (b'{"ollama": {"m": {"weight": 1e999}}}', "too large", 1, 29),
    (b'{"ollama": {"m": {"model": "\\ud800"}}}', "surrogate", 1, 28),
    (b'{"ollama": {"m": {}, "m": {}}}', 'duplicate key "m"', 1, 22),
    (b'{"ollama": {"m": {"options":' + b"[" * 200 + b"]" * 200 + b"}}}", "nested deeper", 1, 154),
    (b'{"ollama": {"m": {"model": "sk-planted', "a string is not closed", 1, 28),
    (b'{"ollama": {"m": {"sk-planted"}}}', '":" is expected after a key', 1, 31),
    (b'{"ollama": {"m": {"api_token": sk-planted}}}', "double quotes", 1, 32),
    (b" " * (MAX_BYTES + 1), "larger than", 1, 1),
]


@pytest.mark.parametrize(("data", "message", "line", "column"), TEXT_PROBLEMS, ids=range(len(TEXT_PROBLEMS)))
def test_each_broken_text_is_one_problem_with_its_place(
    data: bytes, message: str, line: int, column: int
) -> None:
    """A file that is no strict JSON object is rejected at the very place of the fault."""
    found = problem(data)

    assert message in found.message
    assert (found.line, found.column) == (line, column)
    assert PLANTED not in str(found)
