"""What the live demo prints at its end: both books side by side, then the proof."""

from typing import TYPE_CHECKING, TextIO

from service.output import Form, write_rows

if TYPE_CHECKING:
    from service.demo_live import LiveDemoReport

_HASH_SHOWN = 16


def write_live_report(report: "LiveDemoReport", stream: TextIO) -> None:
    """Print the tables of a finished run."""
    color = stream.isatty()
    found = report.comparison

    def table(title: str, rows: list[dict[str, object]]) -> None:
        stream.write(f"\n{title}\n")
        columns = list(rows[0])
        write_rows(rows, columns, Form.TABLE, stream=stream, color=color)

    stream.write(
        f"Two strategies traded at a local exchange with faults on; the ledger was"
        f" killed {_times(report.kills)} and started {_times(report.starts)}.\n"
    )
    table("Exchange and ledger", list(found.rows))
    table(
        "Orders",
        [
            {
                "lost": found.lost,
                "doubled": found.doubled,
                "unknown_at_the_kill": report.unknown_at_kill,
                "unknown_now": report.unknown,
                "left_open": 0 if report.is_healed else "some",
            }
        ],
    )
    fired = [{"fault": kind, "times": n} for kind, n in sorted(found.faults.items())]
    if fired:
        table("Faults that struck", fired)
    _verdict(report, stream)


def _verdict(report: "LiveDemoReport", stream: TextIO) -> None:
    proof, found = report.proof, report.comparison
    problems = [*found.problems, *proof.problems]
    if not report.is_healed:
        problems.append("something was still open when the time was up")
    if problems:
        stream.write("\nNOT VERIFIED:\n")
        stream.writelines(f"  {problem}\n" for problem in problems)
        return
    stream.write(
        f"\nVerified: {found.lost} orders lost, {found.doubled} doubled;"
        f" {proof.events} events, chain intact, head {proof.head_hash[:_HASH_SHOWN]};"
        f" {proof.rows} rows rebuilt from the log equal the kept ones;"
        f" {report.seconds:.0f} s.\n"
        f"Look further: order-ledger orders --data {report.data}\n"
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
