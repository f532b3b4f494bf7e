"""``python -m tests.crash --runs N``: kill a bulk job N times over, and ask the ledger.

Runs are spread over two lanes, each a process with a server of its own. A run is repeated by
``--seed`` and ``--only``. Exit code 0 only if no run went wrong and enough of them were killed.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import sys
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Pipe, wait
from typing import Any, TypeAlias

from .bench import Bench
from .runs import Outcome, run
from .sabotage import BUGS
from .table import Table

End: TypeAlias = Any
"""Of a pipe between processes; its class has another name on Windows."""


def main(argv: Sequence[str]) -> int:
    """Run, print the table, and judge."""
    options = _options(argv)
    indices = range(options.runs) if options.only is None else [options.only]
    began = time.monotonic()
    table = Table(_play(indices, options))
    seconds = time.monotonic() - began
    for line in table.lines():
        print(line)
    print(f"seed {options.seed}, {len(table.outcomes)} runs in {seconds:.1f} s")
    if table.bad or len(table.outcomes) < len(indices):
        return 1
    if options.only is None and 3 * table.kills.total() < 2 * len(indices):
        print("too few kills for the runs: the harness is broken")
        return 1
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=120, metavar="N")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    parser.add_argument("--lanes", type=int, default=2, metavar="N")
    parser.add_argument("--only", type=int, metavar="INDEX", help="repeat one run of a seed")
    parser.add_argument("--bug", choices=BUGS, help="plant a bug, which must be found")
    return parser.parse_args(argv)


def _play(indices: Sequence[int], options: argparse.Namespace) -> list[Outcome]:
    """Play all runs; each lane is forked from this process, which has imported everything."""
    children: list[int] = []
    ends: list[End] = []
    gc.freeze()
    for lane in range(options.lanes):
        ours, theirs = Pipe(duplex=False)
        pid = os.fork()
        if pid == 0:
            ours.close()
            _lane(theirs, indices[lane :: options.lanes], options.seed, options.bug)
        theirs.close()
        children.append(pid)
        ends.append(ours)
    outcomes = _gather(ends)
    for pid in children:
        os.waitpid(pid, 0)
    return sorted(outcomes, key=lambda outcome: outcome.index)


def _lane(end: End, indices: Sequence[int], seed: int, bug: str | None) -> None:
    try:
        with Bench() as bench:
            for index in indices:
                end.send_bytes(pickle.dumps(run(bench, index, seed, bug)))
    except BaseException:  # noqa: BLE001 - told to whoever reads the output of the harness
        traceback.print_exc()  # the process ends below, whatever is on its way
    finally:
        sys.stderr.flush()
        os._exit(0)


def _gather(ends: list[End]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    open_ends = list(ends)
    while open_ends:
        ready = set(wait(open_ends))
        for end in [end for end in open_ends if end in ready]:
            try:
                outcomes.append(pickle.loads(end.recv_bytes()))
            except EOFError:
                open_ends.remove(end)
    return outcomes


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
