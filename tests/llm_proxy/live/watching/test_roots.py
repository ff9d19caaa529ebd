"""Which directories a plan names, and when two plans differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_proxy.live.state.reading import Part
from llm_proxy.live.watching.roots import Plan, Root, identity, make_plan, trace
from tests.support.world import put

CONFIG: frozenset[Part] = frozenset({"config"})
PROMPTS: frozenset[Part] = frozenset({"prompts"})
BOTH = CONFIG | PROMPTS


@pytest.fixture
def base(tmp_path: Path) -> Path:
    put(tmp_path / "conf" / "c.json", "{}")
    put(tmp_path / "prompts" / "en" / "a.prompt", "one")
    return tmp_path.resolve()


def plan(
    base: Path, *secrets: Path, config: Path | None = None, tree: Path | None = None, follow: bool = False
) -> Plan:
    files = (config or base / "conf" / "c.json", *secrets)
    return make_plan([str(path) for path in files], str(tree or base / "prompts"), follow=follow)


def named(found: Plan, base: Path) -> dict[str, Root]:
    """The roots, relative to ``base``."""
    return {os.path.relpath(path, base): root for path, root in found.roots.items()}


def test_the_usual_case(base: Path) -> None:
    """The directory of the file, the tree, and the directory above both for names that come and go."""
    assert named(plan(base), base) == {
        "conf": Root(parts=CONFIG),
        ".": Root(),
        "prompts": Root(recursive=True, parts=PROMPTS),
    }


def test_beside_each_other(base: Path) -> None:
    """A configuration beside the tree: its directory is watched for content, and for the tree's coming and going."""
    put(base / "c.json", "{}")

    assert named(plan(base, config=base / "c.json"), base) == {
        ".": Root(parts=CONFIG),
        "..": Root(),
        "prompts": Root(recursive=True, parts=PROMPTS),
    }


def test_inside_the_tree(base: Path) -> None:
    """A directory in a watched tree is not watched twice: the kernel keeps one mask for each."""
    put(base / "prompts" / "en" / "c.json", "{}")

    assert named(plan(base, config=base / "prompts" / "en" / "c.json"), base) == {
        ".": Root(),
        "prompts": Root(recursive=True, parts=BOTH),
    }


def test_secrets(base: Path) -> None:
    """They are files like the configuration, wherever they lie; the first of many links into a directory says it all."""
    put(base / "run" / "secrets" / "..1" / "key", "k")
    (base / "run" / "secrets" / "..data").symlink_to("..1")
    (base / "run" / "secrets" / "key").symlink_to("..data/key")
    found = named(plan(base, base / "run" / "secrets" / "key"), base)

    assert found["run/secrets/..1"] == Root(parts=CONFIG)
    assert "run/secrets" in found


def test_what_is_missing(base: Path) -> None:
    """The last directory that exists is watched for the first that is missing."""
    found = named(plan(base, config=base / "x" / "y" / "c.json", tree=base / "prompts" / "en" / "z"), base)

    assert found == {".": Root(parts=CONFIG), "prompts/en": Root(parts=PROMPTS)}


def test_links_out_of_the_tree(base: Path) -> None:
    """What they lead to is watched there, if anybody reads that: a directory as a tree, a file by its directory."""
    put(base / "far" / "pl" / "b.prompt", "b")
    put(base / "single" / "text", "c")
    (base / "prompts" / "pl").symlink_to("../far/pl")
    for name in ("c", "d"):
        (base / "prompts" / "en" / f"{name}.prompt").symlink_to("../../single/text")
    found = named(plan(base, follow=True), base)

    assert found["far/pl"] == Root(recursive=True, parts=PROMPTS)
    assert found["single"] == Root(parts=PROMPTS)
    assert "far" in found
    assert not {"far", "far/pl", "single"} & named(plan(base), base).keys()


@pytest.mark.parametrize("target", ["/", "..", ".", "../prompts", "en"])
def test_links_to_above(base: Path, target: str) -> None:
    """A link to a directory above does not make the whole machine a tree to watch."""
    (base / "prompts" / "loop").symlink_to(target)
    trees = [path for path, root in named(plan(base, follow=True), base).items() if root.recursive]

    assert trees == ["prompts"]


def test_a_link_to_itself(base: Path) -> None:
    """It leads nowhere, and its directory is watched for something better."""
    (base / "conf" / "c.json").unlink()
    (base / "conf" / "c.json").symlink_to("c.json")

    assert trace(str(base / "conf" / "c.json")).missing
    assert named(plan(base), base)["conf"] == Root(parts=CONFIG)


def test_a_tree_that_is_too_large(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not watched below its top, and the plan says that something is left out."""
    monkeypatch.setattr("llm_proxy.live.watching.roots.MAX_ENTRIES", 2)
    for number in range(5):
        put(base / "prompts" / f"l{number}" / "a.prompt", "x")
    found = plan(base)

    assert found.cut
    assert not named(found, base)["prompts"].recursive


def test_dots_and_links_in_the_middle(base: Path) -> None:
    """Each link on the way has its directory watched; ``..`` means the parent of what the link leads to."""
    put(base / "v1" / "deep" / "c.json", "{}")
    (base / "current").symlink_to("v1")
    (base / "conf" / "in").symlink_to("../current/deep/../deep")
    found = trace(f"{base}/conf/./in//c.json")

    assert found.real == f"{base}/v1/deep/c.json"
    assert found.holders == {f"{base}/conf", str(base)}
    assert not found.missing


def test_equal_plans(base: Path) -> None:
    """Content makes no new plan; a link that is turned does, even to another file in the same directory."""
    put(base / "store" / "1", "{}")
    put(base / "store" / "2", "{}")
    link = base / "conf" / "link.json"
    link.symlink_to(base / "store" / "1")
    before = plan(base, config=link)
    put(base / "store" / "1", "[]")
    same = plan(base, config=link)
    link.unlink()
    link.symlink_to(base / "store" / "2")
    turned = plan(base, config=link)

    assert before == same
    assert before.roots == turned.roots
    assert before != turned


def test_another_directory_of_the_same_name(base: Path) -> None:
    """It has another identity."""
    before = plan(base)
    os.rename(base / "conf", base / "old")
    put(base / "conf" / "c.json", "{}")

    assert plan(base).identities != before.identities
    assert identity(str(base / "nowhere")) is None


def test_a_link_to_nowhere(base: Path) -> None:
    """It is left to whoever reads the prompts."""
    (base / "prompts" / "pl").symlink_to("nowhere")

    assert [path for path, root in named(plan(base), base).items() if root.recursive] == ["prompts"]
