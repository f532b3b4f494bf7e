"""Issuing cards in bulk, with a journal that survives crashes: no card twice, none lost.

::

    rows = read_rows("cards.csv")
    check_rows(rows, await client.cards.list_types(), "cards.csv")
    job = BulkIssue(client, journal=SqliteJournal("cards.journal"))
    report = await job.run(rows, job="2026-11-payroll")

Layout: ``plan`` (what may happen to a row, as a table) <- ``store`` and ``journal`` (what is
durable) <- ``lookup`` and ``polling`` (what the server knows) <- ``driver`` (one row) <- ``issuer``
(all rows); ``formats``, ``rows`` and ``checks`` read the input.
"""

from .checks import check_rows
from .faults import InputError, InputFault
from .issuer import BulkIssue
from .journal import SqliteJournal
from .plan import RowState
from .report import Progress, Report, RowResult
from .report_file import ReportFile
from .rows import IssueRow, RowFile, issue_rows, read_rows

__all__ = [
    "BulkIssue",
    "InputError",
    "InputFault",
    "IssueRow",
    "Progress",
    "Report",
    "ReportFile",
    "RowFile",
    "RowResult",
    "RowState",
    "SqliteJournal",
    "check_rows",
    "issue_rows",
    "read_rows",
]
