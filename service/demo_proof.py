"""The demo's proof: what was kept equals what the log says, and the log is whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from ledger.store import LedgerStore
from projections.read_models import ReadModels
from projections.verify import check_domain
from service.bootstrap import PAPER_ACCOUNT, ledger_path, read_models_path

_BESIDE: Final = "read_models.proof.db"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked, and `problems`: sentences, empty if all is well.

    `rows` are those of the read models, kept and rebuilt; `head_hash` stands for
    the whole log.
    """

    events: int
    rows: int
    head_hash: str
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def prove(
    data: Path, *, clock_us: Callable[[], int], account: str = PAPER_ACCOUNT
) -> Proof:
    """Check a ledger that nobody writes to.

    The read models are built anew from the log and compared byte for byte with
    the kept ones; the hash chain is recomputed; every stream is replayed.

    Raises:
        StoreError: the files cannot be opened at all.
    """
    path = ledger_path(data)
    with LedgerStore.open(path, clock_us=clock_us, writer=False) as store:
        report = store.verify(full=True)
        problems = list(report.problems)
        kept, rebuilt = _both(data, store, account)
        if kept != rebuilt:
            problems.append(_difference(kept, rebuilt))
        problems.extend(map(str, check_domain(store, account=account)))
    return Proof(
        events=report.events,
        rows=len(rebuilt),
        head_hash=report.hash,
        problems=tuple(problems),
    )


def _both(
    data: Path, store: LedgerStore, account: str
) -> tuple[list[bytes], list[bytes]]:
    """The rows as they were kept, and as the log gives them now."""
    beside = data / _BESIDE
    with ReadModels(read_models_path(data), account) as kept:
        before = list(kept.lines())
    try:
        with ReadModels(beside, account) as fresh:
            fresh.rebuild(store)
            return before, list(fresh.lines())
    finally:
        for left in data.glob(f"{_BESIDE}*"):
            left.unlink()


def _difference(kept: list[bytes], rebuilt: list[bytes]) -> str:
    for number, (old, new) in enumerate(zip(kept, rebuilt, strict=False), 1):
        if old != new:
            return f"row {number} of the read models differs from the rebuilt one"
    return f"{len(kept)} rows were kept, the log gives {len(rebuilt)}"
