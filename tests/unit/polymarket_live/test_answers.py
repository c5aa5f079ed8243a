"""What each answer of the venue proves: one test per row of the table."""

import json
from typing import Any

import pytest

from executors.polymarket.answers import (
    HIDDEN,
    MAX_RAW,
    Answer,
    NoAnswer,
    classify_batch,
    classify_cancel,
    classify_post,
)
from ledger.decide import ID_MISMATCH, CancelOutcome, PostOutcome
from tests.unit.polymarket_live.fixtures import message, text_of_file

ID = "0xff354cd7ca7539dfa9c28d90943ab5779a4eac34b9b37a757d7b32bdfb11790b"
OTHER = "0x06bc63e346ed4ceddce9efd6b3af37c8f8f440c92fe7da6b2d0f9e4ccbc50c42"

REFUSED, UNKNOWN = PostOutcome.REFUSED, PostOutcome.UNKNOWN
KILLED, LATER = PostOutcome.KILLED, PostOutcome.NOT_PROCESSED

INVALID = f"order {ID} is invalid. "

ROWS: list[tuple[int, str, PostOutcome, str]] = [
    # not accepted, and never with this configuration
    (400, "Invalid order payload", REFUSED, "invalid_order"),
    (400, "invalid signature", REFUSED, "invalid_signature"),
    (400, "order_version_mismatch", REFUSED, "order_version"),
    (
        400,
        "the order owner has to be the owner of the API KEY",
        REFUSED,
        "wrong_owner",
    ),
    (
        400,
        "the order signer address has to be the address of the API KEY",
        REFUSED,
        "wrong_signer",
    ),
    (
        400,
        "maker address not allowed, please use the deposit wallet flow",
        REFUSED,
        "wrong_maker",
    ),
    (400, "'0x12' address banned", REFUSED, "banned"),
    (400, "'0x12' address in closed only mode", REFUSED, "close_only"),
    # not accepted, another order may be
    (
        400,
        INVALID + "Price (0.505) breaks minimum tick size rule: 0.01",
        REFUSED,
        "tick_size",
    ),
    (400, INVALID + "Size (2) lower than the minimum: 5", REFUSED, "min_size"),
    (
        400,
        "invalid amounts, the market buy orders maker amount supports ...",
        REFUSED,
        "invalid_amounts",
    ),
    (
        400,
        "invalid amount for a marketable BUY order ($0.5), min size: $1",
        REFUSED,
        "min_notional",
    ),
    (400, "invalid expiration", REFUSED, "expiration"),
    (400, f"order {ID} crosses the book", REFUSED, "post_only_crosses"),
    (
        400,
        "invalid post-only order: order crosses book",
        REFUSED,
        "post_only_crosses",
    ),
    # an earlier post was accepted
    (400, INVALID + "Duplicated.", UNKNOWN, "duplicated"),
    # funds
    (400, "not enough balance / allowance", REFUSED, "insufficient_balance"),
    (
        400,
        (
            "not enough balance / allowance: the balance is not enough"
            " -> balance: 0, order amount: 5000000"
        ),
        REFUSED,
        "insufficient_balance",
    ),
    # killed, a normal end
    (
        400,
        "order couldn't be fully filled. FOK orders are fully filled or killed.",
        KILLED,
        "fok_killed",
    ),
    (
        400,
        (
            "no orders found to match with FAK order. FAK orders are partially"
            " filled or killed if no match is found."
        ),
        KILLED,
        "fak_killed",
    ),
    (
        400,
        "the market is not yet ready to process new orders",
        LATER,
        "market_not_ready",
    ),
    (
        400,
        "order match delayed due to market conditions",
        UNKNOWN,
        "match_delayed",
    ),
    (
        400,
        "order canceled in the CTF exchange contract",
        REFUSED,
        "canceled_on_chain",
    ),
    (
        400,
        "Too many orders in payload: 20, max allowed: 15",
        REFUSED,
        "batch_too_large",
    ),
    # whatever it was before, the venue made it a 400 or a 404
    (400, "context canceled", UNKNOWN, "context_canceled"),
    (404, "order not found", UNKNOWN, "http_404"),
    (400, "could not run the execution", UNKNOWN, "not_executed"),
    (401, "could not insert order: unauthorized", UNKNOWN, "not_inserted"),
    (400, "words of tomorrow", REFUSED, "refused"),
    (401, "Unauthorized/Invalid api key", REFUSED, "unauthorized"),
    (401, "Invalid L1 Request headers", REFUSED, "unauthorized"),
    (425, "service not ready", LATER, "restarting"),
    (429, "Too Many Requests", LATER, "rate_limited"),
    (500, "order timed out", LATER, "venue_timed_out"),
    (500, "could not insert order", UNKNOWN, "http_500"),
    (500, "could not run the execution", UNKNOWN, "http_500"),
    (500, "there are no matching orders", UNKNOWN, "http_500"),
    (500, "FOK orders are filled or killed", UNKNOWN, "http_500"),
    (500, "the trade contains rounding issues", UNKNOWN, "http_500"),
    (500, "the price of the taker's order has a discrepancy", UNKNOWN, "http_500"),
    (500, "words of tomorrow", UNKNOWN, "http_500"),
    (502, "bad gateway", UNKNOWN, "http_502"),
    (504, "gateway timeout", UNKNOWN, "http_504"),
    (408, "request timeout", UNKNOWN, "http_408"),
    (301, "", UNKNOWN, "http_301"),
    (
        503,
        "Trading is currently disabled. Check polymarket.com for updates",
        LATER,
        "disabled",
    ),
    (
        503,
        (
            "Trading is currently cancel-only. New orders are not accepted,"
            " but cancels are allowed."
        ),
        LATER,
        "cancel_only",
    ),
    (
        503,
        "post-only mode: only post-only orders and cancels are allowed",
        LATER,
        "post_only_mode",
    ),
    (503, "words of tomorrow", UNKNOWN, "http_503"),
    (500, "Trading is currently disabled", UNKNOWN, "http_500"),
]


