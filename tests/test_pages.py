"""Each page is written as the tests can take it: every shell block is run, or says why it cannot be; so is each sample."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from llm_proxy.live.access.loader import load_access
from llm_proxy.live.config.loader import load_config
from llm_proxy.live.state.registry import Sources, api_types
from providers.discovery import discover
from scripts.site.pages import OUTSIDE, Fence, fences
from tests.support.page_shell import ROOT, Shipped

pytestmark = pytest.mark.one_python("pages and their samples are the same for every Python")

#: test_readme.py runs those of the README, which begin with starting the product.
PAGES = [
    *(page for page in OUTSIDE if page != "README.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]
FENCES: dict[str, list[Fence]] = {
    page: list(fences((ROOT / page).read_text("utf-8"))) for page in ["README.md", *PAGES]
}
NOT_RUN = "not run: "
#: What may follow the language.
_WORDS = re.compile(
    rf"bash( {NOT_RUN}\S.*)?|json (config|access|output|payload /\S*)|(?!bash|json|sh$|shell|console)[a-z]+"
)


def runs(page: str) -> list[str]:
    """The commands of ``page`` that are run."""
    return [fence.body for fence in FENCES[page] if fence.language == "bash" and not fence.words]


def samples(word: str) -> list[tuple[str, int, str]]:
    """The JSON of all pages that is marked so."""
    return [
        (page, fence.line, fence.body)
        for page, found in FENCES.items()
        for fence in found
        if fence.language == "json" and fence.words == word
    ]


@pytest.mark.parametrize("page", FENCES)
def test_every_block_says_what_it_is(page: str) -> None:
    """A block has a language; shell commands are ``bash``, and those that are not run say why; JSON says what it is a sample of."""
    odd = [
        f"{page}:{fence.line}: ```{fence.language} {fence.words}"
        for fence in FENCES[page]
        if not _WORDS.fullmatch(f"{fence.language} {fence.words}".strip())
        or re.search(r"(?m)^\$ ", fence.body)
    ]

    assert odd == []


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    """The product, started once for all pages."""
    with Shipped(tmp_path_factory.mktemp("shipped")) as product:
        yield product


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed on this machine")
@pytest.mark.parametrize("page", [page for page in PAGES if runs(page)])
def test_commands(page: str, tmp_path: Path, shipped: Shipped) -> None:
    """The commands of a page, run in order against the product as shipped, succeed, and those that ask it are answered."""
    run = shipped.shell(tmp_path)
    for command in runs(page):
        assert run(command) or "curl" not in command, command


@pytest.mark.parametrize(("page", "line", "text"), samples("config"))
def test_configurations(page: str, line: int, text: str) -> None:
    """Each sample of a configuration is accepted. The only warning is that of a name that a pattern alone serves."""
    config = load_config(
        text.encode(),
        source=page,
        api_types=api_types(Sources(Path("x"), Path("y"), discover(), {})),
        env=dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "key"),
        read_file=lambda path: b"secret",
        max_total=300,
    )

    assert config.deployments
    assert [warning for warning in config.warnings if "only a pattern serves" not in warning.message] == []


@pytest.mark.parametrize(("page", "line", "text"), samples("access"))
def test_keys(page: str, line: int, text: str) -> None:
    """Each sample of an access.json is accepted once its hashes are whole."""
    number = count()
    load_access(re.sub(r"sha256:\.\.\.", lambda _: f"sha256:{next(number):064}", text).encode(), page)


@pytest.mark.parametrize(("page", "line", "text"), samples("output"))
def test_outputs(page: str, line: int, text: str) -> None:
    """What is shown as an answer is JSON."""
    json.loads(text)
