"""Links in the prompt directory: followed below it, never out of it unless that is wished, and never to what the
configuration names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_proxy.live.prompts.fence import LINK_OUT, Fence, identities
from tests.support.prompt_tree import load, problems, texts, write

SECRET = "sk-planted-behind-a-link"
NAMED = "is a file that the configuration names, and so is never a prompt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "far", {"models-config.json": SECRET, "pl/b.prompt": SECRET})
    return write(tmp_path / "prompts", {"en/own.prompt": "own", "en/more/c.prompt": "C"})


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("en/x.prompt", "../../far/models-config.json"),
        ("en/x.prompt", "{far}/models-config.json"),
        ("en/x.prompt", "../hop/models-config.json"),
        ("en/x.prompt", "/etc/hostname"),
        ("en/x.prompt", "/proc/self/environ"),
        ("en/x.prompt", "/dev/zero"),
        ("en/x.prompt", "{far}/nowhere"),
        ("en/x.prompt", "../.data"),
        ("pl", "../far/pl"),
        ("en/x", "/"),
        ("en/x", "../.."),
        ("en/x", "../hop/pl"),
    ],
)
def test_links_that_lead_out(root: Path, name: str, target: str) -> None:
    """Whatever they lead to, around however many corners, is no prompt, and is not looked into; the link is listed,
    without a word of its target. With the wish they are followed."""
    (root / ".data").symlink_to("../far/models-config.json")
    (root / "hop").symlink_to("../far")
    (root / name).symlink_to(target.format(far=root.parent / "far"))

    library = load(root)

    assert texts(library) == {"en/own": "own", "en/more/c": "C"}
    assert problems(library) == {name: LINK_OUT, "hop": LINK_OUT}
    assert SECRET not in repr(library)
    assert "far" not in repr(library.problems)


def test_links_below(root: Path) -> None:
    """Kubernetes' links, links between languages, and a prompt directory that is a link itself stay below."""
    write(root, {"..1/v.prompt": "V"})
    (root / "..data").symlink_to("..1")
    (root / "en/v.prompt").symlink_to("../..data/v.prompt")
    (root / "de").symlink_to("..data")
    (root / "pl").symlink_to("en")
    (root / "fr").symlink_to(root / "en")
    link = root.parent / "link"
    link.symlink_to("prompts")

    for directory in (root, link):
        library = load(directory)
        assert not library.problems
        assert {"en/v", "de/v", "pl/v", "fr/more/c"} <= texts(library).keys()


@pytest.mark.parametrize("how", ["link", "hard link", "itself", "behind a directory"])
@pytest.mark.parametrize("follow", [True, False])
def test_a_named_file_is_never_a_prompt(root: Path, how: str, follow: bool) -> None:
    """By device and inode, whatever leads there; and what was read of it before it was named is forgotten."""
    target = root / "en/x.prompt" if how == "itself" else root / "en/.key"
    target.write_text(SECRET)
    name = "pl/.key.prompt" if how == "behind a directory" else "en/x.prompt"
    if how == "link":
        (root / "en/x.prompt").symlink_to(".key")
    elif how == "hard link":
        os.link(target, root / "en/x.prompt")
    elif how == "behind a directory":
        (root / "pl").symlink_to("en")
        name = "pl/x.prompt"
        os.link(target, root / "en/x.prompt")
    before = load(root, fence=Fence(follow))
    library = load(root, before, Fence(follow, identities([target])))

    assert SECRET in texts(before).values()
    assert SECRET not in texts(library).values()
    assert problems(library)[name] == NAMED
    assert not any(version.text == SECRET for held in library.versions.values() for version in held)
    assert texts(library)["en/own"] == "own"


def test_a_link_that_is_turned_meanwhile(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was opened is judged, not what the link said a moment before."""
    monkeypatch.setattr(Fence, "leads_out", lambda *arguments: False)
    (root / "en/x.prompt").symlink_to("../../far/models-config.json")
    (root / "pl").symlink_to("../far/pl")

    library = load(root)

    assert texts(library) == {"en/own": "own", "en/more/c": "C"}
    assert problems(library) == {"en/x.prompt": LINK_OUT, "pl/b.prompt": LINK_OUT}


def test_without_proc(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not say what is open, the path is asked again."""
    monkeypatch.setattr("llm_proxy.live.prompts.fence._DESCRIPTORS", b"/nowhere/")
    (root / "en/x.prompt").symlink_to("../../far/models-config.json")

    assert texts(load(root)) == {"en/own": "own", "en/more/c": "C"}


def test_files_that_cannot_be_told_apart() -> None:
    """A path that names nothing, or nothing that a system takes, names no file."""
    assert identities(["/nowhere/at/all", "/with\0nul"]) == frozenset()
