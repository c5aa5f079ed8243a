"""What strategies hand in: the intent, and the fills a venue reports.

These are borders: pydantic validates what comes in, and `InvalidInputError`
names the first field that is wrong.
"""

from collections.abc import Callable, Mapping
from datetime import MAXYEAR, UTC
from decimal import Decimal
from hashlib import blake2b
from typing import Annotated, Any, Final, Self, TypeVar

import msgspec
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ledger.errors import InvalidInputError
from ledger.values import (
    MAX_PLACES,
    ZERO,
    Money,
    Outcome,
    Price,
    Role,
    Settlement,
    Shares,
    Side,
    TimeInForce,
    money_from,
    price_from,
    shares_from,
    text_of,
)

StrategyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
"""1 to 64 letters, digits, dots, dashes, underscores."""

VenueText = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
"""An identifier of the venue's: printable ASCII without spaces."""

_MAX_FIELD: Final = 100

_M = TypeVar("_M", bound=BaseModel)


class OrderIntent(BaseModel):
    """One order that a strategy wants, before anyone decided anything.

    `size` is in outcome shares, `price` in pUSD per share: the worst price the
    strategy accepts.
    `idempotency_key` names the intent within the strategy, forever: the same
    key with the same content is the same order.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_max_length=256
    )

    strategy: StrategyName
    idempotency_key: Annotated[
        str, Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")
    ]
    market_id: VenueText
    outcome: Outcome
    side: Side
    size: Shares
    price: Price
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    expires_at: AwareDatetime | None = None
    max_slippage_bps: Money | None = None
    correlation_id: Annotated[str, Field(max_length=128, pattern=r"^[!-~]*$")] = ""
    note: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.post_only and not self.time_in_force.rests:
            msg = "post_only: is possible with GTC and GTD only"
            raise ValueError(msg)
        is_gtd, expires = self.time_in_force is TimeInForce.GTD, self.expires_at
        if is_gtd and expires is None:
            msg = "expires_at: is required with GTD"
            raise ValueError(msg)
        if expires is not None and not is_gtd:
            msg = "expires_at: is possible with GTD only"
            raise ValueError(msg)
        if expires is not None and not 1 < expires.year < MAXYEAR:
            msg = "expires_at: is out of range"  # another zone may not hold it
            raise ValueError(msg)
        if self.max_slippage_bps is not None and self.max_slippage_bps < ZERO:
            msg = "max_slippage_bps: must not be below 0"
            raise ValueError(msg)
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Validate untrusted data.

        Raises:
            InvalidInputError: names the first wrong field and the reason.
        """
        return _parsed(cls.model_validate, data)

    def fingerprint(self) -> str:
        """Identify the content: equal for equal intents, however written.

        Returns:
            32 hex digits over every field but the strategy and the key.
        """
        expires = self.expires_at
        content = "\n".join(
            (
                self.market_id,
                self.outcome,
                self.side,
                str(self.size.normalize()),
                str(self.price.normalize()),
                self.time_in_force,
                "post_only" if self.post_only else "",
                "" if expires is None else expires.astimezone(UTC).isoformat(),
                "" if self.max_slippage_bps is None else text_of(self.max_slippage_bps),
                self.correlation_id,
                self.note,
            )
        )
        return blake2b(content.encode(), digest_size=16).hexdigest()


class _FillFields(BaseModel):
    """What a witness's report of a fill must look like."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    trade_id: VenueText
    order_id: VenueText
    size: Shares
    price: Price
    fee: Money = ZERO
    role: Role = Role.TAKER
    status: Settlement = Settlement.MATCHED
    venue_time: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    tx_hash: Annotated[str, Field(max_length=100)] = ""


class UserFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One trade of one order of ours, as a witness reports it.

    `order_id` is the venue's order id; `size` our matched shares, `price` our
    price, `fee` what we paid in pUSD.
    `venue_time` is the venue's timestamp of the reported status in Unix
    milliseconds, absent when the witness has none.

    Untrusted data comes in through `parse`.
    The constructor, for executors that hold typed values already, checks the
    numbers and converts nothing.

    Raises:
        InvalidInputError: a number is no exact `Decimal` within its bounds.
    """

    trade_id: str
    order_id: str
    size: Decimal
    price: Decimal
    fee: Decimal = ZERO
    role: Role = Role.TAKER
    status: Settlement = Settlement.MATCHED
    venue_time: int | None = None
    tx_hash: str = ""

    def __post_init__(self) -> None:
        _check_exact("size", self.size, shares_from)
        _check_exact("price", self.price, price_from)
        _check_exact("fee", self.fee, money_from)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Validate untrusted data.

        Raises:
            InvalidInputError: names the first wrong field and the reason.
        """
        fields = _parsed(_FillFields.model_validate, data)
        return cls(**dict(fields))


def _check_exact(field: str, value: Decimal, read: Callable[[object], Decimal]) -> None:
    try:
        exact = read(value)
    except ValueError as error:
        raise InvalidInputError(field, str(error)) from None
    if exact is not value:
        reason = f"must be a Decimal of at most {MAX_PLACES} places"
        raise InvalidInputError(field, reason)


def _parsed(validate: Callable[[Any], _M], data: Mapping[str, Any]) -> _M:
    try:
        return validate(data)
    except ValidationError as error:
        raise invalid_input(error) from None


def invalid_input(error: ValidationError) -> InvalidInputError:
    """Turn pydantic's report into ours; the input itself is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    text = str(first["msg"]).removeprefix("Value error, ")
    field = ".".join(map(str, first["loc"]))
    if not field and ": " in text:
        field, text = text.split(": ", 1)
    # A field that we do not know is the sender's text, of any length.
    return InvalidInputError(field[:_MAX_FIELD] or "body", text)
