"""The demo's folder: only what a demo made is ever replaced."""

from pathlib import Path
from typing import Final

from ledger.errors import InvalidInputError, StoreError
from ledger.store import WriterLock
from service.bootstrap import ledger_path, read_models_path, unix_us

DEFAULT_DATA: Final = Path("data/demo")
MARKER: Final = "demo.json"
"""Lies in every folder that the demo made."""


def prepared(wanted: Path | None, *, fresh: bool) -> Path:
    """The folder of a run: without a ledger, and marked as the demo's.

    Args:
        wanted: The folder; the default one, replaced each time, if absent.
        fresh: Whether a ledger that an earlier demo made there is replaced.

    Raises:
        InvalidInputError: a ledger is there that must stay.
        LockHeldError: somebody is writing it.
    """
    data = wanted or DEFAULT_DATA
    path = ledger_path(data)
    if path.exists():
        is_ours = (data / MARKER).exists()
        field = "data"
        if not is_ours:
            reason = f"{data} holds a ledger that no demo made; choose another folder"
            raise InvalidInputError(field, reason)
        if wanted is not None and not fresh:
            reason = f"{data} holds a ledger already; --fresh replaces it"
            raise InvalidInputError(field, reason)
        _remove(data, path)
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data / MARKER).write_text('{"made_by": "order-ledger demo"}\n')
    except OSError as error:
        msg = f"{data} cannot be written: {error.strerror}"
        raise StoreError(msg) from error
    return data


def _remove(data: Path, path: Path) -> None:
    """Delete a ledger that nobody is writing."""
    lock = WriterLock(path.with_name(path.name + ".lock"), started_us=unix_us())
    try:
        for name in (path.name, read_models_path(data).name):
            for file in sorted(data.glob(f"{name}*")):
                if not file.name.endswith(".lock"):
                    file.unlink()
    finally:
        lock.release()
