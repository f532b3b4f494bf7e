"""Queries as files: complete, exact, resumable, and never half a file under the final name.

::

    report = await export_to_file(
        client.transactions.operations(), "operations.parquet", since=begin, until=end
    )

Layout: ``columns`` (what a row is in a file) <- ``spool`` (rows and checkpoint on disk) <- ``save``
(from the query to the file); ``formats`` has the writers of text, ``excel`` and ``parquet`` one
each, imported when they are asked for.
"""

from .columns import Column, columns_of, row_of
from .formats import FORMATS
from .save import FileReport, export_to_file

__all__ = ["FORMATS", "Column", "FileReport", "columns_of", "export_to_file", "row_of"]
