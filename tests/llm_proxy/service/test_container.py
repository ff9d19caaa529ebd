"""What a container's files say of its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_proxy.service.container import memory_of_container, share_of

MIB = 1 << 20
GROUPS = "proc/self/cgroup"
V1 = "sys/fs/cgroup/memory"
NO_LIMIT_V1 = "9223372036854771712\n"

CASES: dict[str, tuple[dict[str, str], int | None]] = {
    "v2 in a container": ({GROUPS: "0::/\n", "sys/fs/cgroup/memory.max": f"{64 * MIB}\n"}, 64 * MIB),
    "v2, no limit": ({GROUPS: "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, None),
    "v2, a unit of systemd": (
        {
            GROUPS: "0::/system.slice/x.service\n",
            "sys/fs/cgroup/system.slice/x.service/memory.max": "7000000",
        },
        7_000_000,
    ),
    "v2, a slice above is tighter": (
        {
            GROUPS: "0::/a/b\n",
            "sys/fs/cgroup/a/memory.max": "5000000\n",
            "sys/fs/cgroup/a/b/memory.max": "9000000\n",
        },
        5_000_000,
    ),
    "v1": ({GROUPS: "9:memory:/x\n4:cpu:/y\n", f"{V1}/x/memory.limit_in_bytes": "3000000\n"}, 3_000_000),
    "v1, the path is the host's": (
        {GROUPS: "9:cpu,memory:/docker/abc\n", f"{V1}/memory.limit_in_bytes": "3000000\n"},
        3_000_000,
    ),
    "v1, no limit": ({GROUPS: "9:memory:/\n", f"{V1}/memory.limit_in_bytes": NO_LIMIT_V1}, None),
    "both, v1 has the controller": (
        {GROUPS: "9:memory:/\n0::/\n", f"{V1}/memory.limit_in_bytes": "3000000\n"},
        3_000_000,
    ),
    "nothing at all": ({}, None),
    "no list of groups": ({"sys/fs/cgroup/memory.max": "4000000\n"}, 4_000_000),
    "nonsense": ({GROUPS: "\x00:\n::::\n0::/../..\n", "sys/fs/cgroup/memory.max": "many\n"}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_limits(name: str, tmp_path: Path) -> None:
    """The tightest limit counts, whoever has set it; without one it is what the machine has."""
    files, limit = CASES[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert memory_of_container(tmp_path) == (limit or memory_of_container(tmp_path / "nowhere"))


def test_shares() -> None:
    """What is set is divided among the processes; by default it is half of what there is."""
    assert share_of(12 * MIB, 4) == 3 * MIB
    assert share_of(None, 2) == memory_of_container() // 2 // 2
