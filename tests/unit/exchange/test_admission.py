"""What the exchange refuses, in the venue's own words."""

from decimal import Decimal

import msgspec
import pytest

from executors.exchange.engine import Mode, Placed, Refused
from tests.unit.exchange.desk import MARKET, START_MS, YES, Signed, Venue, units


def ready() -> Venue:
    """A venue with one rich wallet and one ask of a stranger."""
    venue = Venue()
    venue.fund("m", yes=100)
    venue.fund("t", yes=100)
    venue.place("m", "SELL", YES, "0.5", 50)
    return venue


def refusal(answer: Placed | Refused) -> str:
    """The text of a refusal."""
    assert isinstance(answer, Refused)
    return answer.error


def test_price_off_the_grid_is_refused() -> None:
    """A stale tick size is the commonest refusal of a live bot."""
    text = refusal(ready().place("t", "BUY", YES, "0.505", 10))
    assert text.endswith("Price (0.505) breaks minimum tick size rule: 0.01")


def test_too_few_shares_are_refused() -> None:
    """The minimum is the market's."""
    text = refusal(ready().place("t", "BUY", YES, "0.4", 2))
    assert text.endswith("Size (2) lower than the minimum: 5")


def test_the_same_order_twice_is_a_duplicate_even_when_it_has_ended() -> None:
    """Duplicated proves that an earlier post arrived, and nothing else."""
    venue = ready()
    signed = Signed("0xT", YES, "BUY", units(2), units(5))
    for _ in range(2):
        answer = venue.exchange.place(signed, "GTC", owner="t", order_id="0xdd")
    assert refusal(answer) == "order 0xdd is invalid. Duplicated."
    venue.exchange.cancel_all("t")
    again = venue.exchange.place(signed, "GTC", owner="t", order_id="0xdd")
    assert refusal(again).endswith("Duplicated.")


def test_open_orders_reserve_their_money() -> None:
    """The venue counts what earlier orders may still cost."""
    venue = ready()
    venue.fund("p", cash=10)
    assert isinstance(venue.place("p", "BUY", YES, "0.4", 20), Placed)
    text = refusal(venue.place("p", "BUY", YES, "0.4", 10))
    assert text == (
        "not enough balance / allowance: the balance is not enough"
        " -> balance: 2000000, order amount: 4000000"
    )


def test_matched_but_unsettled_money_stays_reserved() -> None:
    """Failure mode 5: cash is there, and yet an order is refused."""
    venue = ready()
    venue.fund("p", cash=10)
    venue.place("p", "BUY", YES, "0.5", 20)
    assert venue.cash("p") == 10
    assert "not enough balance" in refusal(venue.place("p", "BUY", YES, "0.4", 10))


def test_unsettled_shares_cannot_be_sold() -> None:
    """Failure mode 4: selling right after a buy."""
    venue = ready()
    venue.fund("p", cash=10)
    venue.place("p", "BUY", YES, "0.5", 10)
    assert "not enough balance" in refusal(venue.place("p", "SELL", YES, "0.6", 10))
    venue.wait(60_000)
    assert isinstance(venue.place("p", "SELL", YES, "0.6", 10), Placed)


def test_an_allowance_below_the_amount_is_refused() -> None:
    """A wallet that never approved the contract cannot trade."""
    venue = ready()
    venue.exchange.set_allowance("0xT", units(1))
    text = refusal(venue.place("t", "BUY", YES, "0.4", 10))
    assert "the allowance is not enough" in text


def test_post_only_order_that_would_match_is_refused() -> None:
    """Post-only exists to never pay the taker fee."""
    answer = ready().place("t", "BUY", YES, "0.5", 10, post_only=True)
    assert refusal(answer) == "invalid post-only order: order crosses book"


def test_marketable_buy_below_one_dollar_is_refused() -> None:
    """The venue's smallest market BUY."""
    venue = ready()
    signed = Signed("0xT", YES, "BUY", units("0.5"), units(1))
    assert "min size: $1" in refusal(venue.send("t", signed, "FAK"))


def test_market_buy_with_more_than_two_decimals_of_money_is_refused() -> None:
    """A limit order's amounts posted as FAK: the venue's text names the rule."""
    venue = ready()
    signed = Signed("0xT", YES, "BUY", units("5.0505"), units("10.101"))
    assert refusal(venue.send("t", signed, "FAK")).startswith("invalid amounts")


@pytest.mark.parametrize("seconds", [0, 30])
def test_gtd_needs_an_expiration_far_enough_ahead(seconds: int) -> None:
    """The venue ends GTD orders a minute early, so a minute is no life at all."""
    expiration = START_MS // 1000 + seconds if seconds else 0
    answer = ready().place("t", "BUY", YES, "0.4", 10, "GTD", expiration=expiration)
    assert refusal(answer) == "invalid expiration"


