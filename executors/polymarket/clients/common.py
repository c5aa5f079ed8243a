"""What both adapters do alike: signing, and refusing what cannot trade."""

import logging
from typing import NoReturn, TypeVar

from executors.polymarket.gateway import AnyOrder, OrderTerms, WalletInfo
from executors.polymarket.settings import WalletKind
from executors.protocol import (
    Credentials,
    SigningKey,
    WireOrder,
    WireOrderV1,
    checksum_address,
    domain_of,
    sign,
)
from ledger.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    PreparationError,
    VenueRejectedError,
)

_Order = TypeVar("_Order", WireOrder, WireOrderV1)
_TRY_LATER = (425, 429)
_SERVER_ERRORS = 500
_MOST_TEXT = 200


def named_wallet(key: SigningKey, kind: WalletKind, funder: str) -> str:
    """The address that holds the money, as configured.

    Raises:
        VenueRejectedError: code wallet_kind, if it is missing where the kind
            needs one, is not an address, or is not the key's own for an EOA.
    """
    if not funder:
        if kind is WalletKind.EOA:
            return key.address
        # Without it the client would sign for the key's own, empty, address.
        reject(f"a wallet of type {kind.value} needs its address, the funder")
    try:
        address = checksum_address(funder)
    except InvalidInputError:
        address = ""
    if not address:
        reject("the funder must be 0x and 40 hexadecimal digits")
    if (kind is WalletKind.EOA) != (address == key.address):
        reject(
            f"wallet {address} cannot be of type {kind.value} for the key of"
            f" {key.address}: only type 0 holds the money at the key's own address"
        )
    return address


def reject(text: str, *, code: str = "wallet_kind") -> NoReturn:
    """Refuse to trade so."""
    raise VenueRejectedError(text, code=code)


def raise_for_status(status: int, text: str) -> NoReturn:
    """Tell a refusal of credentials from a venue that is not ready."""
    text = text[:_MOST_TEXT]
    if status in _TRY_LATER or status >= _SERVER_ERRORS:
        msg = f"the venue gave no credentials: HTTP {status} {text}"
        raise OutcomeUnknownError(msg)
    reject(
        f"the venue refused to give credentials: HTTP {status} {text};"
        " check the key, and this machine's clock",
        code="credentials",
    )


def quiet_loggers() -> None:
    """Keep the clients' network libraries from logging what they send.

    At DEBUG one of them prints every header, signatures among them.
    """
    for name in ("httpx", "httpcore", "hpack"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))


def given(host: str, *parts: object) -> Credentials:
    """Credentials of an answer: key, secret and passphrase.

    Raises:
        OutcomeUnknownError: one of them is missing.
    """
    texts = [part for part in parts if isinstance(part, str) and part]
    if len(texts) != len(parts):
        msg = f"{host} gave no credentials: its answer lacks a part"
        raise OutcomeUnknownError(msg)
    api_key, secret, passphrase = texts
    return Credentials(api_key=api_key, secret=secret, passphrase=passphrase)


def draft_v2(terms: OrderTerms, wallet: WalletInfo) -> WireOrder:
    """An order of protocol 2 or 3 of this wallet, unsigned."""
    return WireOrder(
        salt=terms.salt,
        maker=wallet.address,
        signer=wallet.order_signer,
        token_id=terms.token_id,
        maker_amount=terms.maker_amount,
        taker_amount=terms.taker_amount,
        side=terms.side,
        signature_type=wallet.kind.value,
        timestamp=terms.timestamp_ms,
        expiration=terms.expiration,
    )


def draft_v1(terms: OrderTerms, wallet: WalletInfo) -> WireOrderV1:
    """An order of protocol 1 of this wallet, unsigned."""
    return WireOrderV1(
        salt=terms.salt,
        maker=wallet.address,
        signer=wallet.order_signer,
        token_id=terms.token_id,
        maker_amount=terms.maker_amount,
        taker_amount=terms.taker_amount,
        side=terms.side,
        signature_type=wallet.kind.value,
        expiration=terms.expiration,
        fee_rate_bps=terms.fee_rate_bps,
    )


def signed(
    order: AnyOrder,
    neg_risk: bool,  # noqa: FBT001 -- the market's flag
    *,
    kind: type[_Order],
    key: SigningKey,
    wallet: WalletInfo,
) -> _Order:
    """Sign an order of this wallet.

    Raises:
        PreparationError: the order is of another protocol or another wallet.
    """
    if not isinstance(order, kind):
        msg = "the order is of another protocol than the client"
        raise PreparationError(msg)
    theirs = (order.maker, order.signer, order.signature_type)
    if theirs != (wallet.address, wallet.order_signer, wallet.kind.value):
        msg = f"the order names another wallet than {wallet.address}"
        raise PreparationError(msg)
    return sign(order, key, *domain_of(order, neg_risk))
