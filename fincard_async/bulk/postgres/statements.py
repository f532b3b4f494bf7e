"""What is asked of the tables of one job, and the one statement that changes its rows."""

from __future__ import annotations

from typing import Final

from fincard_async.bulk.entry import FINAL

from .records import CHANGING, COLUMNS, TYPES, WITH_SEQ

_ARRAYS: Final = ", ".join(f"${n}::{TYPES[name]}[]" for n, name in enumerate(WITH_SEQ, start=7))
WRITE: Final = f"""
    WITH mine AS (
        UPDATE fincard.chunks
        SET lease_until = clock_timestamp() + make_interval(secs => $4)
        WHERE job_id = $1 AND chunk = $2 AND epoch = $3
        RETURNING job_id
    ), wanted AS (
        SELECT * FROM unnest({_ARRAYS}) AS c ({", ".join(WITH_SEQ)})
    ), written AS (
        UPDATE fincard.rows r SET {", ".join(f"{name} = w.{name}" for name in CHANGING)}
        FROM mine, wanted w
        WHERE r.job_id = mine.job_id AND r.seq = w.seq AND r.seq BETWEEN $5 AND $6
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM mine), (SELECT count(*) FROM written)
"""
"""Whoever raises the epoch and this statement change one row, so one of them is first: if it is the
other, this one finds no row of its own, and changes none of the job's."""
HOLDER: Final = "SELECT holder FROM fincard.chunks WHERE job_id = $1 AND chunk = $2"
LET_GO: Final = """
    UPDATE fincard.chunks SET pid = NULL, lease_until = NULL
    WHERE job_id = $1 AND chunk = $2 AND epoch = $3
"""
_NAMES: Final = ", ".join(f"r.{name}" for name in COLUMNS)
_AMONG: Final = "r.job_id = $1 AND r.seq > $2 AND r.seq <= $3"
_FINAL: Final = ", ".join(f"'{state.value}'" for state in sorted(FINAL, key=lambda s: s.value))
READ: Final = f"""
    SELECT {_NAMES} FROM fincard.rows r
    WHERE {_AMONG} AND (cardinality($4::text[]) = 0 OR r.state = ANY($4))
    ORDER BY r.seq LIMIT $5
"""
READ_IN_TURN: Final = f"""
    SELECT {_NAMES} FROM fincard.rows r
    WHERE {_AMONG} AND (cardinality($4::text[]) = 0 OR r.state = ANY($4))
        AND (r.target IS NULL OR NOT EXISTS (
            SELECT FROM fincard.rows e
            WHERE e.job_id = r.job_id AND e.target = r.target AND e.seq < r.seq
                AND e.state NOT IN ({_FINAL})
        ))
    ORDER BY r.seq LIMIT $5
"""
FIND: Final = f"SELECT {_NAMES} FROM fincard.rows r WHERE {_AMONG} AND r.order_no = ANY($4)"
COUNT: Final = f"SELECT r.state, count(*) FROM fincard.rows r WHERE {_AMONG} GROUP BY r.state"
