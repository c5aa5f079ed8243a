"""Checkpoints: a folded state kept beside the log, and the hash it rests on."""

import sqlite3
from hashlib import sha256
from typing import Final, NamedTuple

_KEPT: Final = 2  # one may be damaged; the one before it still shortens the start


class Checkpoint(NamedTuple):
    """One stored checkpoint, believed only when it is sound.

    `event_hash` is the hash of the event at `position` now, `None` if that
    event is gone.
    """

    position: int
    hash: bytes
    state_version: int
    state: bytes
    digest: bytes
    event_hash: bytes | None

    @property
    def is_whole(self) -> bool:
        """Whether the checkpoint is as it was written."""
        try:
            expected = _digest(self.position, self.hash, self.state_version, self.state)
        except (AttributeError, OverflowError, TypeError):
            # A damaged row may hold anything in any column.
            return False
        return self.digest == expected

    @property
    def problem(self) -> str:
        """What is wrong with it; "" if it is sound."""
        if not self.is_whole:
            return f"the checkpoint at position {self.position} is damaged"
        if self.event_hash is None:
            return f"the log ends before its checkpoint at position {self.position}"
        if self.event_hash != self.hash:
            return f"the log contradicts its checkpoint at position {self.position}"
        return ""


def _digest(position: int, event_hash: bytes, version: int, state: bytes) -> bytes:
    head = position.to_bytes(8) + version.to_bytes(8) + len(event_hash).to_bytes(8)
    return sha256(head + event_hash + state).digest()


def checkpoints(connection: sqlite3.Connection) -> list[Checkpoint]:
    """Every stored checkpoint, newest first."""
    rows = connection.execute(
        "SELECT c.position, c.hash, c.state_version, c.state, c.digest, e.hash "
        "FROM checkpoints AS c LEFT JOIN events AS e ON e.position = c.position "
        "ORDER BY c.position DESC"
    )
    return [Checkpoint(*row) for row in rows]


def save(
    connection: sqlite3.Connection,
    position: int,
    event_hash: bytes,
    state_version: int,
    state: bytes,
) -> None:
    """Store one checkpoint and drop all but the last two, in one transaction."""
    digest = _digest(position, event_hash, state_version, state)
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?)",
            (position, event_hash, state_version, state, digest),
        )
        connection.execute(
            "DELETE FROM checkpoints WHERE position NOT IN "
            "(SELECT position FROM checkpoints ORDER BY position DESC LIMIT ?)",
            (_KEPT,),
        )
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
