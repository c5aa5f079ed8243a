"""POST /order and POST /orders: checks, the id, and every shape of the answer."""

from typing import Any, Final

import msgspec

from executors.exchange.auth import Account
from executors.exchange.engine import ExchangeMarket, Placed, Refused
from executors.exchange.venue import Call, Venue, refuse
from executors.exchange.wire import Headers, Refusal, Response, answer, parse
from executors.protocol import (
    PostBody,
    WireOrder,
    WireOrderV1,
    domain_of,
    order_id,
    recover_signer,
)
from ledger.errors import InvalidInputError

MAX_BATCH: Final = 15
_PAYLOAD: Final = "Invalid order payload"
_SIGNATURE: Final = "invalid signature"
_DEPOSIT_FLOW: Final = "maker address not allowed, please use the deposit wallet flow"
_EOA: Final = 0
_DEPOSIT_WALLET: Final = 3
_TYPES: Final = {"GTC", "GTD", "FOK", "FAK"}
_SERVER_ERROR: Final = 500
_TOO_EARLY: Final = 425
_DUPLICATED: Final = "is invalid. Duplicated."


async def post_order(venue: Venue, call: Call) -> Response:
    """Take one order."""
    account = call.owner
    headers = _limit(venue, account, 1)
    body = _parsed(call.request.body)
    result = await _place(venue, call, account, body)
    if isinstance(result, Refused):
        raise refuse(result)
    return answer(_accepted(result), headers=headers)


async def post_orders(venue: Venue, call: Call) -> Response:
    """Take up to 15 orders; each leg succeeds or fails by itself."""
    account = call.owner
    legs = _legs(call.request.body)
    if len(legs) > MAX_BATCH:
        text = f"Too many orders in payload: {len(legs)}, max allowed: {MAX_BATCH}"
        raise Refusal(400, text)
    headers = _limit(venue, account, len(legs))
    bodies = [_parsed(bytes(leg)) for leg in legs]
    results: list[Placed | Refused] = []
    for body in bodies:
        try:
            result = await _place(venue, call, account, body)
        except Refusal as refusal:
            told: dict[str, Any] = msgspec.json.decode(refusal.response.body)
            result = Refused(status=refusal.response.status, error=told["error"])
        results.append(result)
    closed = results and all(map(_is_closed, results))
    if closed and isinstance(results[0], Refused):
        raise refuse(results[0])
    return answer([_leg(result) for result in results], headers=headers)


