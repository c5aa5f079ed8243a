"""Proving that what is kept follows from the log, and that the log is whole."""

from contextlib import ExitStack
from hashlib import sha256
from typing import Any

from config import Settings
from ledger.errors import IntegrityError, StoreError
from ledger.store import LedgerStore
from projections import ReadModels, check_domain, compare_models
from service.cli.failures import Exit, Failure
from service.cli.models import reader
from service.cli.options import Common
from service.cli.progress import Report, progress
from service.places import account_in, read_models_path


def rebuild_models(common: Common, settings: Settings) -> dict[str, Any]:
    """Build the read models anew and swap them in; what was built."""
    with (
        reader(common.data) as store,
        _kept(common, store, settings) as kept,
        progress(common, "rebuilding") as report,
    ):
        events = kept.rebuild(store, report)
        return _told("rebuilt", kept, events)


def check_models(common: Common, settings: Settings) -> dict[str, Any]:
    """Catch the read models up and compare every row with a fresh build.

    Raises:
        Failure: they differ; the kept ones were left as they are.
    """
    with (
        reader(common.data) as store,
        _kept(common, store, settings) as kept,
        progress(common, "catching up") as report,
    ):
        events = kept.catch_up(store, progress=report)
        problems = compare_models(store, kept)
        if problems:
            raise Failure(
                Exit.INTEGRITY,
                "read_models_differ",
                "the kept read models are not what the log says",
                lines=tuple(map(str, problems)),
                hint="`order-ledger replay` builds them anew; the log is not touched",
            )
        return _told("equal", kept, events)


def verify_ledger(
    common: Common, settings: Settings, *, full: bool
) -> tuple[dict[str, Any], list[str]]:
    """Verify the chain, the domain and, with `full`, the read models.

    Returns:
        What was found, and every problem as a sentence.
    """
    with reader(common.data) as store, progress(common, "verifying") as report:
        head = store.head
        chain = store.verify(full=full, progress=lambda at: report(at, head))
        problems = [
            *chain.problems,
            *_domain_problems(common, settings, store, report, full=full),
        ]
    found = {
        "result": "damaged" if problems else "ok",
        "events": chain.events,
        "head": chain.head,
        "hash": chain.hash,
        "first_bad": chain.first_bad,
        "full": full,
        "problems": len(problems),
    }
    return found, problems


def _domain_problems(
    common: Common,
    settings: Settings,
    store: LedgerStore,
    report: Report,
    *,
    full: bool,
) -> list[str]:
    with ExitStack() as stack:
        models = None
        try:
            if full and read_models_path(common.data).exists():
                models = stack.enter_context(_kept(common, store, settings))
                # Those of an older version, or of another ledger, are built anew.
                models.catch_up(store)
        except IntegrityError as error:
            return [str(error)]
        except (StoreError, OSError) as error:
            common.say(f"the read models were not compared: {error}")
            models = None
        try:
            problems = check_domain(
                store,
                account=account_in(store, settings),
                models=models,
                progress=report,
            )
        except IntegrityError as error:
            return [str(error)]
        return list(map(str, problems))


def _kept(common: Common, store: LedgerStore, settings: Settings) -> ReadModels:
    return ReadModels(read_models_path(common.data), account_in(store, settings))


def _told(result: str, kept: ReadModels, events: int) -> dict[str, Any]:
    digest = sha256()
    for line in kept.lines():
        digest.update(line)
    return {
        "result": result,
        "events": events,
        "position": kept.position,
        "digest": digest.hexdigest(),
    }
