"""The venue's current client, polymarket-client: all that is taken from it.

It says of which kind a wallet is, asks for credentials, and is the measure of
our signatures: they are computed without it, because it takes milliseconds for
each, and compared with it once before the first order.

Several of its names used here are internal, so its version is pinned.
"""

import asyncio
from functools import cached_property
from typing import Any, Final

import msgspec

from executors.polymarket.clients.common import (
    draft_v2,
    given,
    named_wallet,
    quiet_loggers,
    raise_for_status,
    reject,
    signed,
)
from executors.polymarket.gateway import AnyOrder, OrderTerms, WalletInfo
from executors.polymarket.settings import PRODUCTION_REST, WalletKind
from executors.protocol import (
    Credentials,
    SigningKey,
    WireOrder,
    domain_of,
    sign,
    sign_l1,
)
from ledger.clock import Clock
from ledger.errors import OutcomeUnknownError

_KINDS: Final = {
    "EOA": WalletKind.EOA,
    "POLY_PROXY": WalletKind.PROXY,
    "GNOSIS_SAFE": WalletKind.SAFE,
    "DEPOSIT_WALLET": WalletKind.DEPOSIT,
}
_PROBE: Final = OrderTerms(
    token_id=str((1 << 255) + (1 << 64) + 12_345),
    side="SELL",
    maker_amount=7_770_000,
    taker_amount=1_961_925,
    salt=(1 << 53) - 1,
    timestamp_ms=1_795_351_965_214,
)
_PROBE_POSITION: Final = str((1 << 248) + 1)


class OfficialClient:
    """`VenueClient` by polymarket-client.

    Args:
        key: Signs orders and the request for credentials; never handed on.
        kind: What the owner believes the wallet to be.
        funder: The wallet's address; may be empty for an EOA.
        clock: Stamps the request for credentials.
        rest_url: The trading API.
        credentials: Used as they are, if given; nothing is asked for then.
    """

    def __init__(  # noqa: PLR0913 -- a wallet and where it trades
        self,
        key: SigningKey,
        *,
        kind: WalletKind,
        clock: Clock,
        funder: str = "",
        rest_url: str = PRODUCTION_REST,
        credentials: Credentials | None = None,
    ) -> None:
        self._key = key
        self._kind = kind
        self._clock = clock
        self._funder = funder
        self._rest_url = rest_url
        self._credentials = credentials

    def wallet(self) -> WalletInfo:
        """The wallet, once the client agrees about its kind and signature."""
        return self._wallet

    async def credentials(self) -> Credentials:
        """The account's credentials: as configured, else created or derived."""
        if self._credentials is None:
            await asyncio.to_thread(_load)
            self._credentials = await self._asked()
        return self._credentials

    def draft(self, terms: OrderTerms) -> WireOrder:
        """The order without its signature."""
        return draft_v2(terms, self._wallet)

    def sign(self, order: AnyOrder, neg_risk: bool) -> WireOrder:  # noqa: FBT001 -- the market's flag
        """Sign as the client would, byte for byte."""
        return signed(
            order, neg_risk, kind=WireOrder, key=self._key, wallet=self._wallet
        )

    @cached_property
    def _wallet(self) -> WalletInfo:
        address = named_wallet(self._key, self._kind, self._funder)
        _check_kind(self._key.address, address, self._kind)
        wallet = WalletInfo(kind=self._kind, address=address, signer=self._key.address)
        _check_signature(self._key, wallet)
        return wallet

    async def _asked(self) -> Credentials:
        from polymarket._internal.actions.auth import create_or_derive_api_key
        from polymarket._internal.l1_auth import ApiKeyAuthSignature
        from polymarket.clients._transport import AsyncTransport
        from polymarket.errors import (
            PolymarketError,
            RateLimitError,
            RequestRejectedError,
        )

        quiet_loggers()
        now = int(self._clock.now().timestamp())
        proof = ApiKeyAuthSignature(
            address=self._key.address,
            nonce=0,
            signature=sign_l1(self._key, now),
            timestamp=now,
        )
        transport = AsyncTransport(base_url=self._rest_url)
        try:
            found = await create_or_derive_api_key(transport, proof)
        except RequestRejectedError as error:
            raise_for_status(error.status, str(error))
        except RateLimitError as error:
            raise_for_status(429, str(error))
        except PolymarketError as error:
            msg = f"{self._rest_url} gave no credentials: {error}"
            raise OutcomeUnknownError(msg) from error
        finally:
            await transport.close()
        return given(self._rest_url, found.key, found.secret, found.passphrase)


