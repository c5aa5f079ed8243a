"""What we sign is, byte for byte, what the venue's own clients sign."""

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from executors.polymarket.clients.official import clients_signature
from executors.polymarket.settings import WalletKind
from executors.protocol import (
    Credentials,
    PostBody,
    WireOrder,
    WireOrderV1,
    domain_of,
    market_amounts,
    order_amounts,
    order_id,
    sign_l1,
    signed_domain,
)
from ledger.errors import PreparationError, VenueRejectedError
from ledger.market import TICKS
from ledger.values import Side
from tests.unit.polymarket.kit import (
    CANARY,
    KEY,
    NOWHERE,
    POSITION,
    TOKEN,
    official,
    terms,
    v1,
    wallet_address,
)

OWNER = "550e8400-e29b-41d4-a716-446655440000"
FLAVOURS = [(TOKEN, False), (TOKEN, True), (POSITION, False)]


async def signed_by_the_client(wallet: str, token: str, neg_risk: bool) -> Any:
    """An order as the unmodified client signs it, with its own salt and time."""
    from polymarket import PRODUCTION
    from polymarket._internal.actions.orders.context import (
        resolve_order_exchange_address,
    )
    from polymarket._internal.actions.orders.types import OrderDraft
    from polymarket.clients.async_secure import AsyncSecureClient
    from polymarket.models.clob import ApiKeyCreds

    anything: Any = dict
    client = await AsyncSecureClient._create(
        private_key=CANARY,
        wallet=wallet,
        credentials=ApiKeyCreds.model_validate(
            {"apiKey": OWNER, "secret": "YWI=", "passphrase": "p"}
        ),
        validate_credentials=False,
    )
    draft: Any = OrderDraft(
        **anything(
            chain_id=137,
            exchange_address=resolve_order_exchange_address(
                PRODUCTION._config, asset_id=token, neg_risk=neg_risk
            ),
            expiration=1_795_352_965,
            funder_address=wallet,
            offered_amount=5_600_000,
            order_type="GTD",
            side="BUY",
            signer=KEY.address,
            requested_amount=10_000_000,
            asset_id=token,
        )
    )
    try:
        return await client._sign_order(draft, post_only=True)
    finally:
        await client.close()


class TestOfficialClient:
    @pytest.mark.parametrize("kind", WalletKind)
    @pytest.mark.parametrize(("token", "neg_risk"), FLAVOURS)
    async def test_signs_and_posts_the_same_bytes(
        self, kind: WalletKind, token: str, neg_risk: bool
    ) -> None:
        """A signature of our own making is worth the order only if it is theirs."""
        from polymarket._internal.actions.orders.post import build_post_order_request

        theirs = await signed_by_the_client(wallet_address(kind), token, neg_risk)
        ours = official(kind)
        order = ours.sign(
            ours.draft(
                terms(
                    token_id=token,
                    salt=theirs.salt,
                    timestamp_ms=theirs.timestamp,
                    expiration=1_795_352_965,
                )
            ),
            neg_risk,
        )
        assert order.signature == theirs.signature
        body = PostBody(order=order, order_type="GTD", owner=OWNER, post_only=True)
        _, fields = build_post_order_request(theirs, owner_api_key=OWNER)
        assert body.to_json() == json.dumps(fields, separators=(",", ":"))

    @pytest.mark.parametrize("kind", WalletKind)
    @pytest.mark.parametrize(("token", "neg_risk"), FLAVOURS)
    def test_a_signature_names_key_and_exchange(
        self, kind: WalletKind, token: str, neg_risk: bool
    ) -> None:
        """It is what the executor checks before it posts."""
        client = official(kind)
        order = client.sign(client.draft(terms(token_id=token)), neg_risk)
        assert signed_domain(order, KEY.address) == domain_of(order, neg_risk)

    async def test_a_session_key_of_the_client_is_recognised(self) -> None:
        """The exchange must read what the client sends for somebody's wallet."""
        theirs = await signed_by_the_client("0x" + "1" * 40, TOKEN, neg_risk=False)
        order = WireOrder(
            salt=theirs.salt,
            maker=theirs.maker,
            signer=theirs.signer,
            token_id=theirs.token_id,
            maker_amount=theirs.maker_amount,
            taker_amount=theirs.taker_amount,
            side=theirs.side,
            signature_type=theirs.signature_type,
            timestamp=theirs.timestamp,
            signature=theirs.signature,
        )
        assert order.signature_type == WalletKind.DEPOSIT
        assert order.signature.endswith("6492" * 16)
        domain = signed_domain(order, KEY.address)
        assert domain == domain_of(order, neg_risk=False)

    def test_asks_for_credentials_with_the_same_proof(self) -> None:
        """The client would have to be given the key to make it itself."""
        from polymarket._internal.l1_auth import sign_api_key_auth

        theirs = sign_api_key_auth(
            Account.from_key(CANARY), chain_id=137, timestamp=1_795_351_965, nonce=3
        )
        assert sign_l1(KEY, 1_795_351_965, 3) == theirs.signature

    def test_a_client_that_signs_otherwise_is_found_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A new version with another domain must not cost an order."""
        from polymarket._internal.actions.orders import typed_data

        monkeypatch.setattr(typed_data, "_PROTOCOL_NAME", "Another Exchange")
        with pytest.raises(VenueRejectedError) as caught:
            official().wallet()
        assert caught.value.code == "signature_mismatch"

    def test_a_client_with_other_contracts_is_found_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Addresses change at a cutover; the client's are the venue's."""
        from polymarket._internal.actions.orders import context

        monkeypatch.setattr(
            context, "resolve_exchange_address", lambda *_: "0x" + "1" * 40
        )
        with pytest.raises(VenueRejectedError, match="otherwise"):
            official().wallet()

    @pytest.mark.parametrize(
        "change", [{"maker": "0x" + "1" * 40}, {"signature_type": 1}]
    )
    def test_an_order_of_another_wallet_is_not_signed(
        self, change: dict[str, Any]
    ) -> None:
        """It would spend, or fail to spend, somebody else's money."""
        from msgspec.structs import replace

        client = official()
        with pytest.raises(PreparationError, match="another wallet"):
            client.sign(replace(client.draft(terms()), **change), neg_risk=False)

    def test_an_order_of_protocol_1_is_not_signed(self) -> None:
        """The venue refuses it."""
        with pytest.raises(PreparationError, match="protocol"):
            official().sign(v1().draft(terms()), neg_risk=False)

    def test_the_comparison_covers_what_is_signed(self) -> None:
        """If it ignored its order, it would agree with anything."""
        client = official()
        first, second = (client.draft(terms(salt=salt)) for salt in (1, 2))
        assert clients_signature(first, KEY, neg_risk=False) != clients_signature(
            second, KEY, neg_risk=False
        )


