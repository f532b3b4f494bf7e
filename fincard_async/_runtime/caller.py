"""What the generated stubs call: the pipeline, in the three forms that answers have.

A mutation that ended as unknown or as a duplicate is looked up here, above the pipeline and inside
the same deadline, so that the pipeline itself stays one straight line.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from fincard_async._generated.operations import load
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.options import CallOptions
from fincard_async.errors import DuplicateOrder, OutcomeUnknown

from .pipeline import Pipeline, merge

if TYPE_CHECKING:
    from fincard_async._sansio.paging import Paginator

    from .settlement import Settler

I = TypeVar("I", bound=Model)  # noqa: E741 - input
O = TypeVar("O")  # noqa: E741 - output


class PipelineCaller:
    """A ``Caller`` over one pipeline."""

    __slots__ = ("_pipeline", "_settler")

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._settler: Settler | None = None

    # A read is the pipeline's own coroutine: one more around it would only cost.

    def call(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> Coroutine[Any, Any, O]:
        """One object."""
        if operation.mutates:
            return self._told(operation, request, options)
        return cast("Coroutine[Any, Any, O]", self._pipeline.run(operation, request, options))

    def call_list(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> Coroutine[Any, Any, list[O]]:
        """A list."""
        run = self._pipeline.run(operation, request, options)
        return cast("Coroutine[Any, Any, list[O]]", run)

    async def _told(self, operation: Operation[I, O], request: I, options: CallOptions | None) -> O:
        with self._pipeline.mutations.of(getattr(request, "card_no", None), operation.kind):
            return await self._mutate(operation, request, options)

    async def _mutate(
        self, operation: Operation[I, O], request: I, options: CallOptions | None
    ) -> O:
        settler = self._ready(operation)
        started = self._pipeline.clock.monotonic()
        try:
            return cast(O, await self._pipeline.run(operation, request, options))
        except (OutcomeUnknown, DuplicateOrder) as error:
            settings = merge(self._pipeline.settings, options)
            if operation.settled_by is None or not settings.retry.settle:
                raise
            end = started + settings.timeout - self._pipeline.clock.monotonic()
            deadline = self._pipeline.clock.monotonic() + self._pipeline.scopes.seconds_for(end)
            result = await settler.settle_call(operation, request, error, deadline)
            return cast(O, result)

    def _ready(self, operation: Operation[I, O]) -> Settler:
        """What settling needs, imported before anything is sent.

        A process that runs out of files can import nothing, and an import that fails afterwards
        would hide that the outcome is unknown.
        """
        if self._settler is None:
            from .settlement import Settler

            self._settler = Settler(self._pipeline)
        if operation.settled_by is not None:
            load(operation.settled_by)
        return self._settler

    def paginate(
        self, operation: Operation[I, O], request: I, options: CallOptions | None, prefetch: int
    ) -> Paginator[O]:
        """The rows of a paged query; nothing is sent yet."""
        from .paginator import PageReader  # most programs page through nothing
        from .query import Query

        return PageReader(Query(self._pipeline, operation, request, options), prefetch=prefetch)
