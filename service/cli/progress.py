"""Progress for a person: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from service.cli.options import Base

Report = Callable[[int, int], None]
"""Told how much is done, and of how much."""

_EVERY_SECONDS: Final = 5.0


@contextmanager
def progress(common: Base, what: str) -> Iterator[Report]:
    """Show how far a long job is, on standard error; nothing with `--quiet`."""
    if common.quiet:
        yield lambda _done, _total: None
    elif common.has_color(sys.stderr):
        with _bar(what) as report:
            yield report
    else:
        yield _lines(common, what)


def _lines(common: Base, what: str) -> Report:
    said_at = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= _EVERY_SECONDS:
            said_at = time.monotonic()
            common.say(f"{what}: {done} of {total}")

    return report


@contextmanager
def _bar(what: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