def error(status: int, text: str, **headers: str) -> Answer:
    """An error as the venue words it."""
    return Answer(status=status, headers=headers, text=json.dumps({"error": text}))


def said(body: Any) -> Answer:
    """A 200 with this body."""
    return Answer(status=200, text=body if isinstance(body, str) else json.dumps(body))


@pytest.mark.parametrize(("status", "text", "outcome", "code"), ROWS)
def test_an_error_proves_what_the_table_says(
    status: int, text: str, outcome: PostOutcome, code: str
) -> None:
    """Read wrongly, one of them buys twice, or forgets an order that works."""
    found = classify_post(error(status, text), ID)
    assert (found.outcome, found.code) == (outcome, code)


@pytest.mark.parametrize(
    "row", message("http_errors"), ids=lambda r: r["body"]["error"]
)
def test_a_documented_error_agrees_with_its_documented_proof(row: Any) -> None:
    """The captured bodies, not our typing of them."""
    if not row["endpoint"].startswith(("POST", "any")):
        pytest.skip("not about a post")
    answer = Answer(status=row["http_status"], text=json.dumps(row["body"]))
    wanted = {
        "REJECTED": {REFUSED, LATER},
        "EXISTS": {UNKNOWN},
        "VERIFY": {UNKNOWN},
        "KILLED": {KILLED, UNKNOWN},
        "NOT_PROCESSED": {LATER},
        "UNKNOWN": {UNKNOWN},
    }
    assert (
        classify_post(answer, ID).outcome in wanted[row["placement_outcome"].split()[0]]
    )


def test_html_from_the_edge_is_a_refusal() -> None:
    """A geoblock answers with a page; the order never got past it."""
    page = Answer(status=403, text="<html>Attention Required!</html>")
    found = classify_post(page, ID)
    assert (found.outcome, found.code) == (REFUSED, "http_403")
    assert "Attention" in found.text


def test_no_answer_proves_nothing() -> None:
    """A timeout may have filled: the story of a threefold position."""
    found = classify_post(NoAnswer("ReadTimeout"), ID)
    assert (found.outcome, found.code) == (UNKNOWN, "no_answer")
    assert found.text == "ReadTimeout"


@pytest.mark.parametrize(
    "text", ["", "<html>", "[]", "null", '{"success":tru', "1e999"]
)
def test_an_unreadable_200_proves_nothing(text: str) -> None:
    """It was accepted by somebody; nobody knows whether by the exchange."""
    found = classify_post(said(text), ID)
    assert found.outcome is UNKNOWN
    if text != "{}":
        assert found.code == "unreadable"


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("post_order_response_live", PostOutcome.LIVE),
        ("post_order_response_matched", PostOutcome.MATCHED),
        ("post_order_response_matched_pre_20260724", PostOutcome.MATCHED),
        ("post_order_response_delayed", PostOutcome.DELAYED),
        ("post_order_response_unmatched", UNKNOWN),
        ("post_order_response_rejected_balance", REFUSED),
    ],
)
def test_a_captured_200_means_what_its_fields_say_together(
    name: str, outcome: PostOutcome
) -> None:
    """`success` alone is no criterion."""
    assert classify_post(said(text_of_file(name)), ID).outcome is outcome


