"""Where the events of an order lie on its line of time."""

from hypothesis import given
from hypothesis import strategies as st

from service.web.bars import WIDTH, bars, group_of, stages

TOPICS = (
    "order.requested.v1",
    "order.prepared.v1",
    "order.placed.v1",
    "fill.matched.v1",
    "fill.mined.v1",
    "fill.confirmed.v1",
    "order.cancelled.v1",
)


def test_an_idle_gap_is_drawn_short_and_marked() -> None:
    """Otherwise an hour on the book hides the 50 ms that matter."""
    laid = bars([(0, TOPICS[0]), (50_000, TOPICS[2]), (3_600_000_000, TOPICS[3])])
    assert [bar.gap for bar in laid] == [False, False, True]
    assert laid[1].width > laid[2].width
    assert laid[2].waited_us == 3_599_950_000


def test_equal_steps_are_drawn_alike() -> None:
    """A line of time that lies about proportions is decoration."""
    laid = bars([(n * 1_000, TOPICS[1]) for n in range(5)])
    assert len({bar.width for bar in laid[1:]}) <= 2


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=300))
def test_every_event_is_on_the_line_in_order(times: list[int]) -> None:
    """Whatever the times are, nothing is drawn outside or out of order."""
    events = [(us, TOPICS[n % len(TOPICS)]) for n, us in enumerate(times)]
    laid = bars(events)
    assert len(laid) == len(events)
    assert [bar.x for bar in laid] == sorted(bar.x for bar in laid)
    for bar in laid:
        assert bar.x >= 0
        assert bar.width > 0
        assert bar.x + bar.width <= WIDTH + 2


def test_every_topic_belongs_to_a_stage() -> None:
    """A new topic must not break the page of an order."""
    assert group_of("order.requested.v1") == "submit"
    assert group_of("fill.confirmed.v2") == "settle"
    assert group_of("something.else.v1") == "end"


def test_the_stages_add_up_to_the_life_of_the_order() -> None:
    """People ask where the time went."""
    line = [(0, TOPICS[0]), (5, TOPICS[1]), (60, TOPICS[2]), (90, TOPICS[3])]
    line.append((400, TOPICS[5]))
    found = stages(line)
    assert [stage.group for stage in found] == ["submit", "ack", "fill", "settle"]
    assert sum(stage.us for stage in found) == 400
