"""What `place` needs to know of the market: its terms, and its order book."""

from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from executors.market_data import infer_markets, read_recording
from ledger.book import OrderBook
from ledger.errors import InvalidInputError, RecordingError
from ledger.market import Market
from ledger.values import Outcome
from service.bootstrap import OpenLedger

_MOST_FRAMES: Final = 1_000_000
_MAX_BYTES: Final = 1_000_000


async def list_from_file(opened: OpenLedger, path: Path) -> list[Market]:
    """Make the markets of a JSON file known: one object, or a list of them.

    Raises:
        InvalidInputError: the file holds no market, or a field is wrong.
    """
    markets = read_markets(path)
    for market in markets:
        await opened.manager.account.list_market(market)
    return markets


def read_markets(path: Path) -> list[Market]:
    """Read markets in the spelling of `ledger.market.Market`, numbers as text.

    Raises:
        InvalidInputError: the file holds no market, or a field is wrong.
    """
    with path.open("rb") as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InvalidInputError(str(path), f"is longer than {_MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(data, type=Market | list[Market])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(path), str(error)) from None
    return found if isinstance(found, list) else [found]


async def feed_books(opened: OpenLedger, path: str, market_id: str) -> None:
    """Read a recording to its end: its last books are the market's present ones.

    A market that is not known is listed as the recording tells it, with no fee.

    Raises:
        RecordingError: the recording cannot be read, or has no usable book of
            the market.
    """
    frames = list(islice(read_recording(path), _MOST_FRAMES))
    for frame in frames:
        opened.books.feed(frame)
    market = opened.journal.state.markets.get(market_id)
    if market is None:
        told = {m.market_id: m for m in infer_markets(frames)}
        if market_id not in told:
            names = ", ".join(list(told)[:3])
            msg = f"{path}: no market {market_id} in it; it has {names}"
            raise RecordingError(msg)
        market = told[market_id]
    tick = opened.books.tick_size(market.yes_token)
    if tick is not None:
        market = msgspec.structs.replace(market, tick_size=tick)
    await opened.manager.account.list_market(market)
    if not show_books(opened, market):
        msg = f"{path}: no book of market {market_id} can be trusted at its end"
        raise RecordingError(msg)


def show_books(opened: OpenLedger, market: Market) -> bool:
    """Show a paper venue the market's books; whether there was one."""
    books = [opened.books.book(market.token(outcome)) for outcome in Outcome]
    usable = [book for book in books if book is not None]
    for book in usable if opened.is_paper else ():
        opened.paper.on_book(book.token_id, book, market)
    return bool(usable)


def show_empty_book(opened: OpenLedger, market_id: str) -> None:
    """Let a post-only order rest where nothing is known of the market."""
    market = opened.journal.state.markets.get(market_id)
    if market is not None and opened.is_paper:
        book = OrderBook(market.yes_token)
        opened.paper.on_book(market.yes_token, book, market)
