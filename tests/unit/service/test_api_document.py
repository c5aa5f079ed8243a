"""The API's description: what it shows as an example must be one."""

from typing import Any

import msgspec
import pytest

from ledger.values import shares_from
from service.http import examples, schemas
from service.http.problems import Problem

EXAMPLES: list[tuple[Any, type[msgspec.Struct]]] = [
    (examples.INTENT, schemas.Intent),
    (examples.BATCH, schemas.Batch),
    (examples.ANSWER, schemas.Answer),
    (examples.ANSWERS, schemas.Answers),
    (examples.DECISION, schemas.Decision),
    (examples.ORDERS, schemas.OrderPage),
    (examples.ORDER, schemas.OrderDetail),
    (examples.TIMELINE, schemas.Timeline),
    (examples.FILLS, schemas.FillPage),
    (examples.POSITIONS, schemas.PositionPage),
    (examples.RECONCILIATION, schemas.Reconciliation),
    (examples.RISK, schemas.Risk),
    (examples.DONE, schemas.Done),
    (examples.READY, schemas.Ready),
]


@pytest.mark.parametrize(
    ("example", "kind"), [pytest.param(e, k, id=k.__name__) for e, k in EXAMPLES]
)
def test_an_example_is_what_it_stands_for(
    example: Any, kind: type[msgspec.Struct]
) -> None:
    """People copy examples before they read anything else."""
    text = msgspec.json.encode(example)
    msgspec.json.decode(text, type=kind)
    assert set(example) <= {field.name for field in msgspec.structs.fields(kind)}


@pytest.mark.parametrize(
    "text",
    ["0.000001", "1", "20", "0.5", "999999999999.999999", "0.1", "12.30"],
)
def test_sizes_that_are_exact_are_taken(text: str) -> None:
    """Six places are what the chain has."""
    body = msgspec.json.encode(examples.INTENT | {"size": text})
    assert schemas.decode(schemas.Intent, body).size == text


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "0.0",
        "-1",
        "1e3",
        "01",
        "1.",
        ".5",
        "1.0000001",
        "1000000000000",
        "1\n",
        "٣",
    ],
)
def test_sizes_that_are_none_are_refused(text: str) -> None:
    """The pattern in the description refuses them, so every client can."""
    body = msgspec.json.encode(examples.INTENT | {"size": text})
    with pytest.raises((Problem, ValueError)):
        shares_from(schemas.decode(schemas.Intent, body).size)
