"""An order book: levels kept, and depth walked exactly."""

from decimal import Decimal

import pytest

from ledger.book import Level, OrderBook, Walk
from ledger.values import Side

D = Decimal


def level(price: str, size: str) -> Level:
    return Level(D(price), D(size))


def book() -> OrderBook:
    """Three asks and two bids, handed in out of order."""
    return OrderBook(
        "111",
        asks=[level("0.45", "200"), level("0.40", "100"), level("0.60", "300")],
        bids=[level("0.35", "50"), level("0.38", "80")],
        as_of_ms=7,
    )


class TestLevels:
    def test_bids_and_asks_come_best_first(self) -> None:
        """The best price is what the next share costs."""
        assert book().asks() == [
            level("0.40", "100"),
            level("0.45", "200"),
            level("0.60", "300"),
        ]
        assert book().bids() == [level("0.38", "80"), level("0.35", "50")]

    def test_the_best_level_depends_on_the_side(self) -> None:
        """A BUY takes the lowest ask, a SELL the highest bid."""
        this = book()
        assert this.best_for(Side.BUY) == this.best_ask == level("0.40", "100")
        assert this.best_for(Side.SELL) == this.best_bid == level("0.38", "80")

    def test_an_empty_book_has_no_best_level(self) -> None:
        """Illiquid markets have empty sides for hours."""
        empty = OrderBook("111")
        assert (empty.best_bid, empty.best_ask) == (None, None)
        assert (empty.bids(), empty.asks()) == ([], [])

    @pytest.mark.parametrize("side", Side)
    def test_a_level_is_set_replaced_and_removed(self, side: Side) -> None:
        """The venue sends totals, not differences."""
        this = OrderBook("111")
        this.set_level(side, D("0.5"), D("10"))
        this.set_level(side, D("0.50"), D("7"))
        assert this.size_at(side, D("0.5")) == 7
        assert this.size_at(side.opposite, D("0.5")) == 0
        assert len(this.bids() + this.asks()) == 1
        this.set_level(side, D("0.5"), D("0"))
        assert this.size_at(side, D("0.5")) == 0
        assert this.bids() + this.asks() == []

    def test_removing_an_absent_level_changes_nothing(self) -> None:
        """A repeated or late removal is normal after a reconnect."""
        this = book()
        this.set_level(Side.SELL, D("0.41"), D("0"))
        assert this.asks() == book().asks()

    def test_a_snapshot_forgets_every_older_level(self) -> None:
        """A level that survives a snapshot is liquidity that is not there."""
        this = book()
        this.replace(bids=[level("0.1", "1")], asks=[level("0.9", "0")])
        assert (this.bids(), this.asks()) == ([level("0.1", "1")], [])

    def test_the_mirror_is_the_book_of_the_other_outcome(self) -> None:
        """Selling YES at p is buying NO at 1 - p; the venue matches them so."""
        mirror = book().mirrored("222")
        assert (mirror.token_id, mirror.as_of_ms) == ("222", 7)
        assert mirror.asks() == [level("0.62", "80"), level("0.65", "50")]
        assert mirror.bids()[0] == level("0.60", "100")
        assert mirror.mirrored("111").asks() == book().asks()

    @pytest.mark.parametrize(
        ("side", "limit", "prices"),
        [
            (Side.BUY, None, ["0.40", "0.45", "0.60"]),
            (Side.BUY, "0.45", ["0.40", "0.45"]),
            (Side.BUY, "0.39", []),
            (Side.SELL, None, ["0.38", "0.35"]),
            (Side.SELL, "0.38", ["0.38"]),
            (Side.SELL, "0.39", []),
        ],
    )
    def test_a_limit_is_the_worst_price_taken(
        self, side: Side, limit: str | None, prices: list[str]
    ) -> None:
        """The limit itself is still acceptable, one tick beyond is not."""
        levels = book().takeable(side, None if limit is None else D(limit))
        assert [lvl.price for lvl in levels] == [D(price) for price in prices]


