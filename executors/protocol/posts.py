"""The body of POST /order, written as the venue's clients write it."""

import json
import re
from typing import Any, Final, Literal, Self, TypeVar

import msgspec

from executors.protocol.orders import WireOrder, WireOrderV1
from ledger.errors import InvalidInputError

_Kind = TypeVar("_Kind")

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES32: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_SIGNATURE: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_NUMBER: Final = re.compile(r"[0-9]{1,78}")
_UINT256: Final = 1 << 256
_NO_OWNER: Final = '"owner":""'


class PostBody(msgspec.Struct, frozen=True, kw_only=True):
    """One order on its way to the venue; `owner` is the API key.

    `order_type` is GTC, GTD, FOK or FAK.
    """

    order: WireOrder | WireOrderV1
    order_type: str
    owner: str = ""
    post_only: bool = False
    defer_exec: bool = False

    def to_json(self) -> str:
        """Write the text that polymarket-client sends, or py-clob-client for V1.

        Source:
            polymarket-client 0.14.0, py-clob-client 0.34.6; compared in tests.
        """
        return json.dumps(self.to_fields(), separators=(",", ":"))

    def to_fields(self) -> dict[str, Any]:
        """The same as an object, for a batch: POST /orders sends a list of them."""
        if isinstance(self.order, WireOrderV1):
            return {
                "order": _fields_v1(self.order),
                "owner": self.owner,
                "orderType": self.order_type,
                "postOnly": self.post_only,
            }
        fields = {
            "deferExec": self.defer_exec,
            "order": _fields(self.order),
            "orderType": self.order_type,
            "owner": self.owner,
        }
        return fields | ({"postOnly": True} if self.post_only else {})

    @classmethod
    def parse(cls, body: bytes | str) -> Self:
        """Read a body of any client; fields that are not known are ignored.

        An order that has a `timestamp` is of protocol 2 or 3, others of 1.

        Raises:
            InvalidInputError: names the field that is missing or malformed.
        """
        return cls._checked(_decoded(body, _Body))

    @classmethod
    def parse_batch(cls, body: bytes | str) -> tuple[Self, ...]:
        """Read the list that POST /orders sends.

        Raises:
            InvalidInputError: as for `parse`.
        """
        return tuple(map(cls._checked, _decoded(body, list[_Body])))

    @classmethod
    def _checked(cls, body: "_Body") -> Self:
        return cls(
            order=_order(body.order) if body.order.timestamp else _order_v1(body.order),
            order_type=body.order_type,
            owner=body.owner,
            post_only=body.post_only or False,
            defer_exec=body.defer_exec or False,
        )


def insert_owner(stored: str, owner: str) -> str:
    """Put the API key into a body that was written without it.

    Raises:
        InvalidInputError: the text has no empty owner.
    """
    head, found, tail = stored.rpartition(_NO_OWNER)
    if not found:
        field = "owner"
        raise InvalidInputError(field, "the stored body has no empty owner")
    return f'{head}"owner":{json.dumps(owner)}{tail}'


class _Order(msgspec.Struct, rename="camel"):
    """An order of either protocol as it arrives: numbers may be text."""

    salt: int | str
    maker: str
    signer: str
    token_id: int | str
    maker_amount: int | str
    taker_amount: int | str
    side: Literal["BUY", "SELL"]
    signature_type: Literal[0, 1, 2, 3]
    signature: str
    timestamp: int | str = ""
    metadata: str = ""
    builder: str = ""
    taker: str = ""
    expiration: int | str = 0
    nonce: int | str = 0
    fee_rate_bps: int | str = 0


class _Body(msgspec.Struct, rename="camel"):
    order: _Order
    order_type: Literal["GTC", "GTD", "FOK", "FAK"]
    owner: str
    post_only: bool | None = None
    defer_exec: bool | None = None


def _decoded(body: bytes | str, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        field = "body"
        raise InvalidInputError(field, str(error)) from None


def _order(raw: _Order) -> WireOrder:
    return WireOrder(
        **_common(raw),
        timestamp=_number("timestamp", raw.timestamp),
        metadata=_matching("metadata", raw.metadata, _BYTES32),
        builder=_matching("builder", raw.builder, _BYTES32),
    )


def _order_v1(raw: _Order) -> WireOrderV1:
    return WireOrderV1(
        **_common(raw),
        taker=_matching("taker", raw.taker, _ADDRESS),
        nonce=_number("nonce", raw.nonce),
        fee_rate_bps=_number("feeRateBps", raw.fee_rate_bps),
    )


def _common(raw: _Order) -> dict[str, Any]:
    return {
        "salt": _number("salt", raw.salt),
        "maker": _matching("maker", raw.maker, _ADDRESS),
        "signer": _matching("signer", raw.signer, _ADDRESS),
        "token_id": str(_number("tokenId", raw.token_id)),
        "maker_amount": _number("makerAmount", raw.maker_amount),
        "taker_amount": _number("takerAmount", raw.taker_amount),
        "side": raw.side,
        "signature_type": raw.signature_type,
        "expiration": _number("expiration", raw.expiration),
        "signature": _matching("signature", raw.signature, _SIGNATURE),
    }


def _number(field: str, value: int | str) -> int:
    if _NUMBER.fullmatch(str(value)) and int(value) < _UINT256:
        return int(value)
    raise InvalidInputError(field, "must be an unsigned number of 256 bits")


def _matching(field: str, text: str, pattern: re.Pattern[str]) -> str:
    if pattern.fullmatch(text):
        return text
    raise InvalidInputError(field, "must be 0x and the right number of hex digits")


def _fields(order: WireOrder) -> dict[str, Any]:
    return {
        "builder": order.builder,
        "expiration": str(order.expiration),
        "maker": order.maker,
        "makerAmount": str(order.maker_amount),
        "metadata": order.metadata,
        "salt": order.salt,
        "side": order.side,
        "signature": order.signature,
        "signatureType": order.signature_type,
        "signer": order.signer,
        "takerAmount": str(order.taker_amount),
        "timestamp": str(order.timestamp),
        "tokenId": order.token_id,
    }


def _fields_v1(order: WireOrderV1) -> dict[str, Any]:
    return {
        "salt": order.salt,
        "maker": order.maker,
        "signer": order.signer,
        "taker": order.taker,
        "tokenId": order.token_id,
        "makerAmount": str(order.maker_amount),
        "takerAmount": str(order.taker_amount),
        "expiration": str(order.expiration),
        "nonce": str(order.nonce),
        "feeRateBps": str(order.fee_rate_bps),
        "side": order.side,
        "signatureType": order.signature_type,
        "signature": order.signature,
    }
