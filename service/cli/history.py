"""`order` and `export`: what happened, event by event."""

import sys
from typing import Annotated, Final

import typer

from service.cli.options import Reading, Slice, command

_TIMELINE: Final = ("position", "at", "topic", "actor", "source", "status", "summary")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "order")(order)
    command(app, "export")(export)


def order(
    common: Reading,
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The order's id.")],
) -> None:
    """Show an order's timeline.

    Every event, on whose word it was recorded, and the status after it.

    \b
    Examples:
      order-ledger order 019a9c3e-7d5f-7000-8a54-0f9d0d1b7c11
      order-ledger order ID --as-of 120 -o json
    """
    from service.cli.models import TIMELINE_COLUMNS, opened_log, since_us_of
    from service.cli.reading import readable, readable_name
    from service.output import write_rows

    with opened_log(common) as models:
        entries = models.timeline(order_id, since_us_of(common))
    if common.limit is not None:
        entries = entries[max(len(entries) - common.limit, 0) :]
    write_rows(
        [readable(entry) for entry in entries],
        [readable_name(column) for column in TIMELINE_COLUMNS],
        common.output,
        shown=_TIMELINE,
        color=common.has_color(sys.stdout),
    )


def export(
    common: Slice,
    after: Annotated[
        int, typer.Option(min=0, metavar="POSITION", help="Only behind this position.")
    ] = 0,
) -> None:
    """Write events as JSON lines, oldest first.

    Signed orders are left out: they could be posted.

    \b
    Examples:
      order-ledger export > events.jsonl
      order-ledger export --after 1000 --limit 500 >> events.jsonl
      order-ledger export --since 7d | gzip > week.jsonl.gz
    """
    from itertools import islice

    from service.cli.models import opened_log, since_us_of
    from service.exporting import line_of

    with opened_log(common) as models:
        events = models.events(after, since_us_of(common))
        for recorded in islice(events, common.limit):
            sys.stdout.write(line_of(recorded) + "\n")
