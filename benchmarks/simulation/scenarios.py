"""What happens to the servers, and who chooses among them."""

from __future__ import annotations

from benchmarks.simulation.choosers import Chooser, Ours, Simple
from benchmarks.simulation.load import requests_each
from benchmarks.simulation.run import Course, Result
from benchmarks.simulation.servers import Fault, Server
from llm_proxy.wire.policies import ModelPolicy

#: Requests a second that a server of speed 1 answers when it has enough to do, and how much of that is asked of it.
CAPACITY, USE = 3.0, 0.6

SCENARIOS = {
    "even": "all alike",
    "uneven": "a quarter of the servers three times as slow as the others",
    "slows": "an eighth of them five times as slow, in the middle third of the time",
    "fails": "an eighth of them answers 500 at once, in the middle third",
    "half fail": "half of them answer 500 at once, for two minutes: the others cannot do all the work",
    "flaps": "an eighth of them refuses connections for ten seconds of each twenty",
    "hangs": "an eighth of them answers nothing, in the middle third",
    "limits": "a quarter of them answers 429 above forty requests a minute, and says how long to wait",
}
POLICIES = ("round robin", "random", "least connections", "weighted", "balanced, no affinity", "balanced")


def chooser(name: str, count: int, seed: int) -> Chooser:
    """By its name in ``POLICIES``."""
    match name:
        case "weighted":
            return Ours(name, count, seed, ModelPolicy(policy="weighted", affinity="off"))
        case "balanced, no affinity":
            return Ours(name, count, seed, ModelPolicy(affinity="off"))
        case "balanced":
            return Ours(name, count, seed, ModelPolicy())
    return Simple(name, count, seed)


def servers(scenario: str, count: int, seconds: float) -> list[Server]:
    """They live for about ``seconds``."""
    middle = seconds / 3, 2 * seconds / 3
    few, more = max(1, count // 8), max(1, count // 4)
    made = [Server(number) for number in range(count)]
    for server in made[:few]:
        match scenario:
            case "slows":
                server.faults = (Fault("slow", *middle, much=5.0),)
            case "fails":
                server.faults = (Fault("fail", *middle),)
            case "hangs":
                server.faults = (Fault("hang", *middle),)
            case "flaps":
                server.faults = (Fault("gone", 0.0, seconds, every=10.0),)
    for server in made[: 2 * more] if scenario == "half fail" else ():
        server.faults = (Fault("fail", middle[0], middle[0] + 120.0),)
    for server in made[:more]:
        if scenario == "uneven":
            server.speed = 1 / 3
        elif scenario == "limits":
            server.faults = (Fault("limit", 0.0, seconds * 2, much=40.0),)
    return made


def simulate(scenario: str, name: str, count: int, requests: int, seed: int, use: float = USE) -> Result:
    """One run of ``requests`` at ``count`` servers."""
    rate = CAPACITY * use * count
    made = servers(scenario, count, requests / rate)
    return Course(chooser(name, count, seed), made, requests, rate / requests_each(), seed).run()