def leg(**changes: Any) -> dict[str, Any]:
    """An accepted order, changed."""
    return {"success": True, "errorMsg": "", "orderID": ID, "status": "live"} | changes


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"errorMsg": None}, PostOutcome.LIVE, ""),
        ({"orderID": ID.upper().replace("X", "x")}, PostOutcome.LIVE, ""),
        ({"orderID": ""}, UNKNOWN, "contradiction"),
        ({"orderID": None}, UNKNOWN, "contradiction"),
        ({"orderID": 7}, UNKNOWN, "contradiction"),
        ({"status": ""}, UNKNOWN, "contradiction"),
        ({"status": "unmatched"}, UNKNOWN, "unmatched"),
        ({"status": "novel"}, UNKNOWN, "novel"),
        ({"errorMsg": "no", "orderID": ""}, UNKNOWN, "contradiction"),
        ({"errorMsg": "no"}, UNKNOWN, "contradiction"),
        ({"success": False, "errorMsg": ""}, UNKNOWN, "contradiction"),
        ({"success": False, "errorMsg": "no"}, UNKNOWN, "contradiction"),
        ({"success": False, "errorMsg": "no", "orderID": ""}, REFUSED, "refused"),
        ({"success": "yes"}, UNKNOWN, "contradiction"),
    ],
)
def test_a_single_200_that_contradicts_itself_proves_nothing(
    changes: dict[str, Any], outcome: PostOutcome, code: str
) -> None:
    """A refusal that was an acceptance leaves an order nobody watches."""
    found = classify_post(said(leg(**changes)), ID)
    assert (found.outcome, found.code) == (outcome, code)


@pytest.mark.parametrize("in_batch", [False, True])
@pytest.mark.parametrize(
    "reason",
    [
        "could not insert order",
        "could not run the execution",
        "there are no matching orders",
        "the trade contains rounding issues",
        "the price of the taker's order has a discrepancy",
    ],
)
def test_what_proves_nothing_in_an_error_proves_nothing_in_a_200(
    reason: str, *, in_batch: bool
) -> None:
    """The engine's own trouble, told politely, may still have left an order."""
    body = leg(success=False, errorMsg=reason, orderID="", status="")
    if in_batch:
        (found,) = classify_batch(said([body]), [ID])
    else:
        found = classify_post(said(body), ID)
    assert found.outcome is UNKNOWN


def test_an_answer_about_another_order_says_so() -> None:
    """What is signed is not what counts there: trading must stop."""
    found = classify_post(said(leg(orderID=OTHER)), ID)
    assert (found.outcome, found.code) == (UNKNOWN, ID_MISMATCH)
    assert OTHER in found.text
    refused = classify_post(error(400, f"order {OTHER} is invalid. Duplicated."), ID)
    assert (refused.outcome, refused.code) == (UNKNOWN, ID_MISMATCH)


def test_the_raw_body_is_kept_but_not_all_of_it() -> None:
    """The text is evidence; a page of it is a burden."""
    assert classify_post(said(leg()), ID).text == said(leg()).text
    assert len(classify_post(Answer(status=500, text="x" * 9000), ID).text) == MAX_RAW


@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_echo_of_the_order_does_not_tell_its_signature(status: int) -> None:
    """The text goes into the log and to every reader; the signature must not."""
    signature = "0x" + "5c" * 65
    echo = json.dumps({"error": "no", "signature": signature, "owner": ""})
    found = classify_post(Answer(status=status, text=echo), ID)
    assert HIDDEN in found.text
    assert "5c5c" not in found.text


@pytest.mark.parametrize(
    ("headers", "body", "wait_ms"),
    [
        ({"retry-after": "2"}, {}, 2000),
        ({"retry-after": "0.5"}, {}, 500),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, 0),
        ({}, {"retry_after_seconds": 79}, 79_000),
        ({}, {"retry_after_seconds": -1}, 0),
        ({}, {"retry_after_seconds": "NaN"}, 0),
        ({}, {}, 0),
    ],
)
def test_the_wait_that_the_venue_asks_for_is_passed_on(
    headers: dict[str, str], body: dict[str, Any], wait_ms: int
) -> None:
    """Asked again too soon, the venue refuses for longer."""
    text = json.dumps({"error": "service not ready"} | body)
    found = classify_post(Answer(status=425, headers=headers, text=text), ID)
    assert (found.outcome, found.retry_after_ms) == (LATER, wait_ms)


# Batches


def test_each_leg_of_a_batch_is_read_for_itself() -> None:
    """One refused leg must not refuse, nor accept, its neighbours."""
    ids = [ID, OTHER, "0x" + "3" * 64]
    found = classify_batch(said(text_of_file("post_orders_response_mixed")), ids)
    assert [one.outcome for one in found] == [
        PostOutcome.LIVE,
        PostOutcome.MATCHED,
        LATER,
    ]
    assert found[2].code == "token_rate_limited"


def test_a_refused_leg_may_claim_success() -> None:
    """In a batch the reason counts, not the flag."""
    body = text_of_file("post_orders_response_post_only_mode")
    found = classify_batch(said(body), [ID, OTHER])
    assert {(one.outcome, one.code) for one in found} == {(LATER, "post_only_mode")}


