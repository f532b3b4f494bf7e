"""Every kind of mistake in a schema is refused with its file and line, and nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.thinning import thin

from .conftest import Run

pytest.importorskip("datamodel_code_generator")


class Bad(NamedTuple):
    """One damage to the small schema, and the message that it earns."""

    file: str
    old: str
    new: str
    message: str
    at: str = ""
    """Text at the line that the message names: its beginning, or where it says ``<<``."""


HERE, NEW_LINE = "<<", "\n"
CARDS, COMMON, AUTH, HOOKS = "cards.yaml", "common.yaml", "auth.yaml", "webhooks.yaml"
SOURCE = '"seed: Card Types", safety: read, shape: list'
REF = '{$ref: "common.yaml#/components/schemas/'
TAGS = "tags: {type: array, maxItems: 3,"
GOOD = "good: {value: {accessToken: abc, data: {token: abc}}}"

GOOD_AND_BAD = """
            examples:
              good: {value: {password: guess}}
              bad: {value: {password: wrong}}
"""
DEEP = """<<schema:
                allOf:
                  - {$ref: "common.yaml#/components/schemas/Envelope"}
                  - {type: object, properties: {data: {type: object}}}"""

MISTAKES = {
    # -- webhooks
    "event about a field that is not there": Bad(
        HOOKS, "[cardNo]", "[cardId]", "MoveNotice has no cardId", at="cardId]"
    ),
    "event with a state that is not there": Bad(
        HOOKS, "state: status", "state: stage", "MoveNotice has no stage", at="state: stage"
    ),
    "event with a time that is none": Bad(
        HOOKS, "time: movedAt", "time: cardNo", "time names cardNo, which is text, not timestamp"
    ),
    "states without a state": Bad(
        HOOKS,
        "state: status\n        states",
        "states",
        "'state' is a dependency of 'states'",
        at='      x-fincard:\n        source: "contract 4"\n        event',
    ),
    "event with a strange sign": Bad(HOOKS, '"!orderNo"]', "orderNo]", "MoveNotice has no orderNo"),
    "event whose example is another": Bad(
        HOOKS,
        '"!orderNo"]',
        '"!cardNo"]',
        "example done shows none of the signs",
        at="done: {value",
    ),
    "event with a key that nobody describes": Bad(
        HOOKS, "movedAt: 1}", "moved: 1}", "MoveNotice does not describe moved"
    ),
    "event with a wrong example": Bad(
        HOOKS, "status: done, cardNo", "status: 7, cardNo", "example done: 7 is not of type"
    ),
    "event without an example": Bad(
        HOOKS,
        "done: {value: {id: C1, status: done, cardNo: C1, movedAt: 1}}",
        "{}",
        "card_moved needs an example",
        at="post:<<",
    ),
    "event with an unknown word": Bad(
        HOOKS, "card: cardNo", "cards: cardNo", "unknown word cards", at="cards: cardNo"
    ),
    "event confirmed by nothing": Bad(
        HOOKS,
        "card: cardNo",
        "confirmed-by: {query: cards.absent, filter: cardNo}",
        "confirmed-by names cards.absent, which is no paged query",
    ),
    "event confirmed by what cannot be asked": Bad(
        HOOKS,
        "card: cardNo",
        "confirmed-by: {query: cards.history, filter: status}",
        "cards.history cannot be asked for status",
    ),
    "event without a body": Bad(
        HOOKS,
        '{$ref: "#/components/schemas/MoveNotice"}',
        "{type: object}",
        "the body of an event must refer to an object component",
        at="post:",
    ),
    "webhooks without what they share": Bad(
        HOOKS,
        "  events:",
        "  resource: webhooks\n  other:",
        "a document with webhooks needs",
        at="openapi:",
    ),
    # -- the file itself
    "not yaml": Bad(CARDS, "tags: [cards]", "tags: ]cards[", "not YAML: "),
    "key twice": Bad(
        CARDS, "info: {", "info: {}\ninfo: {", "info is given twice", at="info: {}\n<<info: {"
    ),
    "empty file": Bad(AUTH, "", "# nothing", "an OpenAPI document must be a mapping"),
    "no mapping": Bad(AUTH, "", "[]", "an OpenAPI document must be a mapping"),
    # -- values of a wrong type
    "no servers": Bad(
        AUTH, "servers:", "tags: [] #", "auth.yaml: 'servers' is a required", at="openapi:"
    ),
    "type that does not exist": Bad(
        CARDS, "simple: {type: boolean,", "simple: {type: bool,", "type: 'bool' is not valid"
    ),
    "property that is no schema": Bad(
        CARDS, TAGS, "tags: text #", "tags: 'text' is not of type 'object'"
    ),
    "pattern that is none": Bad(
        CARDS, '"^[0-9]+$"', '"^[0-9"', "pattern: '^[0-9' is not a 'regex'", at="pin: {"
    ),
    "length that is none": Bad(
        CARDS,
        "minLength: 6",
        "minLength: six",
        "minLength: 'six' is not of type 'integer'",
        at="pin: {",
    ),
    "example that is no mapping": Bad(
        AUTH, "bad: {value: {code: 401}}", "bad: 5", "bad: 5 is not of type 'object'"
    ),
    # -- words
    "unknown x word": Bad(CARDS, "tags: [cards]", "x-speed: 9", "unknown word x-speed"),
    "unknown word in x-fincard": Bad(CARDS, SOURCE, f"{SOURCE}, retry: 3", "unknown word retry"),
    "unknown word of a field": Bad(
        CARDS,
        '{sealed: rsa}, description: "Sealed code',
        '{seeled: rsa}, description: "Sealed code',
        "unknown word seeled",
    ),
    "unknown word in an answer": Bad(
        CARDS, "{data: {type: array,", "{data: {x-odd: 1, type: array,", "unknown word x-odd"
    ),
    "unknown rule": Bad(CARDS, "rule: pin", "rule: cvv", "'cvv' is not one of ['pin']"),
    "unknown safety": Bad(CARDS, "safety: unsafe", "safety: odd", "'odd' is not one of"),
    "no source": Bad(
        CARDS,
        'source: "contract 3.7"',
        "# none",
        "'source' is a required property",
        at="x-fincard:\n        # none",
    ),
    "settled mutation without kind": Bad(
        CARDS,
        "kind: create",
        "settled-by: cards.history",
        "'kind' is a dependency of 'settled-by'",
        at='x-fincard:\n        source: "seed: Create',
    ),
    "number and none": Bad(
        CARDS,
        "kind: create",
        "unnumbered: true",
        "cannot be given here: order-number",
        at='x-fincard:\n        source: "seed: Create',
    ),
    "harmless without a number": Bad(
        CARDS,
        "safety: unsafe\n        order-number: merchantOrderNo\n        kind: create",
        "safety: idempotent-write\n        unnumbered: true",
        "'unsafe' was expected",
    ),
    "unnumbered read": Bad(
        CARDS, SOURCE, f"{SOURCE}, unnumbered: true", "cannot be given here: unnumbered"
    ),
    "paid read": Bad(
        CARDS, SOURCE, f"{SOURCE}, wallet-pays: true", "cannot be given here: wallet-pays"
    ),
    "true or an object that needs more": Bad(
        CARDS,
        "leading: cardTypeId",
        "or-true: true",
        "or-true is for an object without required fields, not CardOperation",
    ),
    "true for a list": Bad(
        CARDS,
        SOURCE,
        f"{SOURCE}, or-true: true",
        "or-true is for an object without required fields, not CardType",
    ),
    "mutation without order number": Bad(
        CARDS,
        "order-number: merchantOrderNo",
        "# none",
        "'order-number' is a required property",
        at='x-fincard:\n        source: "seed: Create',
    ),
    "read with kind": Bad(CARDS, SOURCE, f"{SOURCE}, kind: x", "cannot be given here: kind"),
    "sealed and sensitive": Bad(
        CARDS,
        '{sealed: rsa}, description: "Sealed code',
        '{sealed: rsa, sensitive: true}, description: "Sealed code',
        "cannot be given here: sealed, sensitive",
    ),
    "unknown keyword": Bad(
        CARDS, "minLength: 6, maxL", "minLenght: 6, maxL", "unknown schema keyword minLenght"
    ),
    "ref to nothing": Bad(
        CARDS,
        '{$ref: "#/components/schemas/Shop"',
        '{$ref: "#/components/schemas/Shpo"',
        "$ref to nothing: #/components/schemas/Shpo",
    ),
    "ref to no file": Bad(
        CARDS,
        f'{REF}CardState", description: "A state',
        '{$ref: "comon.yaml#/components/schemas/CardState", description: "A state',
        "$ref to nothing: comon.yaml#",
    ),
    # -- components
    "component twice": Bad(
        CARDS, "    Shop:\n", "    LogInData:\n", "component LogInData exists in auth.yaml"
    ),
    "component name": Bad(
        CARDS, "    Shop:\n", "    shop:\n", "component shop must be named like a class"
    ),
    "taken component name": Bad(
        CARDS,
        "    Shop:\n",
        "    Secret:\n",
        "component Secret has a name that generated code uses",
    ),
    "enum without names": Bad(
        COMMON,
        "x-enum-varnames: [NORMAL, UN_ACTIVATED, CREATE]",
        "# none",
        "enumeration CardState needs x-enum-varnames",
        at="CardState:\n",
    ),
    "enum with too few names": Bad(
        COMMON,
        "[NORMAL, UN_ACTIVATED, CREATE]",
        "[NORMAL, CREATE]",
        "3 values, but 2 names in x-enum-varnames",
        at="CardState:\n",
    ),
    "enum with a bad name": Bad(
        COMMON,
        "[NORMAL, UN",
        "[Normal, UN",
        "Normal must be upper case and unique",
        at="CardState:\n",
    ),
    "enum value without text": Bad(
        COMMON,
        'Normal: "Usable.", ',
        "",
        "Normal is not described by enumeration CardState",
        at="CardState:\n",
    ),
    "text without enum value": Bad(
        COMMON,
        'Normal: "Usable.", ',
        'Normal: "Usable.", other: "?", ',
        "other is no value of enumeration CardState",
        at="CardState:\n",
    ),
    "enum inside a field": Bad(
        CARDS,
        "cardNo: {type: string, minLength: 1,",
        "cardNo: {type: string, enum: [a],",
        "the enumeration of cardNo must be a component",
    ),
    "object inside a field": Bad(
        CARDS, TAGS, "tags: {type: object, maxItems: 3,", "the object tags must be a component"
    ),
    "float": Bad(
        CARDS,
        "simple: {type: boolean,",
        "simple: {type: number,",
        "simple is a number, which loses digits",
    ),
    "list of nothing": Bad(
        CARDS,
        f"{TAGS} items: {{type: string, maxLength: 9}}, ",
        f"{TAGS} ",
        "tags has a type that the compiler does not know",
    ),
    "two types sent": Bad(
        CARDS,
        "simple: {type: boolean,",
        "simple: {type: [integer, string],",
        "simple must have one type, for it is sent",
    ),
    "required names nothing": Bad(
        CARDS,
        "required: [orderNo]",
        "required: [orderNr]",
        "required names orderNr, which HistoryRecord does not have",
        at="HistoryRecord:\n",
    ),
    "at-most-one names nothing": Bad(
        CARDS,
        "[allowed, blocked]",
        "[allowed, banned]",
        "at-most-one names banned, which Rules does not have",
        at="    Rules:\n",
    ),
    "one Python name for two": Bad(
        CARDS,
        "    simple: {",
        "    card_type_id: {",
        "two properties of OpenRequest would both be called card_type_id",
        at="    OpenRequest:\n",
    ),
    "no description of a component": Bad(
        CARDS, "description: A shop.", "title: Shop", "Shop needs a description", at="    Shop:\n"
    ),
    "no description of a field": Bad(
        CARDS,
        ', description: "Whether it is simple."',
        "",
        "simple needs a description",
        at="        simple:",
    ),
    "secret in the open": Bad(
        CARDS,
        "cvv: {type: string, x-fincard: {sealed: rsa},",
        "cvv: {type: string,",
        "cvv is secret: say sealed or sensitive in x-fincard",
    ),
    "sealed number": Bad(
        CARDS, "otp: {type: string,", "otp: {type: integer,", "sealed is for text, and otp is none"
    ),
    "component contains itself": Bad(
        CARDS,
        "mid: {type: [integer, string],",
        'mid: {$ref: "#/components/schemas/HistoryRecord",',
        "Shop contains itself",
        at="    Shop:\n",
    ),
    # -- operations
    "resource of another file": Bad(
        CARDS, "resource: cards", "resource: crads", "resource crads must be called like its file"
    ),
    "operation of another resource": Bad(
        CARDS,
        "operationId: cards.open",
        "operationId: auth.open",
        "operationId 'auth.open' must be cards.<method>",
        at="  /card/open:\n    <<post:",
    ),
    "operationId twice": Bad(
        CARDS,
        "operationId: cards.open",
        "operationId: cards.history",
        "operationId cards.history exists in line",
        at="  /card/history:\n    <<post:",
    ),
    "method that hides a type": Bad(
        CARDS,
        "operationId: cards.list_types",
        "operationId: cards.list",
        "a method cannot be called list",
        at="  /card/types:\n    <<post:",
    ),
    "path twice": Bad(
        CARDS,
        "  /card/types:\n",
        '  /api/orgs/{orgId}/sessions:\n    servers: [{url: "https://api.example.test"}]\n',
        "path /api/orgs/{orgId}/sessions exists in line 7 of auth.yaml",
        at='servers: [{url: "https://api.example.test"}]\n    <<post:',
    ),
    "not a POST": Bad(
        CARDS,
        "  /card/open:\n    post:",
        "  /card/open:\n    get:",
        "every endpoint is a POST",
    ),
    "no default response": Bad(
        AUTH,
        '        default: {$ref: "common.yaml#/components/responses/Refused"}',
        "",
        "auth.log_in needs a default response",
        at="post:",
    ),
    "no request component": Bad(
        CARDS,
        'schema: {$ref: "#/components/schemas/HistoryRequest"}',
        "schema: {type: object}",
        "cards.history needs a request body that refers to an object",
        at="  /card/history:\n    <<post:",
    ),
    "argument that the stub uses": Bad(
        CARDS, "    simple: {", "    prefetch: {", "an argument cannot be called prefetch"
    ),
    "order number of no field": Bad(
        CARDS,
        "order-number: merchantOrderNo",
        "order-number: orderNo",
        "order-number names orderNo, which OpenRequest does not have",
    ),
    "order number that is optional": Bad(
        CARDS,
        "required: [merchantOrderNo, cardTypeId",
        "required: [cardTypeId",
        "order-number merchantOrderNo must be required in OpenRequest",
        at="order-number:",
    ),
    "leading of no field": Bad(
        CARDS,
        "leading: cardTypeId",
        "leading: cardNo",
        "leading names cardNo, which OpenRequest does not have",
    ),
    "echo of no field": Bad(
        CARDS,
        "echo: [merchantOrderNo]",
        "echo: [orderNo]",
        "echo names orderNo, which CardOperation does not have",
    ),
    "natural key of no field": Bad(
        CARDS,
        "natural-key: [orderNo]",
        "natural-key: [tradeNo]",
        "natural-key names tradeNo, which HistoryRecord does not have",
    ),
    "page of no field": Bad(
        CARDS, "page: pageNum", "page: page", "page names page, which HistoryRequest does not have"
    ),
    "page that is no number": Bad(
        CARDS, "size: pageSize", "size: cardNo", "size names cardNo, which is text, not integer"
    ),
    "rows of another name": Bad(
        CARDS, "items: records, total", "items: rows, total", "items is always records"
    ),
    "time of no field": Bad(
        CARDS,
        "field: happenedAt",
        "field: time",
        "field names time, which HistoryRecord does not have",
    ),
    "sealed request": Bad(
        CARDS,
        "cardNo: {type: string, minLength: 1,",
        "cardNo: {type: string, x-fincard: {sealed: rsa},",
        "sealed is for answers, and HistoryRequest is a request",
    ),
    "other shape": Bad(
        AUTH,
        "shape: bare",
        "shape: object",
        "the response has the shape bare, x-fincard says object",
        at='schema: {$ref: "#/components/schemas/LogInReply"}',
    ),
    "no response": Bad(AUTH, '"200":', '"201":', "the response has the shape missing", at="post:"),
    "result without component": Bad(
        CARDS,
        '{data: {$ref: "#/components/schemas/CardOperation"}}',
        "{data: {type: object}}",
        "the result of cards.open must refer to an object component",
        at=DEEP,
    ),
    "unknown kind": Bad(CARDS, "kind: create", "kind: open", "kind open is no value of CardState"),
    # -- examples
    "no request example": Bad(
        AUTH,
        GOOD_AND_BAD,
        "\n",
        "auth.log_in needs a request example",
        at="      requestBody:",
    ),
    "no success example": Bad(
        AUTH,
        GOOD,
        "good: {value: {success: false}}",
        "auth.log_in needs a success example",
        at='schema: {$ref: "#/components/schemas/LogInReply"}',
    ),
    "no refusal example": Bad(
        AUTH,
        "bad: {value: {code: 401}}",
        "bad: {value: {code: 200}}",
        "auth.log_in needs a refusal example",
        at='schema: {$ref: "#/components/schemas/LogInReply"}',
    ),
    "example without value": Bad(AUTH, GOOD, "good: {summary: x}", "example good needs a value"),
    "answer without request": Bad(
        AUTH, GOOD, "fine: {value: {accessToken: a}}", "no request example is called fine"
    ),
    "request example that does not validate": Bad(
        CARDS,
        'cardTypeId: 7, amount: 50, pin: "135790"',
        'cardTypeId: 7, amount: 50, pin: "1"',
        "example made: '1' is too short",
    ),
    "answer example that does not validate": Bad(
        CARDS, "cardId: c1", "cardId: 5", "example made: 5 is not of type 'string'"
    ),
    "example of a shared response": Bad(
        COMMON, "code: 401, msg", "code: [], msg", "example unauthenticated: [] is not of type"
    ),
    "answer that is no object": Bad(
        AUTH, GOOD, "good: {value: [1]}", "example good: [1] is not of type 'object'"
    ),
    "key that no schema describes": Bad(
        CARDS,
        "cardId: c1",
        "cardId: c1, speed: 9",
        "CardOperation does not describe speed",
    ),
    "key inside a list that no schema describes": Bad(
        CARDS, "secrets: [{cvv: QUJD}]", "secrets: [{cvc: QUJD}]", "Printed does not describe cvc"
    ),
    "examples that do not belong together": Bad(
        CARDS,
        "data: {merchantOrderNo: AAAAAAAAAAAAAAAAAAAA",
        "data: {merchantOrderNo: CCCCCCCCCCCCCCCCCCCC",
        "merchantOrderNo differs from the request example made",
    ),
}


def _damage(schema: Path, bad: Bad) -> str:
    """Make the mistake, and return what the message must begin with."""
    path = schema / bad.file
    text = path.read_text("utf-8")
    assert bad.old in text, f"{bad.old!r} is not in {bad.file}"
    text = text.replace(bad.old, bad.new, 1) if bad.old else bad.new
    path.write_text(text, "utf-8")
    before, mark, after = (bad.at or bad.new).partition(HERE)
    start = text.index(before + after) + (len(before) if mark else 0)
    return f"schema/{bad.file}:{text.count(NEW_LINE, 0, start) + 1}: {bad.message}"


@pytest.mark.parametrize("bad", thin(MISTAKES.values(), 12), ids=MISTAKES.keys())
def test_refused(bad: Bad, run: Run, schema: Path, tmp_path: Path) -> None:
    """The mistake is named at its line, the status is 2, and no file appears."""
    wanted = _damage(schema, bad)
    outcome = run()
    assert outcome.status == 2
    found = [line for line in outcome.err.splitlines() if line.startswith(wanted)]
    assert found, f"{wanted} is not in:{NEW_LINE}{outcome.err}"
    assert not (tmp_path / "out").exists()


def test_all_mistakes_of_a_run_are_listed(run: Run, schema: Path) -> None:
    """Mistakes in several files and of several kinds come out together, in order."""
    for name in ("float", "leading of no field", "unknown rule", "no refusal example"):
        _damage(schema, MISTAKES[name])
    outcome = run("--check")
    assert outcome.status == 2
    *mistakes, last = outcome.err.splitlines()
    assert [line.partition(":")[0] for line in mistakes] == ["schema/auth.yaml"] + [
        "schema/cards.yaml"
    ] * 3
    assert last == "4 mistake(s); nothing was written"


def test_no_common_document(run: Run, schema: Path) -> None:
    """Without the shared document nothing can be compiled."""
    (schema / "common.yaml").unlink()
    outcome = run()
    assert outcome.status == 2
    assert "schema/common.yaml:1: there is no such file" in outcome.err


def test_no_vocabulary(run: Run, schema: Path) -> None:
    """A schema without its vocabulary is refused."""
    (schema / "x-fincard.schema.json").unlink()
    outcome = run()
    assert outcome.status == 2
    assert "schema/x-fincard.schema.json:1: there is no such file" in outcome.err


def test_broken_vocabulary(run: Run, schema: Path) -> None:
    """A vocabulary that is no JSON is refused with its line."""
    (schema / "x-fincard.schema.json").write_text('{\n"a": oops}', "utf-8")
    outcome = run()
    assert outcome.status == 2
    assert "schema/x-fincard.schema.json:2: not JSON: Expecting value" in outcome.err