def _load() -> None:
    """Import the client, which takes seconds, away from the event loop."""
    import polymarket._internal.actions.auth
    import polymarket.clients._transport  # noqa: F401


def _check_kind(signer: str, address: str, kind: WalletKind) -> None:
    """Compare with what the client makes of the wallet.

    The client takes a wallet that it cannot derive from the key for a deposit
    wallet with this key as a session key, and says nothing.
    """
    from polymarket import PRODUCTION
    from polymarket._internal.wallet import classify_account

    found = classify_account(
        signer=signer,
        wallet=address,
        config=PRODUCTION._config.wallet_derivation,  # noqa: SLF001 -- no public way
    )
    if found.signer_type != "OWNER":
        reject(
            f"wallet {address} does not belong to the key of {signer}: the client"
            " would trade as a session key of somebody's deposit wallet"
        )
    if _KINDS[found.wallet_type] is not kind:
        reject(
            f"wallet {address} is of type {_KINDS[found.wallet_type].value}"
            f" ({found.wallet_type}), not {kind.value}"
        )


def _check_signature(key: SigningKey, wallet: WalletInfo) -> None:
    """Compare one signature per exchange with what the client would send."""
    probe = draft_v2(_PROBE, wallet)
    position = msgspec.structs.replace(probe, token_id=_PROBE_POSITION)
    for order, neg_risk in ((probe, False), (probe, True), (position, False)):
        ours = sign(order, key, *domain_of(order, neg_risk))
        if ours.signature != clients_signature(order, key, neg_risk=neg_risk):
            reject(
                "the client signs an order otherwise than this program does",
                code="signature_mismatch",
            )


def clients_signature(order: WireOrder, key: SigningKey, *, neg_risk: bool) -> str:
    """What the client would send as the signature of an order of ours.

    Domain, typed data and wrapping are the client's; only the key is not handed
    to it, and a digest has one signature (RFC 6979).
    """
    from eth_account.messages import encode_typed_data
    from eth_hash.auto import keccak
    from polymarket._internal.actions.orders.typed_data import (
        build_order_signature,
        build_order_typed_data,
    )
    from polymarket.types import HexString

    theirs = _in_their_words(order, neg_risk=neg_risk)
    message = encode_typed_data(full_message=build_order_typed_data(theirs))
    digest = keccak(b"\x19" + message.version + message.header + message.body)
    plain = HexString(f"0x{key.sign_digest(digest).hex()}")
    return str(build_order_signature(theirs, plain))


def _in_their_words(order: WireOrder, *, neg_risk: bool) -> Any:
    from polymarket import PRODUCTION
    from polymarket._internal.actions.orders.context import (
        resolve_order_exchange_address,
    )
    from polymarket._internal.actions.orders.types import UnsignedOrder
    from polymarket._internal.protocol import is_v2_position_id

    config: Any = PRODUCTION._config  # noqa: SLF001 -- there is no public way
    build: Any = UnsignedOrder
    return build(
        builder=order.builder,
        chain_id=config.chain_id,
        exchange_address=resolve_order_exchange_address(
            config, asset_id=order.token_id, neg_risk=neg_risk
        ),
        expiration=order.expiration,
        maker=order.maker,
        maker_amount=order.maker_amount,
        metadata=order.metadata,
        order_type="GTC",
        salt=order.salt,
        side=order.side,
        signature_type=order.signature_type,
        signer=order.signer,
        taker_amount=order.taker_amount,
        timestamp=order.timestamp,
        token_id=order.token_id,
        protocol_version="3" if is_v2_position_id(order.token_id) else "2",
    )
