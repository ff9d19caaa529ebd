"""The process in which the local model runs. It is started by its path, imports nothing of ours, and ends with its parent.

It prints ``READY <address>`` and serves until its standard input closes, which it does in whatever way the parent ends; on
Linux the kernel kills it as well (prctl(2), PR_SET_PDEATHSIG).
"""

import argparse
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
#: Tokens that it can hold, shared by two conversations at a time; megabytes for earlier ones (by itself it takes up to 8 GB).
_CONTEXT, _SLOTS, _CACHE = 4096, 2, 64


def die_with(parent: int) -> None:
    """Be killed when ``parent`` ends; at once, if it has ended already."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--alias", required=True)
    parser.add_argument("--packages", required=True)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args()
    die_with(given.parent)
    sys.path.insert(0, given.packages)

    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.model_alias = {given.alias}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = _CONTEXT, _SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = given.threads
    params.n_threads_http = 4
    params.kv_unified, params.cache_ram_mib, params.ui = True, _CACHE, False
    params.use_jinja = True
    params.verbosity = 0
    running = xllamacpp.Server(params)
    print("READY", running.listening_address, flush=True)
    # Nobody reads what it prints from now on: a full pipe would block it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.stdin.buffer.read()  # the server's own threads do the work
    os._exit(0)


if __name__ == "__main__":
    main()
