"""Jobs in PostgreSQL, for several machines; needs the extra ``postgres``.

Layout: ``connect`` (the one that imports asyncpg) <- ``schema`` (tables) <- ``lease`` (who works at
which rows) and ``records`` (a row there and back) <- ``planning`` (B1), ``session`` (B2 to B4) and
``statements`` <- ``journal`` (who holds rows) and ``jobs`` (who only looks); ``rate`` is shared by
all machines.
"""

from .connect import Place
from .jobs import JobState, PostgresJobs
from .journal import PostgresJournal
from .planning import Planned
from .rate import SharedRate

__all__ = ["JobState", "Place", "Planned", "PostgresJobs", "PostgresJournal", "SharedRate"]
