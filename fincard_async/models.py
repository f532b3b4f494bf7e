"""Results, enumerations and nested arguments of every endpoint; compiled from the schema.

Amounts are exact ``Decimal``, times are epoch milliseconds, enumerations stay open: a value that
the schema does not list keeps its text.
"""

from ._generated.public_models import *  # noqa: F403 - generated, with its own __all__
from ._generated.public_models import __all__ as __all__  # noqa: PLC0414 - re-exported on purpose
