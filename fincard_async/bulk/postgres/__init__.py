"""Jobs in PostgreSQL, for several machines; needs the extra ``postgres``.

Layout: ``connect`` (the one that imports asyncpg) <- ``schema`` (tables) <- ``lease`` (who works at
which rows) and ``records`` (a row there and back) <- ``planning`` (B1), ``session`` (B2 to B4) and
``statements`` <- ``journal``; ``rate`` is shared by all machines.
"""

from .connect import Place
from .journal import PostgresJournal
from .rate import SharedRate

__all__ = ["Place", "PostgresJournal", "SharedRate"]
