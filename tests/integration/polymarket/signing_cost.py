"""What one signature costs: the venue's clients, and ours.

Run from the root of the repository, best on an idle machine:

    python -m tests.integration.polymarket.signing_cost

`ECC_BACKEND_CLASS=eth_keys.backends.NativeECCBackend` before it shows the clients
as they are without coincurve.
"""

import itertools
import timeit
from collections.abc import Callable
from typing import Any

from eth_account import Account

from executors.polymarket.clients.official import _in_their_words
from executors.polymarket.settings import WalletKind
from executors.protocol import PostBody, domain_of, order_id, recover_signer
from tests.unit.polymarket.kit import CANARY, official, terms, v1

ROUNDS, CALLS = 5, 100
SALTS = itertools.count(1)


def micros(act: Callable[[], object]) -> int:
    """The least mean time of a call, in microseconds."""
    return round(min(timeit.repeat(act, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6)


def by_the_client(kind: WalletKind) -> Callable[[], object]:
    """What polymarket-client does for one order, without its look-ups."""
    from polymarket._internal.actions.orders.typed_data import (
        build_order_signature,
        build_order_typed_data,
    )
    from polymarket.types import HexString

    account, adapter = Account.from_key(CANARY), official(kind)

    def act() -> object:
        draft = adapter.draft(terms(salt=next(SALTS)))
        order = _in_their_words(draft, neg_risk=False)
        data = build_order_typed_data(order)
        signature = account.sign_typed_data(full_message=data).signature.hex()
        return build_order_signature(order, HexString(f"0x{signature}"))

    return act


def by_the_old_client() -> object:
    """What py-clob-client does for one order, without its look-ups."""
    from py_clob_client.clob_types import CreateOrderOptions, OrderArgs
    from py_clob_client.order_builder.builder import OrderBuilder
    from py_clob_client.signer import Signer

    return OrderBuilder(Signer(CANARY, 137)).create_order(
        OrderArgs(token_id=terms().token_id, price=0.56, size=10, side="BUY"),
        CreateOrderOptions(tick_size="0.01", neg_risk=False),
    )


def by_us(adapter: Any) -> Callable[[], object]:
    """What our adapter does for one order."""
    return lambda: adapter.sign(adapter.draft(terms(salt=next(SALTS))), False)


def prepared(adapter: Any) -> Callable[[], object]:
    """The same, with id, recovered signer and body: all the CPU of an order."""

    def act() -> object:
        order = adapter.sign(adapter.draft(terms(salt=next(SALTS))), False)
        domain = domain_of(order, neg_risk=False)
        body = PostBody(order=order, order_type="GTC").to_json()
        return order_id(order, *domain), recover_signer(order, *domain), body

    return act


def main() -> None:
    """Print microseconds per order."""
    for kind in (WalletKind.EOA, WalletKind.DEPOSIT):
        adapter = official(kind)
        adapter.wallet()
        print(
            f"type {kind.value}: polymarket-client {micros(by_the_client(kind))} us,"
            f" ours {micros(by_us(adapter))} us,"
            f" ours with id, recovery and body {micros(prepared(adapter))} us"
        )
    old = v1()
    old.wallet()
    print(
        f"V1: py-clob-client {micros(by_the_old_client)} us,"
        f" ours {micros(by_us(old))} us"
    )


if __name__ == "__main__":
    main()