def test_gtc_with_an_expiration_is_refused() -> None:
    """Only GTD orders end by themselves."""
    answer = ready().place("t", "BUY", YES, "0.4", 10, expiration=2_000_000_000)
    assert refusal(answer) == "invalid expiration"


def test_unknown_token_is_not_found() -> None:
    """A mistyped token must not look like an outage."""
    answer = ready().place("t", "BUY", "333", "0.4", 10)
    assert isinstance(answer, Refused)
    assert answer.status == 404


def test_market_that_does_not_accept_orders_says_so() -> None:
    """Not yet open is not a reason to give up for good."""
    venue = ready()
    venue.exchange.add_market(msgspec.structs.replace(MARKET, accepting_orders=False))
    answer = venue.place("t", "BUY", YES, "0.4", 10)
    assert refusal(answer) == "the market is not yet ready to process new orders"


def test_changed_tick_size_is_announced_and_holds() -> None:
    """Near 0 and 1 the grid gets finer while bots are running."""
    venue = ready()
    finer = msgspec.structs.replace(MARKET, tick_size=Decimal("0.001"))
    venue.exchange.add_market(finer)
    change = venue.market(YES, "tick_size_change")[0]
    assert (change["old_tick_size"], change["new_tick_size"]) == ("0.01", "0.001")
    assert isinstance(venue.place("t", "BUY", YES, "0.405", 10), Placed)


def test_cancel_only_refuses_orders_and_takes_cancels() -> None:
    """Risk can always be taken off."""
    venue = ready()
    placed = venue.place("t", "BUY", YES, "0.4", 10)
    assert isinstance(placed, Placed)
    venue.exchange.set_mode(Mode("cancel_only"))
    assert "cancel-only" in refusal(venue.place("t", "BUY", YES, "0.4", 10))
    answer = venue.exchange.cancel("t", [placed.order_id])
    assert not isinstance(answer, Refused)
    assert answer.canceled == [placed.order_id]


def test_disabled_refuses_cancels_as_well() -> None:
    """The one mode in which nothing can be done."""
    venue = ready()
    venue.exchange.set_mode(Mode("disabled"))
    answer = venue.exchange.cancel_all("t")
    assert isinstance(answer, Refused)
    assert answer.status == 503


def test_a_restart_is_followed_by_two_minutes_of_post_only() -> None:
    """Failure mode 18: bots that ignore it hammer a venue that is not ready."""
    venue = ready()
    venue.exchange.set_mode(Mode("restarting", venue.now_ms + 5_000))
    first = venue.place("t", "BUY", YES, "0.4", 10)
    assert isinstance(first, Refused)
    assert (first.status, first.error, first.retry_after_seconds) == (
        425,
        "service not ready",
        5,
    )
    venue.wait(5_000)
    second = venue.place("t", "BUY", YES, "0.4", 10)
    assert isinstance(second, Refused)
    assert (second.code, second.retry_after_seconds) == ("post_only_mode", 120)
    third = venue.place("t", "BUY", YES, "0.4", 10, post_only=True)
    assert isinstance(third, Placed)
    venue.wait(120_000)
    assert venue.exchange.mode == Mode()
    assert isinstance(venue.place("t", "BUY", YES, "0.4", 10), Placed)


def test_the_post_only_time_can_be_changed_while_running() -> None:
    """Nobody practises a restart by waiting two minutes."""
    venue = ready()
    config = msgspec.structs.replace(
        venue.exchange.config, post_only_after_restart_ms=1_000
    )
    venue.exchange.configure(config)
    venue.exchange.set_mode(Mode("restarting", venue.now_ms + 1_000))
    venue.wait(1_000)
    answer = venue.place("t", "BUY", YES, "0.4", 10)
    assert isinstance(answer, Refused)
    assert answer.retry_after_seconds == 1


def test_a_canceled_order_frees_its_money() -> None:
    """Money that stays locked ends a bot's day early."""
    venue = ready()
    venue.fund("p", cash=10)
    venue.place("p", "BUY", YES, "0.4", 20)
    venue.exchange.cancel_all("p")
    assert isinstance(venue.place("p", "BUY", YES, "0.4", 25), Placed)


def test_a_buy_must_leave_enough_for_its_fee() -> None:
    """The fee comes on top of a BUY, so all of the cash is too much."""
    venue = ready()
    market = msgspec.structs.replace(MARKET, fee_rate=Decimal("0.07"))
    venue.exchange.add_market(market)
    venue.fund("p", cash=10)
    text = refusal(venue.place("p", "BUY", YES, "0.5", 20))
    assert text.endswith("balance: 10000000, order amount: 10350000")
    assert isinstance(venue.place("p", "BUY", YES, "0.5", 19), Placed)
