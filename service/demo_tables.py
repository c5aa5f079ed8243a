"""What the demo prints at its end: one table per question, then the proof."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TextIO

from ledger.values import ZERO, OrderStatus, text_of
from projections.read_models import ReadModels
from service.bootstrap import PAPER_ACCOUNT, read_models_path
from service.output import Form, write_rows

if TYPE_CHECKING:
    from service.demo import DemoReport

Row = dict[str, Any]

_STATUSES: Final = [str(status) for status in OrderStatus]
_SUMS: Final = ("paid", "received", "cost", "realized_pnl", "fees", "net")
_SHORT: Final = 18
_HASH_SHOWN: Final = 16


def write_report(report: "DemoReport", stream: TextIO) -> None:
    """Print the tables of a finished run; they are read from the read models."""
    out = _Writer(stream)
    out.line(f"Ran on {'; '.join(report.titles)}.")
    with ReadModels(read_models_path(report.data), PAPER_ACCOUNT) as models:
        out.table("Orders", _orders(models.query("orders")))
        out.table("Profit in pUSD", _profit(models.query("pnl")))
        out.table("Open positions", _positions(models.query("positions")))
        out.table("Account in pUSD", models.query("account"), hidden=("mode",))
        out.table("Comparisons with the venue", _comparisons(models))
    out.table("Events", [_events(report)])
    _imports(out, report)
    for problem in report.problems:
        out.line(f"not read: {problem}")
    _proof(out, report)


class _Writer:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def line(self, text: str = "") -> None:
        self._stream.write(f"{text}\n")

    def table(
        self, title: str, rows: Sequence[Row], *, hidden: Iterable[str] = ()
    ) -> None:
        self.line()
        if not rows:
            self.line(f"{title}: none")
            return
        self.line(title)
        columns = [name for name in rows[0] if name not in hidden]
        color = self._stream.isatty()
        write_rows(rows, columns, Form.TABLE, stream=self._stream, color=color)


def _orders(orders: Iterable[Row]) -> list[Row]:
    """Orders by strategy and status."""
    counts: dict[str, Counter[str]] = {}
    for order in orders:
        counts.setdefault(order["strategy"], Counter())[order["status"]] += 1
    used = [s for s in _STATUSES if any(count[s] for count in counts.values())]
    return [
        {"strategy": strategy, **{s: count[s] for s in used}, "all": count.total()}
        for strategy, count in sorted(counts.items())
    ]


def _profit(lines: Iterable[Row]) -> list[Row]:
    """Sums over the markets of each strategy."""
    sums: dict[str, dict[str, Decimal]] = {}
    markets: Counter[str] = Counter()
    for line in lines:
        into = sums.setdefault(line["strategy"], dict.fromkeys(_SUMS, ZERO))
        markets[line["strategy"]] += 1
        for name in _SUMS:
            into[name] += Decimal(line[name])
    return [
        {
            "strategy": strategy,
            "markets": markets[strategy],
            **{name: text_of(value) for name, value in into.items()},
        }
        for strategy, into in sorted(sums.items())
    ]


def _positions(lines: Iterable[Row]) -> list[Row]:
    shown = ("shares", "settled_shares", "avg_price", "cost", "realized_pnl")
    return [
        {
            "strategy": line["strategy"],
            "market": line["market_id"][:_SHORT],
            "outcome": line["outcome"],
            **{name: line[name] for name in shown},
        }
        for line in lines
        if line["shares"] != "0"
    ]


def _comparisons(models: ReadModels) -> list[Row]:
    seen = models.query("reconciliation")
    return [
        {
            "comparisons": len(seen),
            "order_differences": sum(row["order_diffs"] for row in seen),
            "position_differences": sum(row["position_diffs"] for row in seen),
            "still_open": len(models.query("open_drifts")),
        }
    ]


def _events(report: "DemoReport") -> Row:
    counts = report.counts
    return {
        "events": report.proof.events,
        "frames": counts.frames,
        "prices": counts.ticks,
        "markets": counts.markets,
        "resolved": counts.resolved,
        "seconds": f"{report.seconds:.1f}",
    }


def _imports(out: _Writer, report: "DemoReport") -> None:
    imported = [
        {
            "rows": one.rows,
            "recorded": one.recorded,
            "empty": one.empty,
            "markets": one.markets,
            **one.by_type,
        }
        for one in report.imports
    ]
    if imported:
        out.table("Imported history", imported)
    for one in report.outcomes:
        out.line()
        out.line(
            f"Finished bets: {one.closed} closed, {one.agreeing} of them with the"
            f" profit that stake, entry and exit give; in all {text_of(one.profit)}."
        )
        for text, count in one.refusals.items():
            out.line(f"  {count} x {text}")


def _proof(out: _Writer, report: "DemoReport") -> None:
    proof = report.proof
    out.line()
    if proof.holds:
        out.line(
            f"Verified: {proof.events} events, chain intact,"
            f" head {proof.head_hash[:_HASH_SHOWN]}; every stream replays;"
            f" {proof.rows} rows rebuilt from the log equal the kept ones."
        )
        out.line(f"Look further: order-ledger orders --data {report.data}")
        out.line(
            f"In a browser: order-ledger run --data {report.data}, and beside it"
            f" order-ledger open --data {report.data}; or: make dashboard"
        )
        return
    out.line("NOT VERIFIED:")
    for problem in proof.problems:
        out.line(f"  {problem}")
