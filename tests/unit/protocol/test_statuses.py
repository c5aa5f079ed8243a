"""Status texts are read in every spelling that was seen."""

import pytest

from executors.protocol import (
    END_CURSOR,
    START_CURSOR,
    cursor_at,
    offset_of,
    order_status,
    trade_status,
)
from ledger.decide import LookupFound
from ledger.errors import InvalidInputError
from ledger.values import EndReason, Settlement

LIVE, MATCHED, CANCELED = LookupFound.LIVE, LookupFound.MATCHED, LookupFound.CANCELED

FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = "no orders found to match with FAK order."


class TestOrders:
    @pytest.mark.parametrize(
        ("text", "found", "reason"),
        [
            ("LIVE", LIVE, EndReason.VENUE),
            ("live", LIVE, EndReason.VENUE),
            ("ORDER_STATUS_LIVE", LIVE, EndReason.VENUE),
            ("delayed", LIVE, EndReason.VENUE),
            ("UNMATCHED", LIVE, EndReason.VENUE),
            ("MATCHED", MATCHED, EndReason.FILLED),
            ("ORDER_STATUS_MATCHED", MATCHED, EndReason.FILLED),
            ("CANCELED", CANCELED, EndReason.CANCELLED),
            ("ORDER_STATUS_CANCELED", CANCELED, EndReason.CANCELLED),
            ("INVALID", CANCELED, EndReason.VENUE),
            ("ORDER_STATUS_INVALID", CANCELED, EndReason.VENUE),
            ("CANCELED_MARKET_RESOLVED", CANCELED, EndReason.MARKET_RESOLVED),
            (
                "ORDER_STATUS_CANCELED_MARKET_RESOLVED",
                CANCELED,
                EndReason.MARKET_RESOLVED,
            ),
            ("CANCELED_EXPIRED_ORDER", CANCELED, EndReason.EXPIRED),
            ("CANCELED_NOT_ENOUGH_BALANCE", CANCELED, EndReason.VENUE),
            ("CANCELED_MARKET_NOT_FOUND", CANCELED, EndReason.VENUE),
            ("CANCELED_ORDER_TIMED_OUT", CANCELED, EndReason.VENUE),
            (
                f"CANCELED_{FOK_KILLED}",
                CANCELED,
                EndReason.KILLED,
            ),
            (
                f"CANCELED_{FAK_KILLED}",
                CANCELED,
                EndReason.KILLED,
            ),
            ("CANCELED_something new", CANCELED, EndReason.VENUE),
        ],
    )
    def test_every_spelling(
        self, text: str, found: LookupFound, reason: EndReason
    ) -> None:
        """REST prefixes them, the stream writes prose, posts use small letters."""
        assert order_status(text) == (found, reason)

    @pytest.mark.parametrize("text", ["", "OPEN", "ORDER_STATUS_", "liver"])
    def test_unknown_texts_mean_nothing(self, text: str) -> None:
        """A guess would end or revive an order."""
        assert order_status(text) is None


class TestTrades:
    @pytest.mark.parametrize("status", Settlement)
    @pytest.mark.parametrize("prefix", ["", "TRADE_STATUS_"])
    def test_every_spelling(self, status: Settlement, prefix: str) -> None:
        """REST prefixes them at times."""
        assert trade_status(prefix + status) is status

    def test_not_yet_broadcast_is_matched(self) -> None:
        """REST alone tells this step; nothing has moved yet."""
        assert trade_status("MATCHED_NOT_BROADCASTED") is Settlement.MATCHED

    @pytest.mark.parametrize("text", ["", "SETTLED", "TRADE_STATUS_"])
    def test_unknown_texts_mean_nothing(self, text: str) -> None:
        """A guess would book or void money."""
        assert trade_status(text) is None


class TestCursors:
    def test_the_two_that_the_venue_names(self) -> None:
        """Start and end are fixed texts."""
        assert cursor_at(0) == START_CURSOR
        assert cursor_at(-1) == END_CURSOR
        assert offset_of("") == offset_of(START_CURSOR) == 0
        assert offset_of(END_CURSOR) == -1

    def test_any_other_is_read_back(self) -> None:
        """A page continues where the last one ended."""
        assert offset_of(cursor_at(300)) == 300

    @pytest.mark.parametrize("cursor", ["x", "YWJj", "????", "é", "!MA==", "MA=="[:3]])
    def test_refuses_what_is_none(self, cursor: str) -> None:
        """A refusal, not a crash."""
        with pytest.raises(InvalidInputError, match="cursor"):
            offset_of(cursor)
