"""The crash harness: a bulk job whose process is killed again and again; the ledger is the judge.

::

    __main__   how many runs, on how many lanes; prints the table
    runs       one run: a job, the kills it meets, the verdict
    life       one process of a job, from start to kill or to its end
    points     labelled places at which a process kills itself
    bench      the server of a lane: a fresh sandbox over HTTP for each run, and its books
    table      sums over runs

``python -m tests.crash --runs 600``, or ``nox -s crash -- --runs 600``.
"""
