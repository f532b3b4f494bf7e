"""The generated package as the client uses it: stubs, operations, commands and handlers agree."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from fincard_async._generated import handlers
from fincard_async._generated.commands import COMMANDS
from fincard_async._generated.operations import OPERATION_NAMES, load
from fincard_async._generated.resources.accounts import Accounts
from fincard_async._generated.resources.cards import Cards
from fincard_async._generated.resources.transactions import Transactions
from fincard_async._generated.resources_index import RESOURCES, Resources
from fincard_async._sansio.commands import Command
from fincard_async._sansio.model import Model
from fincard_async._sansio.operation import Operation
from fincard_async._sansio.secret import Secret
from fincard_async.errors import ArgumentTypeError

CLASSES: Mapping[str, type] = {
    "accounts": Accounts,
    "cards": Cards,
    "transactions": Transactions,
}


class Recorder:
    """Stands in for the pipeline and remembers what a stub handed over."""

    def __init__(self) -> None:
        self.operation: Operation[Any, Any] | None = None
        self.request: Any = None
        self.prefetch: int | None = None

    async def call(self, operation: Operation[Any, Any], request: Model, options: object) -> Any:
        """Remember one call."""
        self.operation, self.request = operation, request

    async def call_list(
        self, operation: Operation[Any, Any], request: Model, options: object
    ) -> Any:
        """Remember one call that gives a list."""
        self.operation, self.request = operation, request
        return []

    def paginate(
        self, operation: Operation[Any, Any], request: Model, options: object, prefetch: int
    ) -> Any:
        """Remember one query."""
        self.operation, self.request, self.prefetch = operation, request, prefetch


def _method(name: str) -> Any:
    resource, _, method = name.partition(".")
    return getattr(CLASSES[resource], method)


@pytest.mark.parametrize("name", OPERATION_NAMES)
def test_operation(name: str) -> None:
    """An operation knows its name, and both of its decoders can be built."""
    operation = load(name)
    assert operation.name == name
    assert operation.decoder is operation.decoder
    assert operation.input_decoder is operation.input_decoder


def test_unknown_operation() -> None:
    """Only operations of the schema can be loaded."""
    with pytest.raises(KeyError):
        load("cards.__class__")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.operation_name)
def test_command_and_method_agree(command: Command) -> None:
    """A command has the arguments of its method: the same names, required and leading alike."""
    parameters = dict(inspect.signature(_method(command.operation_name)).parameters)
    for name in ("self", "options", "prefetch"):
        parameters.pop(name, None)
    options = {option.name: option for option in command.options}
    assert parameters.keys() == options.keys()
    for name, parameter in parameters.items():
        assert options[name].required == (parameter.default is parameter.empty), name
        leading = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        assert leading == (name == command.leading), name
        assert options[name].secret == ("Secret" in str(parameter.annotation)), name


def test_every_public_operation_has_a_command_and_a_handler() -> None:
    """What the client can call, the command line offers and the sandbox must answer."""
    public = [name for name in OPERATION_NAMES if name.partition(".")[0] in RESOURCES]
    assert [command.operation_name for command in COMMANDS] == public
    for name in public:
        resource, _, method = name.partition(".")
        assert hasattr(getattr(handlers, f"{resource.capitalize()}Handlers"), method)
        assert hasattr(handlers.Handlers, resource)


def test_resources_are_made_once() -> None:
    """A resource is built when it is first asked for, and then stays."""

    class Client(Resources):
        def _caller(self) -> Any:
            return Recorder()

    client = Client()
    assert client.cards is client.cards
    assert type(client.transactions) is Transactions
    with pytest.raises(NotImplementedError):
        Resources().cards  # noqa: B018 - the property is what is tested


@pytest.mark.anyio
async def test_stub_builds_the_request() -> None:
    """Money becomes exact, a secret is wrapped, the order number is left to be minted."""
    recorder = Recorder()
    await Cards(recorder).open(card_type_id=111001, amount="12.50", card_number="4000")
    request = recorder.request
    assert request.amount == Decimal("12.50")
    assert request.card_number == Secret("4000")
    assert request.merchant_order_no is None
    assert recorder.operation is load("cards.open")


@pytest.mark.anyio
async def test_stub_refuses_a_float() -> None:
    """A float is refused before anything is handed over."""
    recorder = Recorder()
    wrong: Any = 12.5
    with pytest.raises(ArgumentTypeError, match="amount"):
        await Cards(recorder).deposit("card", amount=wrong)
    assert recorder.operation is None


@pytest.mark.anyio
async def test_stub_of_a_list() -> None:
    """A list comes back as the caller gives it."""
    assert await Cards(Recorder()).list_types() == []


def test_paged_stub_leaves_the_page_number_to_the_paginator() -> None:
    """A query asks for full pages from the first, and turns text into an enumeration's member."""
    recorder = Recorder()
    Transactions(recorder).operations(type="freeze", prefetch=2)
    request = recorder.request
    assert (request.page_num, request.page_size, recorder.prefetch) == (1, 100, 2)
    assert request.type.value == "Freeze"
    Transactions(recorder).purchases(page_size=7)
    assert recorder.request.page_size == 7


def test_deprecated_stub_warns_at_the_caller() -> None:
    """The warning names the replacement and points at the line of the call."""
    with pytest.warns(DeprecationWarning, match=r"use transactions\.operations") as caught:
        Transactions(Recorder()).operations_v1()
    assert caught[0].filename == __file__
