"""What a ledger's lock tells whoever finds it taken."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config import Settings
from ledger.errors import LockHeldError
from service.bootstrap import ledger_path, open_ledger

LONG_AGO_US = 1_000_000_000_000_000


async def test_the_lock_names_real_time_when_the_ledger_lives_in_another(
    tmp_path: Path,
) -> None:
    """A replay of last year must not look like a process that hangs since then."""
    before = int(time.time())
    settings = Settings()
    first = await open_ledger(settings, tmp_path, clock_us=lambda: LONG_AGO_US)
    try:
        with pytest.raises(LockHeldError) as refused:
            await open_ledger(settings, tmp_path, clock_us=lambda: LONG_AGO_US)
        owner = ledger_path(tmp_path).with_name("ledger.db.lock").read_text()
    finally:
        await first.close()
    [said] = re.findall(r"since (\S+)Z", owner)
    since = datetime.fromisoformat(said).replace(tzinfo=UTC).timestamp()
    assert before <= since <= time.time()
    assert said in str(refused.value)
