"""The public endpoints, asked of a local server."""

import json
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import pytest
import stamina

from executors.market_data import BookSnapshot, parse_frame
from executors.market_data.rest import PublicRest
from ledger.errors import VenueError, VenueRejectedError
from tests.integration.market_data.local_venue import LocalVenue
from tests.unit.market_data.messages import FIXTURES, book

CONDITION = "0xc"
INFO = {
    "t": [{"t": "11", "o": "Up"}, {"t": "12", "o": "Down"}],
    "mos": 5,
    "mts": 0.001,
    "nr": True,
    "fd": {"r": 0.07, "e": 1, "to": True},
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


def serving(**answers: Any) -> LocalVenue:
    paths = {"token": "/markets-by-token/11", "market": f"/clob-markets/{CONDITION}"}
    paths["book"] = "/book?token_id=11"
    return LocalVenue(answers={paths[name]: say for name, say in answers.items()})


async def test_market_of_a_token() -> None:
    """Tokens in the market's own order, and numbers that never were floats."""
    venue = serving(token={"condition_id": CONDITION}, market=INFO)
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        market = await rest.market_of_token("11")
    assert (market.yes_token, market.no_token) == ("11", "12")
    assert (market.yes_label, market.no_label) == ("Up", "Down")
    assert (str(market.tick_size), str(market.fee_rate)) == ("0.001", "0.07")
    assert (market.min_size, market.neg_risk) == (Decimal(5), True)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the references are not here")
async def test_documented_answers_are_understood() -> None:
    """The venue's own examples are the least that must work."""
    info = json.loads((FIXTURES / "clob_market_info.json").read_text())
    by_token = json.loads((FIXTURES / "markets_by_token.json").read_text())
    condition = by_token["condition_id"]
    venue = LocalVenue(
        answers={
            "/markets-by-token/1": by_token,
            f"/clob-markets/{condition}": info,
            "/book?token_id=1": (FIXTURES / "book.json").read_text(),
        }
    )
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        market = await rest.market_of_token("1")
        [fact] = parse_frame(await rest.book_text("1")).facts
    assert (market.market_id, market.fee_rate) == (condition, Decimal("0.05"))
    assert isinstance(fact, BookSnapshot)
    assert fact.tick_size == Decimal("0.01")


async def test_market_without_fees() -> None:
    """Most markets of the past have no fee curve at all."""
    venue = serving(market={**INFO, "fd": None})
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        assert (await rest.market(CONDITION)).fee_rate == 0


async def test_unknown_token_is_a_definite_no() -> None:
    """Asking again would not help."""
    venue = serving()
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        with pytest.raises(VenueRejectedError, match="status 404"):
            await rest.book_text("11")
    assert len(venue.asked) == 1


@pytest.mark.parametrize("status", [500, 503, 425, 429])
async def test_passing_trouble_is_asked_again(status: int) -> None:
    """Reading twice does no harm."""
    venue = serving(book=[HTTPStatus(status), HTTPStatus(status), book()])
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        assert json.loads(await rest.book_text("11")) == book()
    assert len(venue.asked) == 3


async def test_lasting_trouble_is_a_venue_error() -> None:
    """There is an end to asking."""
    venue = serving(book=HTTPStatus(502))
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        with pytest.raises(VenueError, match="status 502"):
            await rest.book_text("11")


async def test_unreachable_host_is_a_venue_error() -> None:
    """Callers know one family of errors."""
    venue = serving()
    async with venue.running():
        pass  # its port is now closed
    async with PublicRest(venue.host, trust_env=False) as rest:
        with pytest.raises(VenueError, match="GET /book: ConnectError"):
            await rest.book_text("11")


@pytest.mark.parametrize(
    "answer",
    [
        "<html>",
        "[]",
        {**INFO, "t": [{"t": "11", "o": "Up"}]},
        {**INFO, "mts": 0},
        {**INFO, "mts": "x"},
        {**INFO, "fd": {"r": "many"}},
        {"t": INFO["t"]},
        {**INFO, "t": ["11", "12"]},
        {**INFO, "fd": [1]},
    ],
)
async def test_unreadable_answer_is_a_venue_error(answer: Any) -> None:
    """A market that is half understood must not be traded."""
    venue = serving(market=answer)
    async with venue.running(), PublicRest(venue.host, trust_env=False) as rest:
        with pytest.raises(VenueError):
            await rest.market(CONDITION)