def _legs(body: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(body, type=list[msgspec.Raw])
    except msgspec.DecodeError:
        raise Refusal(400, _PAYLOAD) from None


def _parsed(body: bytes) -> PostBody:
    try:
        return PostBody.parse(body)
    except InvalidInputError:
        # A body that is not JSON and one with a wrong field get the same words.
        parse(body, _PAYLOAD)
        raise Refusal(400, _PAYLOAD) from None


def _limit(venue: Venue, account: Account, amount: int) -> Headers:
    if venue.limits is None:
        return ()
    return venue.limits.on_orders(account.address, amount, venue.now_ms())


async def _place(
    venue: Venue, call: Call, account: Account, body: PostBody
) -> Placed | Refused:
    order = body.order
    order_type = body.order_type
    if not isinstance(order, venue.config.order_kind):
        raise Refusal(400, "order_version_mismatch")
    if body.owner != account.api_key:
        raise Refusal(400, "the order owner has to be the owner of the API KEY")
    market = venue.exchange.market_of(order.token_id)
    if market is None or order_type not in _TYPES:
        raise Refusal(400, _PAYLOAD)
    _check_wallet(venue, account, order)
    name = _checked_id(account, order, market)
    venue.accounts.bind(account.address, order.signature_type, order.maker)
    venue.fund_once(order.maker)
    if hide := call.faults.get("visible_after"):
        venue.hide(name, hide.lasts)
    result = venue.exchange.place(
        order,
        order_type,  # type: ignore[arg-type]  # checked above
        owner=account.api_key,
        order_id=name,
        post_only=body.post_only,
    )
    venue.wake()
    if isinstance(result, Refused):
        is_again = result.error.endswith(_DUPLICATED) and name in venue.placed
        if is_again and "duplicate_accepted" in call.faults:
            return Placed(order_id=name, status="live")
        return result
    venue.placed[name] = None
    return await _settled(venue, result)


def _check_wallet(
    venue: Venue, account: Account, order: WireOrder | WireOrderV1
) -> None:
    """Refuse a maker that cannot belong to this key.

    Raises:
        Refusal: 400, with the venue's words.
    """
    kind, maker, signer = order.signature_type, order.maker.lower(), order.signer
    if maker in venue.banned:
        raise Refusal(400, f"'{order.maker}' address banned")
    if maker in venue.closed_only and order.side == "BUY":
        raise Refusal(400, f"'{order.maker}' address in closed only mode")
    if kind == _DEPOSIT_WALLET:
        if isinstance(order, WireOrderV1) or maker != signer.lower():
            raise Refusal(400, _SIGNATURE)
        return
    if signer.lower() != account.address.lower():
        text = "the order signer address has to be the address of the API KEY"
        raise Refusal(400, text)
    if kind not in {0, 1, 2} or (kind == _EOA and maker != signer.lower()):
        raise Refusal(400, _SIGNATURE)
    if kind != _EOA and maker == signer.lower():
        raise Refusal(400, _DEPOSIT_FLOW)


def _checked_id(
    account: Account, order: WireOrder | WireOrderV1, market: ExchangeMarket
) -> str:
    """Compute the order's id after finding out who signed it.

    Raises:
        Refusal: 400, it was not signed by this key for this market's contract.
    """
    domain = domain_of(order, market.neg_risk)
    try:
        signer = recover_signer(order, *domain)
    except InvalidInputError:
        raise Refusal(400, _SIGNATURE) from None
    if signer.lower() != account.address.lower():
        raise Refusal(400, _SIGNATURE)
    return order_id(order, *domain)


async def _settled(venue: Venue, placed: Placed) -> Placed | Refused:
    """Wait out a short matching delay, as the venue's answer does."""
    if placed.due_ms is None:
        return placed
    wait_ms = placed.due_ms - venue.now_ms()
    if wait_ms > venue.config.wait_ms:
        return placed
    await venue.clock.sleep(max(0, wait_ms) / 1000)
    # The clock of a sleep and the one of the present may differ by a breath.
    for _ in range(100):
        venue.exchange.advance()
        ended = venue.exchange.outcome(placed.order_id)
        if ended is None or isinstance(ended, Refused) or ended.status != "delayed":
            return ended or placed
        await venue.clock.sleep(0.001)
    return placed


def _accepted(placed: Placed) -> dict[str, Any]:
    told: dict[str, Any] = {
        "errorMsg": "",
        "makingAmount": placed.making_amount,
        "orderID": placed.order_id,
        "status": placed.status,
        "success": True,
        "takingAmount": placed.taking_amount,
    }
    if placed.status == "live":
        told |= {"tradeIDs": [], "transactionsHashes": []}
    elif placed.status == "matched":
        told["tradeIDs"] = list(placed.trade_ids)
    elif placed.status == "unmatched":
        told |= {"makingAmount": "0", "orderID": "", "takingAmount": "0"}
    return told


def _leg(result: Placed | Refused) -> dict[str, Any]:
    if isinstance(result, Placed):
        return _accepted(result)
    # A refused leg says `success` all the same: its text is what counts.
    return {
        "errorMsg": result.error,
        "makingAmount": "",
        "orderID": "",
        "status": "",
        "success": True,
        "takingAmount": "",
    }


def _is_closed(result: Placed | Refused) -> bool:
    """Whether the whole exchange refused, and not this leg of a batch."""
    return isinstance(result, Refused) and (
        result.status == _TOO_EARLY
        or (result.status >= _SERVER_ERROR and not result.code)
    )
