# mypy: disable-error-code="import-not-found,untyped-decorator"
"""The service keeps its own description, whatever is sent.

Every operation gets generated requests, well formed and not; the answers are held
against the description: no 5xx, no status, header or body that it does not have,
nothing malformed accepted, nothing without a token.
`--fuzz-examples 300` looks longer.
"""

from typing import Any, Final

from tests.fuzz.target import ANSWERS, OPTIONS, Target, described

SECONDS: Final = 30
CONFLICT: Final = 409

schema: Final = described(OPTIONS.examples)


@schema.parametrize()
def test_every_answer_is_one_that_is_described(case: Any, target: Target) -> None:
    """P10: no request can hurt; and whoever reads the description is not misled."""
    target.begin(case.operation.label)
    headers = {"Authorization": f"Bearer {target.token}"}
    answer = case.call(
        base_url=target.url, session=target.session, headers=headers, timeout=SECONDS
    )
    ANSWERS[case.operation.label][answer.status_code] += 1
    case.validate_response(
        answer, headers=headers, transport_kwargs={"base_url": target.url}
    )


def test_every_operation_was_reached() -> None:
    """A fuzzer that only ever sees 404 and 422 has tested the front door.

    What the ledger itself refuses, such as redeeming too early, was reached.
    """
    refused = {
        label
        for label, counts in ANSWERS.items()
        if not any(status < 300 or status == CONFLICT for status in counts)
    }
    assert refused == set()


def test_what_was_sent_left_the_service_whole(target: Target) -> None:
    """The fuzzer writes thousands of events: it must be as well as before."""
    with target.client() as client:
        assert client.get("/v1/ready").json()["ready"]
        health = client.get("/v1/health").json()
    assert health["log_failure"] == ""
    assert {task["state"] for task in health["tasks"].values()} == {"running"}
