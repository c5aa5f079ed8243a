"""Reads the venue's activity rows: an account's history as the Data API tells it.

Source:
    Rows of `/activity`, and of `/v2/activity` with its other spelling, as kept in
    a wallet's recording of September 2026.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

from ledger.errors import RecordingError
from ledger.values import (
    ONE,
    ZERO,
    Outcome,
    Side,
    decimal_from,
    money_from,
    text_of,
)
from service.json_rows import records

CASH_TYPES: Final = frozenset(
    {"MAKER_REBATE", "REFERRAL_REWARD", "REWARD", "TAKER_REBATE", "YIELD"}
)
"""Types that only pay pUSD out to the account."""

IMPORTED_TYPES: Final = CASH_TYPES | {"TRADE", "SPLIT", "MERGE", "REDEEM"}
"""Types that become events; of any other nothing but the type is read."""

_MOST_PROBLEMS: Final = 20
_MAX_TEXT: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 253_370_764_800  # the year 9999, in seconds
_OUTCOMES: Final = (Outcome.YES, Outcome.NO)


class ActivityError(RecordingError):
    """Rows that cannot be read; nothing of the file was recorded.

    `problems` are sentences that begin with the row's place, the first ones only.
    """

    code = "bad_activity"
    hint = "accepted are the venue's activity rows: JSON lines, a list, or a page"

    def __init__(self, name: str, problems: Sequence[str], count: int) -> None:
        rows = "1 row" if count == 1 else f"{count} rows"
        super().__init__(f"{name}: {rows} cannot be read; nothing was recorded")
        self.problems = tuple(problems)


class ActivityRow(NamedTuple):
    """One row of the venue's account history.

    `size` in shares; `usdc` in pUSD as paid or received, fee included; `price`
    in pUSD per share, where the venue's rounding may show.
    `outcome` is `None` where the row is about both tokens or about none.
    `slug` is what the venue calls the market, "" where the row has none.
    """

    kind: str
    at: datetime
    wallet: str
    market_id: str
    outcome: Outcome | None
    side: Side | None
    size: Decimal
    usdc: Decimal
    price: Decimal
    tx_hash: str
    slug: str = ""

    def fingerprint(self) -> str:
        """Identify what the row says, in 32 hex digits.

        The names and pictures that come with a row may change from one download
        to the next and take no part.
        """
        content = "\n".join(
            text_of(part) if isinstance(part, Decimal) else str(part)
            for part in self[:-1]
        )
        return sha256(content.encode()).hexdigest()[:32]


def read_activity(
    path: str | Path, *, stdin: BinaryIO | None = None
) -> list[ActivityRow]:
    """Read and check a whole file.

    Args:
        path: JSON lines, a JSON list, or a page `{"data": [...]}`; plain or gzip;
            a folder that holds one such file; or "-".
        stdin: What "-" stands for; the process's own if absent.

    Returns:
        Rows in the order they happened.

    Raises:
        RecordingError: the file cannot be opened or holds no JSON.
        ActivityError: rows are wrong, or belong to different wallets.
    """
    rows: list[ActivityRow] = []
    problems: list[str] = []
    wrong = 0
    for where, record in records(path, stdin=stdin):
        try:
            row = parse_row(record)
            if rows and row.wallet != rows[0].wallet:
                _refuse("proxyWallet", "differs from the row before")
            rows.append(row)
        except ValueError as error:
            wrong += 1
            if len(problems) < _MOST_PROBLEMS:
                problems.append(f"{where}: {error}")
    if wrong:
        raise ActivityError(str(path), problems, wrong)
    # The venue lists the newest first, and many rows share a second.
    if rows and rows[0].at > rows[-1].at:
        rows.reverse()
    return sorted(rows, key=lambda row: row.at)


def parse_row(record: object) -> ActivityRow:
    """Read one row, in either of the venue's spellings.

    Raises:
        ValueError: names the field and says what is wrong with it.
    """
    if isinstance(record, ValueError):
        raise record
    if not isinstance(record, dict):
        _refuse("row", "must be an object")
    fields = _Fields(record)
    kind = fields.text("type").upper()
    if not kind:
        _refuse("type", "is missing")
    is_trade, is_imported = kind == "TRADE", kind in IMPORTED_TYPES
    moves_shares = is_imported and kind not in CASH_TYPES
    size = fields.amount("size") if moves_shares else ZERO
    if is_trade and not size:
        _refuse("size", "must be above 0")
    # The venue writes a row without size, token or outcome for a redemption that
    # finds nothing left.
    names_outcome = is_trade or (kind == "REDEEM" and size > ZERO)
    return ActivityRow(
        kind=kind,
        at=fields.time(),
        wallet=fields.text("proxyWallet").lower(),
        market_id=fields.market(is_needed=moves_shares),
        outcome=fields.outcome() if names_outcome else None,
        side=fields.side() if is_trade else None,
        size=size,
        usdc=fields.amount("usdcSize") if is_imported else ZERO,
        price=fields.price() if is_trade else ZERO,
        tx_hash=fields.text("transactionHash"),
        slug=fields.name("slug"),
    )


def _refuse(field: str, reason: str) -> NoReturn:
    msg = f"{field}: {reason}"
    raise ValueError(msg)


class _Fields:
    """The fields of one row under either spelling."""

    _OTHER: Final[Mapping[str, str]] = {
        "conditionId": "condition_id",
        "outcomeIndex": "outcome_index",
        "proxyWallet": "proxy_wallet",
        "transactionHash": "transaction_hash",
        "usdcSize": "usdc_size",
    }

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record

    def _get(self, name: str) -> Any:
        if name in self._record:
            return self._record[name]
        return self._record.get(self._OTHER.get(name, name))

    def text(self, name: str) -> str:
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            _refuse(name, f"must be text of at most {_MAX_TEXT} characters")
        if not (value.isascii() and value.isprintable()):
            _refuse(name, "must be printable ASCII")
        return value

    def name(self, field: str) -> str:
        """A name for people; one that we would not show is none."""
        try:
            return self.text(field)
        except ValueError:
            return ""

    def market(self, *, is_needed: bool) -> str:
        market = self.text("conditionId")
        if is_needed and not market:
            _refuse("conditionId", "is missing")
        return market

    def time(self) -> datetime:
        value = self._get("timestamp")
        if type(value) is not int or not 0 < value < _LATEST:
            _refuse("timestamp", "must be Unix seconds")
        return _EPOCH + timedelta(seconds=value)

    def amount(self, name: str) -> Decimal:
        number = self._number(name, money_from)
        if number < ZERO:
            _refuse(name, "must not be below 0")
        return number

    def price(self) -> Decimal:
        price = self._number("price", decimal_from)
        if not ZERO <= price <= ONE:
            _refuse("price", "must lie between 0 and 1")
        return price

    def outcome(self) -> Outcome:
        index = self._get("outcomeIndex")
        if type(index) is not int or index not in (0, 1):
            _refuse("outcomeIndex", "must be 0 or 1")
        return _OUTCOMES[index]

    def side(self) -> Side:
        side = self._get("side")
        if not isinstance(side, str) or side not in Side.__members__:
            _refuse("side", "must be BUY or SELL")
        return Side(side)

    def _number(self, name: str, read: Callable[[object], Decimal]) -> Decimal:
        value = self._get(name)
        if value is None:
            _refuse(name, "is missing")
        try:
            return read(value)
        except ValueError as error:
            _refuse(name, str(error))
