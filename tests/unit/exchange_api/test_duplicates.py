"""A second post of one order, in the world where the venue takes it for the first."""

import pytest

from executors.exchange.faults import FaultRule
from tests.unit.exchange_api.world import World, in_world

AGAIN = FaultRule(kind="duplicate_accepted", on="POST /order")


@pytest.mark.parametrize(("order_type", "status"), [("GTC", 200), ("FOK", 400)])
def test_a_killed_order_is_not_accepted_the_second_time(
    order_type: str, status: int
) -> None:
    """Else a strategy would hear of an order that rests, and there is none."""

    async def story(world: World) -> None:
        trader = await world.trader()
        name, order = trader.order(world.token(), "0.40")
        first = await trader.post(order, order_type)
        again = await trader.post(order, order_type)
        assert [first.status_code, again.status_code] == [status, status]
        assert (name in world.app.venue.placed) is (status == 200)

    in_world(story, faults=(AGAIN,))
