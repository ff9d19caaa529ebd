"""What a key costs a request, alone: microseconds of CPU in this process, without sockets or a loop; and what a month's bill takes.

``python -m benchmarks.access [ROWS]`` fills a ledger with so many rows (10,000,000) and asks for 30 days.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from time import thread_time_ns

from benchmarks.loads import Bench
from benchmarks.table import GATEWAY, Row
from llm_proxy.live.access import ledger_tables as tables
from llm_proxy.live.access.accounting import Accounting, Told
from llm_proxy.live.access.cost import tokens_in, tokens_of
from llm_proxy.live.access.identity import identify, presented
from llm_proxy.live.access.ledger import NAME, Ledger
from llm_proxy.live.access.limit_headers import openai_headers
from llm_proxy.live.access.meter import Meter
from llm_proxy.live.access.secrets import digest_of, new_key
from llm_proxy.live.access.values import Access, Budget, Limit, Price, Team, Terms, written
from llm_proxy.wire.calls import Deployment

_REQUESTS = 2000
_USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
_BODY = b"x" * 500


def access(bench: Bench) -> list[Row]:
    """A key, three limits and two budgets: from the headers to the settlement."""
    row = Row("access.request", "a request's key, three limits and two budgets", "us")
    count = bench.times(_REQUESTS)
    for _ in range(bench.runs):
        row.add(GATEWAY, _account(count) / count / 1000)
    return [row]


def _account(count: int) -> int:
    """Nanoseconds of CPU for so many requests."""
    key = new_key()
    limits = Limit("rpm", 10**9, 10**9), Limit("concurrent", 100, 100)
    team = Team(limits=(Limit("tpm", 10**9, 10**9),), budgets=("all",))
    budgets = {
        "mine": Budget("mine", 10**15, "month", zone="Europe/Warsaw", warn=(0.8,)),
        "all": Budget("all", 10**15, "30d", rolling=30 * 86_400),
    }
    terms = Terms(team="t", limits_text=written(limits), budgets=("mine",))
    found = Access({digest_of(key): ("k", terms)}, {"t": team}, {}, budgets, {"m": Price(2.5, 10)})
    row = Deployment("p", "m", "openai", "http://127.0.0.1", "m")
    books = Accounting(Meter(), Ledger())
    headers = {"authorization": f"Bearer {key}", "host": "x", "content-type": "application/json"}

    def one() -> None:
        grant = identify(found, presented(headers), time.time())
        plan = books.plan(found, grant, row)
        charge = books.begin_here(plan, books.wanted(plan, tokens_of(_BODY), 100, blind=False))
        openai_headers(charge.taken.standing)
        books.note(charge, row, tokens_in(_USAGE), 0, sent=True)
        books.close(charge, lambda: Told("x", "m"))

    one()
    began = thread_time_ns()
    for _ in range(count):
        one()
    return thread_time_ns() - began


_FILL = """
INSERT INTO usage (id, time, "key", team, model, provider, face, stream, status, input, output, cached, estimated, micro_usd)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :rows)
SELECT 'request-' || i, :now - i * :step, 'key-' || (i % 200), 'team-' || (i % 20), 'model-' || (i % 5), 'provider', 'openai', 1, 200,
       900, 300, 0, 0, 5000 FROM n
"""
_SUMS = """
INSERT INTO {table} SELECT CAST(time AS INTEGER) / :width * :width, "key", team, model, provider, face, count(*), sum(input), sum(output),
sum(cached), sum(micro_usd), sum(estimated), 0 FROM usage GROUP BY 1, 2, 3, 4, 5, 6
"""


def bill(rows: int) -> None:
    """Fill a ledger of 60 days, and ask for 30."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / NAME
        base = sqlite3.connect(path, isolation_level=None)
        base.execute("PRAGMA synchronous=OFF")
        tables.create(base)
        now = time.time()
        base.execute(_FILL, {"rows": rows, "now": now, "step": 60 * 86_400 / rows})
        for table, width in (("hours", tables.HOUR), ("days", tables.DAY)):
            base.execute(_SUMS.format(table=table), {"width": width})
        base.close()
        base = sqlite3.connect(path)
        began = time.perf_counter()
        found = tables.usage(base, now - 30 * 86_400, ["key", "model"])
        took = time.perf_counter() - began
        size = path.stat().st_size
        print(
            f"{rows:,} rows, {size / rows:.0f} bytes each; 30 days by key and model: {len(found)} rows in {took:.3f} s"
        )
        base.close()


if __name__ == "__main__":
    bill(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
