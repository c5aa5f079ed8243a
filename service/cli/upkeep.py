"""`verify`, `replay`, `reconcile` and `doctor`: is it right, and make it so."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import Showing, command

if TYPE_CHECKING:
    from ledger.manager import ReconciliationResult


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "reconcile")(reconcile)
    command(app, "replay")(replay)
    command(app, "verify")(verify)
    command(app, "doctor")(doctor)


def reconcile(common: Showing) -> None:
    """Compare the ledger with the venue.

    Prints what differs. Ends with exit code 4 when something differs, 5 when the venue is silent.

    \b
    Examples:
      order-ledger reconcile
      order-ledger reconcile --set execution.position_tolerance=0.1 -o json
    """
    from service.bootstrap import open_ledger, refuse_unusable
    from service.cli.failures import Exit, Failure
    from service.cli.models import require_ledger
    from service.output import write_rows

    settings = common.settings()
    refuse_unusable(settings)
    require_ledger(common.data)

    async def run() -> "ReconciliationResult":
        opened = await open_ledger(settings, common.data)
        try:
            return await opened.reconciler.reconcile()
        finally:
            await opened.close()

    result = asyncio.run(run())
    if not result.answered:
        raise Failure(
            Exit.VENUE,
            "venue_silent",
            "the venue did not answer; nothing was compared",
            hint="run it again later",
        )
    from ledger.manager.reconciler import describe

    rows = [
        {"drift_id": mismatch.drift_id, "detail": describe(mismatch)}
        for mismatch in result.mismatches
    ]
    write_rows(
        rows,
        ("drift_id", "detail"),
        common.output,
        color=common.has_color(sys.stdout),
    )
    if rows:
        raise Failure(
            Exit.INTEGRITY,
            "drift",
            f"{len(rows)} differences from the venue",
            hint="`order-ledger drifts` lists those that are open",
        )
    common.say("the venue agrees")


def replay(
    common: Showing,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare with the kept read models; exit 4."),
    ] = False,
) -> None:
    """Rebuild the read models from the log.

    They are built beside the old ones and swapped in; a writer may go on meanwhile.
    With --check the kept ones stay, and are compared with a fresh build.

    \b
    Examples:
      order-ledger replay
      order-ledger replay --check -o json
    """
    from service.cli.proofs import check_models, rebuild_models
    from service.output import write_object

    settings = common.settings()
    work = check_models if check else rebuild_models
    write_object(work(common, settings), common.output)


def verify(
    common: Showing,
    full: Annotated[
        bool,
        typer.Option("--full", help="From the first event on, and the file itself."),
    ] = False,
) -> None:
    """Check the log against its hash chain.

    Every order's history must make sense as well, and every fill be there once.
    Without --full the chain is recomputed since the last checkpoint.
    Ends with exit code 4 when anything is wrong.

    \b
    Examples:
      order-ledger verify
      order-ledger verify --full -o json
    """
    from service.cli.proofs import verify_ledger
    from service.output import write_object

    settings = common.settings()
    found, problems = verify_ledger(common, settings, full=full)
    write_object(found, common.output)
    if problems:
        from service.cli.failures import Exit, Failure

        raise Failure(
            Exit.INTEGRITY,
            "integrity",
            f"{len(problems)} problems in the ledger",
            lines=tuple(problems),
            hint="stop writing to it, keep a copy, and restore a backup",
        )


def doctor(common: Showing) -> None:
    """Check the set-up and the ledger's health.

    Versions, settings, disk, files, lock, clock, log and read models; for real orders also wallet, credentials, the venue's clock, what is open and what came unreadable. Each line is ok, warn or fail; a fail ends with exit code 1.

    \b
    Examples:
      order-ledger doctor
      order-ledger doctor --data /srv/ledger -o json
    """
    from service.cli.doctor import FAIL, Check, examine
    from service.cli.failures import Exit, Failure
    from service.output import write_rows

    checks = list(examine(common.data, common.settings))
    rows: list[dict[str, Any]] = [check._asdict() for check in checks]
    write_rows(rows, Check._fields, common.output, color=common.has_color(sys.stdout))
    failed = [check.check for check in checks if check.status == FAIL]
    if failed:
        raise Failure(
            Exit.FAILED,
            "unhealthy",
            f"failed: {', '.join(failed)}",
            hint="the line of each failed check says what is wrong",
        )