class TestWalk:
    @pytest.mark.parametrize(
        ("side", "shares", "limit", "expected"),
        [
            (Side.BUY, "60", None, ("60", "24", True, "0.40")),
            (Side.BUY, "100", None, ("100", "40", True, "0.40")),
            (Side.BUY, "100.000001", None, ("100.000001", "40.00000045", True, "0.45")),
            (Side.BUY, "600", None, ("600", "310", True, "0.60")),
            (Side.BUY, "601", None, ("600", "310", False, "0.60")),
            (Side.BUY, "400", "0.45", ("300", "130", False, "0.45")),
            (Side.BUY, "1", "0.39", ("0", "0", False, None)),
            (Side.SELL, "100", None, ("100", "37.4", True, "0.35")),
            (Side.SELL, "100", "0.36", ("80", "30.4", False, "0.38")),
            (Side.SELL, "131", None, ("130", "47.9", False, "0.35")),
        ],
    )
    def test_shares_are_taken_level_by_level(
        self,
        side: Side,
        shares: str,
        limit: str | None,
        expected: tuple[str, str, bool, str | None],
    ) -> None:
        """Computed by hand from the three asks and two bids."""
        bound = None if limit is None else D(limit)
        walk = book().walk(side, shares=D(shares), limit=bound)
        got, usdc, complete, worst = expected
        assert walk == Walk(
            D(got), D(usdc), complete, None if worst is None else D(worst)
        )

    @pytest.mark.parametrize(
        ("side", "usdc", "limit", "expected"),
        [
            (Side.BUY, "20", None, ("50", "20", True, "0.40")),
            (Side.BUY, "40", None, ("100", "40", True, "0.40")),
            (Side.BUY, "44.5", None, ("110", "44.5", True, "0.45")),
            (Side.BUY, "310", None, ("600", "310", True, "0.60")),
            (Side.BUY, "311", None, ("600", "310", False, "0.60")),
            (Side.BUY, "200", "0.45", ("300", "130", False, "0.45")),
            (Side.SELL, "30.75", None, ("81", "30.75", True, "0.35")),
        ],
    )
    def test_money_is_spent_level_by_level(
        self,
        side: Side,
        usdc: str,
        limit: str | None,
        expected: tuple[str, str, bool, str],
    ) -> None:
        """A market order of the venue is stated in pUSD."""
        bound = None if limit is None else D(limit)
        walk = book().walk(side, usdc=D(usdc), limit=bound)
        got, spent, complete, worst = expected
        assert walk == Walk(D(got), D(spent), complete, D(worst))

    def test_money_is_spent_exactly_though_shares_are_a_quotient(self) -> None:
        """1 pUSD at 0.3 is no finite number of shares; the pUSD must not drift."""
        this = OrderBook("111", asks=[level("0.3", "10")])
        walk = this.walk(Side.BUY, usdc=D("1"))
        assert walk.usdc == 1
        assert abs(walk.shares * 3 - 10) < D("1e-20")

    @pytest.mark.parametrize(
        ("shares", "usdc", "reason"),
        [
            (None, None, "give either shares or usdc"),
            (D("1"), D("1"), "give either shares or usdc"),
            (D("0"), None, "the wanted amount must be above 0"),
            (D("-1"), None, "the wanted amount must be above 0"),
            (None, D("0"), "the wanted amount must be above 0"),
        ],
    )
    def test_an_unclear_wish_is_refused(
        self, shares: Decimal | None, usdc: Decimal | None, reason: str
    ) -> None:
        """Guessing which of two amounts is meant spends someone's money."""
        with pytest.raises(ValueError, match=f"^{reason}$"):
            book().walk(Side.BUY, shares=shares, usdc=usdc)

    def test_taking_nothing_has_no_price(self) -> None:
        """0 would look like a gift, and a division by 0 would crash."""
        assert OrderBook("111").walk(Side.BUY, shares=D("1")).price is None

    def test_the_effective_price_is_the_average_paid(self) -> None:
        """(100 x 0.40 + 100 x 0.45) / 200 = 0.425."""
        this = book()
        assert this.effective_price(Side.BUY, shares=D("200")) == D("0.425")
        assert this.effective_price_for_size(Side.BUY, D("200")) == D("0.425")
        assert this.effective_price(Side.BUY, usdc=D("85")) == D("0.425")
        assert this.effective_price(Side.SELL, shares=D("130")) == D("47.9") / 130

    def test_there_is_no_effective_price_beyond_the_depth(self) -> None:
        """An average over what there is would flatter the rest."""
        assert book().effective_price(Side.BUY, shares=D("601")) is None
        assert book().effective_price(Side.BUY, usdc=D("311")) is None
        assert book().effective_price_for_size(Side.SELL, D("131")) is None