def test_a_leg_that_is_missing_is_unknown_and_not_refused() -> None:
    """Which one is missing is told by the ids, not by the position."""
    third = "0x" + "3" * 64
    body = [leg(), leg(orderID=third)]
    found = classify_batch(said(body), [ID, OTHER, third])
    assert [one.outcome for one in found] == [
        PostOutcome.LIVE,
        UNKNOWN,
        PostOutcome.LIVE,
    ]
    assert found[1].code == "missing_leg"


def test_a_refusal_without_id_in_a_short_batch_is_nobodys() -> None:
    """Given to the wrong order, it would forget one that works."""
    body = [{"success": True, "errorMsg": "no", "orderID": "", "status": ""}]
    found = classify_batch(said(body), [ID, OTHER])
    assert {one.outcome for one in found} == {UNKNOWN}


@pytest.mark.parametrize("others", [[], [leg(), leg()]])
def test_a_foreign_id_in_a_batch_of_another_length_says_so(others: list[Any]) -> None:
    """Whichever of them it was meant for, what was signed is not what counts."""
    body = [leg(orderID="0x" + "3" * 64), *others]
    found = classify_batch(said(body), [ID, OTHER])
    assert {(one.outcome, one.code) for one in found} == {(UNKNOWN, ID_MISMATCH)}


@pytest.mark.parametrize("body", ["", "{}", "[1,2]", json.dumps([leg()] * 3)])
def test_an_unreadable_batch_leaves_every_leg_unknown(body: str) -> None:
    """Each of them may be working."""
    found = classify_batch(said(body), [ID, OTHER])
    assert {one.outcome for one in found} == {UNKNOWN}


def test_a_lost_batch_leaves_every_leg_unknown() -> None:
    """A transport error says nothing about any of them."""
    found = classify_batch(NoAnswer("reset"), [ID, OTHER])
    assert {one.outcome for one in found} == {UNKNOWN}


def test_an_error_of_the_whole_batch_is_every_legs() -> None:
    """429 is all or nothing."""
    found = classify_batch(error(429, "Too Many Requests"), [ID, OTHER])
    assert {one.outcome for one in found} == {LATER}


def test_an_error_about_one_leg_proves_nothing_about_the_others() -> None:
    """The venue words it for one order and may have taken the rest."""
    answer = error(400, f"order {ID} is invalid. Price (2) breaks minimum tick size")
    first, second = classify_batch(answer, [ID, OTHER])
    assert (first.outcome, second.outcome) == (REFUSED, UNKNOWN)
    assert second.code == "other_leg"


def test_a_leg_with_a_foreign_id_says_so() -> None:
    """As with a single order: trading must stop."""
    foreign = "0x" + "9" * 64
    found = classify_batch(
        said([leg(orderID=foreign), leg(orderID=OTHER)]), [ID, OTHER]
    )
    assert found[0].code == ID_MISMATCH
    assert found[1].outcome is PostOutcome.LIVE


# Cancels


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("cancel_response_ok", CancelOutcome.CANCELED),
        ("cancel_response_not_canceled", CancelOutcome.NOT_CANCELED),
        ("cancel_response_partial", CancelOutcome.UNKNOWN),
    ],
)
def test_a_cancel_is_read_for_our_id(name: str, outcome: CancelOutcome) -> None:
    """The venue answers 200 whatever became of it."""
    assert classify_cancel(said(text_of_file(name)), ID).outcome is outcome


def test_a_cancel_of_many_names_the_reason_of_each() -> None:
    """The reason is what a person reads."""
    body = text_of_file("cancel_response_partial")
    found = classify_cancel(said(body), "0x" + "3" * 64)
    assert found.outcome is CancelOutcome.NOT_CANCELED
    assert found.text == "order already matched"
    assert (
        classify_cancel(said(body), "0x" + "1" * 64).outcome is CancelOutcome.CANCELED
    )


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer("reset"),
        said("<html>"),
        said({}),
        said({"canceled": "all"}),
        said({"canceled": [ID], "not_canceled": {ID: "no"}}),
        error(425, "service not ready"),
        error(429, "Too Many Requests"),
        error(401, "Unauthorized/Invalid api key"),
        error(500, "anything"),
        error(503, "Trading is currently disabled"),
    ],
)
def test_anything_else_leaves_a_cancel_unknown(answer: Answer | NoAnswer) -> None:
    """The wish stays until a look-up shows the order's end."""
    assert classify_cancel(answer, ID).outcome is CancelOutcome.UNKNOWN


def test_a_malformed_id_cannot_be_canceled() -> None:
    """Asked again, the answer would be the same."""
    found = classify_cancel(error(400, "Invalid orderID"), "0x1")
    assert found.outcome is CancelOutcome.NOT_CANCELED
