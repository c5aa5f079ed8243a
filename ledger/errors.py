"""Everything the ledger raises on purpose.

Errors are named for what the caller should do.

* LedgerError
  + InvalidInputError            the input is wrong; nothing was recorded
    - UnknownOrderError          there is no such order
    - IdempotencyConflictError   the key was used for another intent
  + CommandRefusedError          the decision is "no"
    - OrderRejectedError         the order was refused by us or by the venue
    - EvidenceMissingError       what is known does not prove the conclusion
  + VenueError                   about the exchange
    - VenueRejectedError         a definite no
    - OutcomeUnknownError        it may have happened: look it up, never resend
    - PreparationError           nothing was sent
    - NotReadyError              orders cannot go out now; nothing was recorded
  + StoreError                   about the file the events live in
    - LockHeldError              another process writes this ledger
    - ConcurrentWriteError       the stream went on; safe to decide again
    - DuplicateKeyError          the key or the venue's id was used before
    - ForeignFileError           not a ledger, or one of a newer version
    - IntegrityError             the log contradicts its own hash chain
    - StoreFailedError           a write failed; nothing more is accepted
      o FencedError              another process took over; this one must stop
  + RecordingError               recorded market data cannot be read
"""


class LedgerError(Exception):
    """Root of every error that the ledger raises on purpose."""

    code = "error"


class InvalidInputError(LedgerError):
    """The input is wrong; nothing was recorded.

    `field` names the place in the input, `reason` says what is wrong with it.
    """

    code = "invalid_input"

    def __init__(self, field: str, reason: str, *, code: str | None = None) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        if code is not None:
            self.code = code


def unknown_strategy(name: str) -> InvalidInputError:
    """The error for a strategy the ledger does not know."""
    return InvalidInputError(
        "strategy", f"{name!r} is not known", code="unknown_strategy"
    )


def unknown_market(market_id: str) -> InvalidInputError:
    """The error for a market the ledger does not know."""
    return InvalidInputError(
        "market_id", f"{market_id!r} is not known", code="unknown_market"
    )


class UnknownOrderError(InvalidInputError):
    """There is no order of that id in this ledger."""

    code = "unknown_order"

    def __init__(self, order_id: str) -> None:
        super().__init__("order_id", f"no order {order_id!r} in this ledger")
        self.order_id = order_id


class IdempotencyConflictError(InvalidInputError):
    """The strategy used this key before, for an intent with other content."""

    code = "idempotency_conflict"

    def __init__(self, key: str, order_id: str) -> None:
        super().__init__(
            "idempotency_key",
            f"{key!r} belongs to order {order_id}, whose intent differs",
        )
        self.order_id = order_id


class CommandRefusedError(LedgerError):
    """The decision is "no"; `code` and the text say why."""

    code = "refused"


class OrderRejectedError(CommandRefusedError):
    """The order was refused, by a rule of ours or by the venue."""

    code = "rejected"

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class EvidenceMissingError(CommandRefusedError):
    """What is known does not prove the conclusion that was asked for."""

    code = "evidence_missing"


class VenueError(LedgerError):
    """Something about the exchange."""

    code = "venue"


class VenueRejectedError(VenueError):
    """The venue gave a definite no; `code` is ours, the text is the venue's."""

    code = "venue_rejected"

    def __init__(self, text: str, *, code: str = "venue_rejected") -> None:
        super().__init__(text)
        self.code = code


class OutcomeUnknownError(VenueError):
    """It may have happened: look it up, never resend blindly."""

    code = "outcome_unknown"


class PreparationError(VenueError):
    """The order could not be prepared; nothing was sent."""

    code = "preparation_failed"


class NotReadyError(VenueError):
    """Orders cannot go out at the moment; nothing was recorded, try again."""

    code = "not_ready"


class StoreError(LedgerError):
    """Something about the file that the events live in."""

    code = "store"


class LockHeldError(StoreError):
    """Another process writes this ledger; `owner` is what it said of itself."""

    code = "lock_held"

    def __init__(self, path: str, owner: str) -> None:
        super().__init__(f"{path} is held by another writer ({owner})")
        self.owner = owner


class ConcurrentWriteError(StoreError):
    """The stream has an event of that version already; nothing was recorded."""

    code = "concurrent_write"


class DuplicateKeyError(StoreError):
    """The key or the venue's order id was used before; nothing was recorded."""

    code = "duplicate_key"


class ForeignFileError(StoreError):
    """The file is no ledger, or a ledger of a newer version."""

    code = "foreign_file"


class IntegrityError(StoreError):
    """The log contradicts itself; `position` is the first bad event, if known."""

    code = "integrity"

    def __init__(self, text: str, *, position: int | None = None) -> None:
        super().__init__(text)
        self.position = position


class StoreFailedError(StoreError):
    """A write failed. It may still be on disk: only a restart can tell."""

    code = "store_failed"


class FencedError(StoreFailedError):
    """A newer writer took over; this one may not append any more."""

    code = "fenced"


class RecordingError(LedgerError):
    """Recorded market data that cannot be read."""

    code = "recording"
