"""Events as JSON lines, for other programs; what could be posted is left out."""

import json
from typing import Final

from ledger.events import encode
from ledger.recorded import Recorded

WITHHELD: Final = frozenset({"signed_order"})
"""Fields that never leave the process."""


def line_of(recorded: Recorded) -> str:
    """One event with its place in the log; numbers stay text.

    `recorded_us` is Unix microseconds.
    """
    event = json.loads(encode(recorded.event))
    line = {
        "position": recorded.position,
        "stream": recorded.stream,
        "version": recorded.version,
        "recorded_us": recorded.recorded_us,
        "topic": recorded.event.TOPIC,
        "event": {k: v for k, v in event.items() if k not in WITHHELD},
    }
    return json.dumps(line, ensure_ascii=False)
