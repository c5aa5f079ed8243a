"""The fold over a ledger's log: where a state comes from."""

from ledger.errors import IntegrityError
from ledger.events import order_stream
from ledger.order import Order, replay
from ledger.state import LedgerState, LoadOrder
from ledger.store import LedgerStore


def new_state(
    store: LedgerStore, account: str, *, tracks_exposure: bool = False
) -> LedgerState:
    """The state before the first event; rows need no exposure, decisions do."""
    return LedgerState(account, loader(store), tracks_exposure=tracks_exposure)


def loader(store: LedgerStore) -> LoadOrder:
    """What brings back an order that left the state after its end."""

    def load(order_id: str, version: int) -> Order:
        history = store.read_stream(order_stream(order_id))
        order = replay(order_id, (r.event for r in history if r.version < version))
        if order is None:
            msg = f"stream of order {order_id} has no beginning"
            raise IntegrityError(msg)
        return order

    return load


def advance(state: LedgerState, store: LedgerStore, upto: int) -> None:
    """Apply every event behind the state, up to and including a position.

    Raises:
        IntegrityError: the log ends before that position.
    """
    for recorded in store.read(after=state.position, upto=upto):
        state.apply(recorded.stream, recorded.version, recorded.event)
    if state.position != upto:
        msg = f"the log ends at position {state.position}, before {upto}"
        raise IntegrityError(msg, position=state.position)
