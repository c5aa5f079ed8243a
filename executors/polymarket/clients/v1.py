"""The venue's former client, py-clob-client, which speaks protocol 1.

The production venue refuses such orders since 2026-04-28; a local exchange may
still speak so. The key is not handed to the client: it signs through a stand-in.
"""

import asyncio
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from executors.polymarket.clients.common import (
    draft_v1,
    given,
    named_wallet,
    quiet_loggers,
    raise_for_status,
    reject,
    signed,
)
from executors.polymarket.gateway import AnyOrder, OrderTerms, WalletInfo
from executors.polymarket.settings import WalletKind
from executors.protocol import (
    CHAIN_ID,
    Credentials,
    SigningKey,
    WireOrderV1,
    domain_of,
    sign,
)
from ledger.errors import OutcomeUnknownError

_PRODUCTION: Final = "polymarket.com"
_PROBE: Final = OrderTerms(
    token_id=str((1 << 255) + 12_345),
    side="SELL",
    maker_amount=7_770_000,
    taker_amount=1_961_925,
    salt=(1 << 53) - 1,
    timestamp_ms=0,
    expiration=1_795_351_965,
    fee_rate_bps=100,
)


class ClientV1:
    """`VenueClient` by py-clob-client; it asks with its own clock and time limits.

    Args:
        key: Signs orders and the request for credentials; never handed on.
        kind: What the owner believes the wallet to be; not DEPOSIT.
        funder: The wallet's address; may be empty for an EOA.
        rest_url: The trading API, which must not be the production venue's.
        credentials: Used as they are, if given; nothing is asked for then.

    Raises:
        VenueRejectedError: the host is the production venue's, code v1_refused.
    """

    def __init__(
        self,
        key: SigningKey,
        *,
        kind: WalletKind,
        rest_url: str,
        funder: str = "",
        credentials: Credentials | None = None,
    ) -> None:
        refuse_production(rest_url)
        self._key = key
        self._kind = kind
        self._funder = funder
        self._rest_url = rest_url
        self._credentials = credentials

    def wallet(self) -> WalletInfo:
        """The wallet, once the client agrees about its signature."""
        return self._wallet

    async def credentials(self) -> Credentials:
        """The account's credentials: as configured, else created or derived."""
        if self._credentials is None:
            self._credentials = await asyncio.to_thread(self._asked)
        return self._credentials

    def draft(self, terms: OrderTerms) -> WireOrderV1:
        """The order without its signature."""
        return draft_v1(terms, self._wallet)

    def sign(self, order: AnyOrder, neg_risk: bool) -> WireOrderV1:  # noqa: FBT001 -- the market's flag
        """Sign as the client would, byte for byte."""
        return signed(
            order, neg_risk, kind=WireOrderV1, key=self._key, wallet=self._wallet
        )

    @cached_property
    def _wallet(self) -> WalletInfo:
        if self._kind is WalletKind.DEPOSIT:
            reject("protocol 1 knows no deposit wallets (type 3)")
        address = named_wallet(self._key, self._kind, self._funder)
        wallet = WalletInfo(kind=self._kind, address=address, signer=self._key.address)
        probe = draft_v1(_PROBE, wallet)
        for neg_risk in (False, True):
            ours = sign(probe, self._key, *domain_of(probe, neg_risk))
            if ours.signature != clients_signature(probe, self._key, neg_risk=neg_risk):
                reject(
                    "the client signs an order otherwise than this program does",
                    code="signature_mismatch",
                )
        return wallet

    def _asked(self) -> Credentials:
        from py_clob_client.client import ClobClient
        from py_clob_client.exceptions import PolyApiException

        quiet_loggers()
        client = ClobClient(self._rest_url, chain_id=CHAIN_ID)
        client.signer = _StandIn(self._key)
        client.mode = client._get_client_mode()  # noqa: SLF001 -- it asks once, before
        try:
            found = client.create_or_derive_api_creds()
        except PolyApiException as error:
            if error.status_code is not None:
                raise_for_status(error.status_code, str(error.error_msg))
            found = None
        if found is None:
            msg = f"{self._rest_url} gave no credentials"
            raise OutcomeUnknownError(msg)
        return given(
            self._rest_url, found.api_key, found.api_secret, found.api_passphrase
        )


def refuse_production(rest_url: str) -> None:
    """Refuse the production venue, which takes no orders of protocol 1.

    Raises:
        VenueRejectedError: code v1_refused.
    """
    host = (urlsplit(rest_url).hostname or "").rstrip(".")
    if host == _PRODUCTION or host.endswith(f".{_PRODUCTION}"):
        reject(
            f"{host} refuses the orders of py-clob-client since 2026-04-28"
            " (order_version_mismatch); use polymarket-client",
            code="v1_refused",
        )


def clients_signature(order: WireOrderV1, key: SigningKey, *, neg_risk: bool) -> str:
    """What the client would send as the signature of an order of ours."""
    from py_clob_client.config import get_contract_config
    from py_order_utils.builders import OrderBuilder
    from py_order_utils.model import OrderData

    builder: Any = OrderBuilder(
        get_contract_config(CHAIN_ID, neg_risk).exchange,
        CHAIN_ID,
        _StandIn(key),
        salt_generator=lambda: order.salt,
    )
    theirs = builder.build_signed_order(
        OrderData(
            maker=order.maker,
            taker=order.taker,
            tokenId=order.token_id,
            makerAmount=str(order.maker_amount),
            takerAmount=str(order.taker_amount),
            side=0 if order.side == "BUY" else 1,
            feeRateBps=str(order.fee_rate_bps),
            nonce=str(order.nonce),
            signer=order.signer,
            expiration=str(order.expiration),
            signatureType=order.signature_type,
        )
    )
    return str(theirs.signature)


class _StandIn:
    """The client's signer, without a key in it that could be read."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def address(self) -> str:
        return self._key.address

    def get_chain_id(self) -> int:
        return CHAIN_ID

    def sign(self, message_hash: str) -> str:
        return self._key.sign_digest(bytes.fromhex(message_hash[2:])).hex()
