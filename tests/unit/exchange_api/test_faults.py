"""Planned faults: where they strike, how often, and that plans are checked."""

import json

import pytest

from executors.exchange.faults import FaultPlan, FaultRule, parse_faults
from ledger.errors import InvalidInputError


def _hits(plan: FaultPlan, route: str, calls: int) -> list[int]:
    """Which calls were hit, counted from 1."""
    return [n for n in range(1, calls + 1) if plan.on_request(route)]


def test_the_nth_call_alone_is_hit() -> None:
    """A test that aims at the third post must not hit the second."""
    plan = FaultPlan([FaultRule(kind="answer_lost", on="POST /order", nth=(3, 5))])
    assert _hits(plan, "POST /order", 8) == [3, 5]


def test_only_calls_of_its_own_route_are_counted() -> None:
    """Reads between two posts must not move the aim."""
    plan = FaultPlan([FaultRule(kind="answer_lost", on="POST /order", nth=2)])
    assert not plan.on_request("POST /order")
    assert not plan.on_request("GET /data/orders")
    assert plan.on_request("POST /order")


def test_a_count_ends_the_fault() -> None:
    """A venue that never recovers cannot be used to test recovery."""
    plan = FaultPlan([FaultRule(kind="rate_limited", count=2)])
    assert _hits(plan, "POST /order", 6) == [1, 2]


def test_one_seed_hits_the_same_calls_and_another_hits_others() -> None:
    """A failure must be repeatable, and seeds must differ in what they try."""
    rule = FaultRule(kind="request_lost", probability=0.2)
    first, again, other = (
        _hits(FaultPlan([rule], seed=seed), "POST /order", 200) for seed in (1, 1, 2)
    )
    assert first == again != other
    assert 20 <= len(first) <= 60


def test_a_further_rule_does_not_move_the_hits_of_another() -> None:
    """Switching one more fault on must leave a found failure in place."""
    rule = FaultRule(kind="request_lost", probability=0.2)
    alone = FaultPlan([rule])
    beside = FaultPlan([rule, FaultRule(kind="slow", probability=0.5)])
    for _ in range(200):
        assert ("request_lost" in alone.on_request("POST /order")) is (
            "request_lost" in beside.on_request("POST /order")
        )


def test_a_stream_fault_never_hits_a_request() -> None:
    """`*` means every route, or every channel, not both."""
    plan = FaultPlan([FaultRule(kind="drop"), FaultRule(kind="slow")])
    assert set(plan.on_request("POST /order")) == {"slow"}
    assert set(plan.on_frame("user")) == {"drop"}


def test_routes_may_be_patterns() -> None:
    """Hitting all reads should not need a rule for each."""
    plan = FaultPlan([FaultRule(kind="slow", on="GET /data/*")])
    assert plan.on_request("GET /data/order/{id}")
    assert not plan.on_request("POST /order")


def test_what_fired_is_counted() -> None:
    """A run in which a fault never fired proves nothing about it."""
    plan = FaultPlan([FaultRule(kind="slow", nth=1)])
    plan.on_request("POST /order")
    plan.on_request("POST /order")
    assert plan.fired == {"slow": 1}


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        ([{"kind": "no_such_thing"}], "no_such_thing"),
        ([{"kind": "slow", "seconds": -1}], "seconds"),
        ([{"kind": "slow", "probability": 2}], "probability"),
        ([{"kind": "slow", "chance": 1}], "chance"),
        ({"rules": []}, "array"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_reason(plan: object, reason: str) -> None:
    """A misspelt fault that never fires would pass for a passed test."""
    with pytest.raises(InvalidInputError, match=reason):
        parse_faults(json.dumps(plan))


def test_a_plan_may_be_a_list_or_an_object() -> None:
    """Both ways of writing it are natural in JSON."""
    rules = [{"kind": "slow", "on": "POST /order", "seconds": 0.5, "nth": 2}]
    assert parse_faults(json.dumps(rules)) == parse_faults(
        json.dumps({"faults": rules})
    )