class TestAmountsOfTheClient:
    """`Decimal` in, integers out: where the two must agree, and do."""

    @given(
        st.sampled_from(TICKS),
        st.integers(1, 9_999),
        st.integers(1_000, 10**9),
        st.sampled_from(Side),
    )
    def test_agree(self, tick: Decimal, steps: int, cents: int, side: Side) -> None:
        """The venue checks amounts against the client's rules."""
        from polymarket._internal.actions.orders.limit import (
            _compute_limit_order_amounts,
        )
        from polymarket._internal.actions.orders.market import (
            _compute_market_order_amounts,
        )

        price = tick * (1 + steps % (int(1 / tick) - 1))
        amount = Decimal(cents) / 100
        limit = order_amounts(side=side, price=price, size=amount, tick=tick)
        assert (
            limit.maker_amount,
            limit.taker_amount,
        ) == _compute_limit_order_amounts(
            price=price, size=amount, side=side.value, tick_size=tick
        )
        market = market_amounts(side=side, price=price, amount=amount, tick=tick)
        assert (
            market.maker_amount,
            market.taker_amount,
        ) == _compute_market_order_amounts(
            amount=amount, price=price, side=side.value, tick_size=tick
        )


class TestClientV1:
    @pytest.mark.parametrize(
        "kind", [WalletKind.EOA, WalletKind.PROXY, WalletKind.SAFE]
    )
    @pytest.mark.parametrize("neg_risk", [False, True])
    def test_signs_and_posts_the_same_bytes(
        self, kind: WalletKind, neg_risk: bool
    ) -> None:
        """The client is handed the key here, and only here."""
        from py_clob_client.client import ClobClient
        from py_clob_client.clob_types import CreateOrderOptions, OrderArgs, OrderType
        from py_clob_client.utilities import order_to_json

        client = ClobClient(
            NOWHERE,
            key=CANARY,
            chain_id=137,
            signature_type=kind.value,
            funder=wallet_address(kind),
        )
        theirs = client.builder.create_order(
            OrderArgs(
                token_id=TOKEN, price=0.56, size=10, side="SELL", fee_rate_bps=100
            ),
            CreateOrderOptions(tick_size="0.01", neg_risk=neg_risk),
        )
        ours = v1(kind)
        order = ours.sign(
            ours.draft(
                terms(
                    side="SELL",
                    maker_amount=10_000_000,
                    taker_amount=5_600_000,
                    salt=theirs.order["salt"],
                    fee_rate_bps=100,
                )
            ),
            neg_risk,
        )
        assert order.signature == theirs.signature
        body = PostBody(order=order, order_type="GTC", owner=OWNER)
        assert body.to_json() == json.dumps(
            order_to_json(theirs, OWNER, OrderType.GTC),
            separators=(",", ":"),
            ensure_ascii=False,
        )

    def test_a_client_that_signs_otherwise_is_found_out(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As for the official one."""
        from py_clob_client import config

        other = type("Other", (), {"exchange": "0x" + "1" * 40})
        monkeypatch.setattr(config, "get_contract_config", lambda *_: other)
        with pytest.raises(VenueRejectedError) as caught:
            v1().wallet()
        assert caught.value.code == "signature_mismatch"

    def test_an_order_of_protocol_2_is_not_signed(self) -> None:
        """One client, one protocol."""
        with pytest.raises(PreparationError, match="protocol"):
            v1().sign(official().draft(terms()), neg_risk=False)

    def test_the_id_is_known_before_posting(self) -> None:
        """As for protocol 2."""
        order = v1().sign(v1().draft(terms()), neg_risk=False)
        assert isinstance(order, WireOrderV1)
        assert len(order_id(order, *domain_of(order, neg_risk=False))) == 66


async def test_configured_credentials_are_used_as_they_are() -> None:
    """An account may hold several; asking would hand out another."""
    mine = Credentials(api_key="k", secret="YWI=", passphrase="p")
    for client in (official(credentials=mine), v1(credentials=mine)):
        assert await asyncio.wait_for(client.credentials(), 5) is mine


def test_drafts_are_of_each_clients_protocol() -> None:
    """So the executor need not know which one it has."""
    assert isinstance(official().draft(terms()), WireOrder)
    assert isinstance(v1().draft(terms()), WireOrderV1)
