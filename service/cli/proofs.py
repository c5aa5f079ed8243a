"""Proving that what is kept follows from the log, and that the log is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from config import Settings
from projections.read_models import ReadModels
from projections.verify import check_domain
from service.bootstrap import account_of, read_models_path
from service.cli.failures import Exit, Failure
from service.cli.models import reader
from service.cli.options import Common
from service.cli.progress import progress


def rebuild_models(common: Common, settings: Settings) -> dict[str, Any]:
    """Build the read models anew and swap them in; what was built."""
    account = account_of(settings)
    with (
        reader(common.data) as store,
        ReadModels(read_models_path(common.data), account) as kept,
        progress(common, "rebuilding") as report,
    ):
        events = kept.rebuild(store, report)
        return {
            "result": "rebuilt",
            "events": events,
            "position": kept.position,
            "digest": _digest(kept),
        }


def check_models(common: Common, settings: Settings) -> dict[str, Any]:
    """Compare the kept read models with a fresh build, byte for byte.

    Raises:
        Failure: they differ; the kept ones were left as they are.
    """
    account = account_of(settings)
    with (
        reader(common.data) as store,
        ReadModels(read_models_path(common.data), account) as kept,
        _fresh(account) as fresh,
        progress(common, "rebuilding") as report,
    ):
        caught_up = kept.catch_up(store)
        fresh.rebuild(store, report)
        # A writer may have gone on meanwhile.
        while kept.position != fresh.position:
            kept.catch_up(store)
            fresh.catch_up(store)
        found = {
            "result": "equal",
            "events": fresh.position,
            "caught_up": caught_up,
            "position": kept.position,
            "digest": _digest(kept),
        }
        expected = _digest(fresh)
    if found["digest"] != expected:
        raise Failure(
            Exit.INTEGRITY,
            "read_models_differ",
            "the kept read models are not what the log says",
            hint="`order-ledger replay` builds them anew; the log is not touched",
        )
    return found


@contextmanager
def _fresh(account: str) -> Iterator[ReadModels]:
    with (
        TemporaryDirectory(prefix="order-ledger-") as folder,
        ReadModels(Path(folder) / "read_models.db", account) as fresh,
    ):
        yield fresh


def _digest(models: ReadModels) -> str:
    digest = sha256()
    for line in models.lines():
        digest.update(line)
    return digest.hexdigest()


def verify_ledger(
    common: Common, settings: Settings, *, full: bool
) -> tuple[dict[str, Any], list[str]]:
    """Verify the chain and the domain; what was found, and every problem."""
    with reader(common.data) as store, progress(common, "verifying") as report:
        head = store.head
        chain = store.verify(full=full, progress=lambda at: report(at, head))
        domain = check_domain(store, account=account_of(settings))
    problems = [*chain.problems, *map(str, domain)]
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
