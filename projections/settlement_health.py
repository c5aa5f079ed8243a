"""How well each market's trades settle on chain."""

from projections.base import View

SETTLEMENT_HEALTH = View(
    name="settlement_health",
    columns={
        "market_id": str,
        "fills": int,
        "confirmed": int,
        "void": int,
        "unsettled": int,
        "failure_ppm": int,
        "oldest_unsettled_us": int,
    },
    key=("market_id",),
    select=(
        "SELECT market_id, count(*) AS fills, "
        "sum(settlement = 'CONFIRMED') AS confirmed, "
        "sum(settlement = 'FAILED') AS void, "
        "sum(settlement NOT IN ('CONFIRMED', 'FAILED')) AS unsettled, "
        "sum(settlement = 'FAILED') * 1000000 / count(*) AS failure_ppm, "
        "min(CASE WHEN settlement NOT IN ('CONFIRMED', 'FAILED') "
        "THEN first_us END) AS oldest_unsettled_us "
        "FROM fills WHERE size <> '0' GROUP BY market_id"
    ),
)
"""One row per market with a trade.

`failure_ppm` is void fills per million; the age of `oldest_unsettled_us` is for
the reader to take, who has a clock.
"""
