"""What the SQL explorer says of the read models: units, and prepared queries."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from projections import MODELS

DATABASE: Final = "read_models"

_UNITS: Final = {
    "pUSD": (
        "cash cash_ledger cash_venue cost fee fees free_cash net paid paid_with_fees"
        " realized_pnl received reserved_cash"
    ),
    "pUSD per share": "avg_price payout price",
    "shares": (
        "bought filled pending_shares remaining requested_size reserved_shares settled"
        " settled_shares shares size sold"
    ),
    "in the log": "position",
    "per million": "failure_ppm",
}
"""What the numbers of a column count."""


def _utc(column: str) -> str:
    return f"datetime({column} / 1000000, 'unixepoch')"


_BY_STRATEGY: Final = "(:strategy = '' OR strategy = :strategy)"

_QUERIES: Final = {
    "newest_orders": {
        "title": "Newest orders",
        "description": "Sizes in shares, prices in pUSD per share, times in UTC."
        " Leave the strategy empty for all of them.",
        "sql": f"SELECT order_id, {_utc('requested_us')} AS requested_utc, strategy,"  # noqa: S608 -- our own text
        " market_id, outcome, side, size, price, status, done_reason, filled,"
        " avg_price, fees, refusal_text"
        f" FROM orders WHERE {_BY_STRATEGY}"
        " ORDER BY order_id DESC LIMIT 500",
    },
    "newest_fills": {
        "title": "Newest fills",
        "description": "Sizes in shares, prices in pUSD per share, fees in pUSD."
        " Leave the strategy empty for all of them.",
        "sql": f"SELECT trade_id, {_utc('first_us')} AS first_seen_utc, order_id,"  # noqa: S608 -- our own text
        " strategy, market_id, outcome, side, size, price, fee, role, settlement"
        f" FROM fills WHERE {_BY_STRATEGY}"
        " ORDER BY position DESC LIMIT 500",
    },
    "largest_positions": {
        "title": "Positions by cost",
        "description": "Shares, and cost, fees and profit in pUSD."
        " Leave the strategy empty for all of them.",
        "sql": "SELECT strategy, market_id, outcome, shares, settled_shares,"  # noqa: S608 -- our own text
        " pending_shares, avg_price, cost, fees, realized_pnl, payout"
        f" FROM positions WHERE {_BY_STRATEGY}"
        " ORDER BY abs(CAST(cost AS REAL)) DESC LIMIT 500",
    },
    "drifts_by_state": {
        "title": "Drifts, the open ones first",
        "description": "Where the ledger and the venue disagree, or did.",
        "sql": f"SELECT drift_id, {_utc('opened_us')} AS opened_utc,"  # noqa: S608 -- our own text
        f" {_utc('acknowledged_us')} AS acknowledged_utc,"
        f" {_utc('closed_us')} AS closed_utc, kind, subject, detail, times, note,"
        " reason FROM drifts ORDER BY closed_us IS NOT NULL, opened_us DESC LIMIT 500",
    },
}


def metadata() -> dict[str, Any]:
    """What Datasette is told about the read models."""
    units = {name: unit for unit, names in _UNITS.items() for name in names.split()}
    tables: dict[str, dict[str, Any]] = {
        model.name: {"columns": dict(_described(model.columns, units))}
        for model in MODELS.values()
    }
    tables["progress"] = {"hidden": True}
    database = {
        "description": "Rebuilt from the log at any time. Sizes are shares, money is"
        " pUSD, both as decimal text: CAST(size AS REAL) to sort or add up roughly.",
        "queries": _QUERIES,
        "tables": tables,
    }
    return {"title": "Read models", "databases": {DATABASE: database}}


def _described(
    columns: Iterable[str], units: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for name in columns:
        if name.endswith("_us"):
            yield name, "microseconds since 1970, UTC"
        elif name in units:
            yield name, units[name]
