"""Card operations in bulk, with a journal that survives crashes: none twice, none lost.

::

    rows = read_rows("cards.csv")
    job = BulkIssue(
        client,
        journal=SqliteJournal("cards.journal"),
        card_types=await client.cards.list_types(),
    )
    report = await job.run(rows, job="2026-11-payroll")

Layout: ``entry`` (a row) <- ``plan`` and ``windows`` (what may happen to it, as a table; what may
be concluded from time) <- ``ports`` (what a journal must do) <- ``store`` and ``journal`` (SQLite)
<- ``lookup`` and ``polling`` (what the server knows) <- ``driver`` (one row) <- ``engine`` (all
rows) <- ``issuer`` (a job); ``formats``, ``rows``, ``records``, ``checks``, ``guards`` and
``planning`` lead from the input to the journal.
"""

from .audit import Audit, Difference, Found, audit
from .breaker import BreakerLimits
from .checks import check_rows
from .decisions import Decision, resolve
from .engine import EngineSettings, run_rows
from .entry import Entry, Header, Reason, RowState
from .faults import InputError, InputFault
from .funds import wallet_funds
from .guards import Estimate, GuardTripped
from .issuer import BulkIssue, BulkOperation
from .journal import SqliteJournal
from .operation_rows import operation_rows
from .planning import RowPlan
from .ports import Journal, Plan
from .records import OperationRow
from .report import Progress, Report, Results, RowResult, Timings
from .report_file import ReportFile
from .results import read_results
from .rows import IssueRow, RowFile, issue_rows, read_rows
from .stopping import Stop
from .windows import Windows

__all__ = [
    "Audit",
    "BreakerLimits",
    "BulkIssue",
    "BulkOperation",
    "Decision",
    "Difference",
    "EngineSettings",
    "Entry",
    "Estimate",
    "Found",
    "GuardTripped",
    "Header",
    "InputError",
    "InputFault",
    "IssueRow",
    "Journal",
    "OperationRow",
    "Plan",
    "Progress",
    "Reason",
    "Report",
    "ReportFile",
    "Results",
    "RowFile",
    "RowPlan",
    "RowResult",
    "RowState",
    "SqliteJournal",
    "Stop",
    "Timings",
    "Windows",
    "audit",
    "check_rows",
    "issue_rows",
    "operation_rows",
    "read_results",
    "read_rows",
    "resolve",
    "run_rows",
    "wallet_funds",
]
