"""The one way into the log: state in memory, events on their way to disk.

Memory moves ahead when events are handed in, so that the next decision sees
them; nobody is answered before `append` returns, and by then they are on disk.
If a commit fails, nothing more is accepted: memory is rebuilt by a restart.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from ledger.errors import (
    IntegrityError,
    StoreFailedError,
    UnknownOrderError,
)
from ledger.events import Event, OrderRequested, order_stream
from ledger.manager.keyfilter import KeyFilter, hashes_of
from ledger.order import Order, replay
from ledger.recorded import Identity, NewEvent
from ledger.state import LedgerState
from ledger.store import AppendRequest, GroupCommit, LedgerStore


class _Checkpoint(msgspec.Struct, array_like=True):
    state: bytes
    keys: bytes


_encode_checkpoint = msgspec.msgpack.Encoder().encode
_decode_checkpoint = msgspec.msgpack.Decoder(_Checkpoint).decode


class Journal:
    """State, store and group commit of one ledger, kept in step.

    `failed` says why nothing more is accepted, if so.
    """

    def __init__(
        self,
        store: LedgerStore,
        *,
        account: str,
        threaded: bool = True,
        checkpoint_every: int = 10_000,
    ) -> None:
        self.store = store
        self.state = LedgerState(
            account, self.load_order_before, durable=lambda: store.head
        )
        self.failed: StoreFailedError | None = None
        self.writer = GroupCommit(
            store,
            threaded=threaded,
            on_committed=self._tell_listeners,
            on_failure=self._fail,
        )
        self._threaded = threaded
        self._keys = KeyFilter()
        self._checkpoint_every = checkpoint_every
        self._checkpointed_at = 0
        self.on_recorded: list[Callable[[Sequence[NewEvent]], None]] = []
        self._load()

    def _load(self) -> None:
        kept = self.store.load_checkpoint()
        if kept is not None:
            self._restore(*kept)
        for stored in self.store.read(after=self.state.position):
            self.state.apply(stored.stream, stored.version, stored.event)
            if isinstance(stored.event, OrderRequested):
                event = stored.event
                self._keys.add(hashes_of(event.strategy, event.idempotency_key))
        if self.state.position != self.store.head:
            msg = f"read {self.state.position} of {self.store.head} events"
            raise IntegrityError(msg)

    def _restore(self, position: int, data: bytes) -> None:
        """Take a checkpoint over; one of another kind is passed by."""
        try:
            kept = _decode_checkpoint(data)
        except msgspec.MsgspecError:
            return
        if self.state.restore(kept.state):
            self._keys = KeyFilter(kept.keys)
            self._checkpointed_at = position

    def find_intent(self, strategy: str, key: str) -> Identity | None:
        """The identity under an order's key, however old."""
        # Noted before it is used: a key noted in vain only costs a look-up.
        if self._keys.add(hashes_of(strategy, key)):
            return self.store.find_intent(strategy, key)
        return None

    async def append(
        self,
        events: Sequence[NewEvent],
        identity: Identity | None = None,
        others: Sequence[Identity] = (),
    ) -> None:
        """Record events, all or none; returns when they are durable.

        `others` are further identities, where the events are of several orders.

        Raises:
            StoreFailedError: they may or may not be on disk; a restart tells.
        """
        if self.failed is not None:
            raise self.failed
        state = self.state
        for stream, version, event in events:
            state.apply(stream, version, event)
        try:
            await self.writer.append(AppendRequest(events, identity, others))
        except StoreFailedError:
            raise
        except Exception as error:
            # Memory holds what the log does not: only a restart puts it right.
            self.failed = StoreFailedError(f"memory and log differ: {error}")
            raise self.failed from error
        if state.position - self._checkpointed_at >= self._checkpoint_every:
            await self.checkpoint()

    def _fail(self, error: StoreFailedError) -> None:
        self.failed = self.failed or error

    def _tell_listeners(self, requests: Sequence[AppendRequest]) -> None:
        for listener in self.on_recorded:
            for request in requests:
                if request.events:
                    listener(request.events)

    async def durable(self) -> None:
        """Wait until everything that memory shows is on disk.

        Raises:
            StoreFailedError: it is not, and memory may not be believed.
        """
        if self.failed is not None:
            raise self.failed
        if self.store.head < self.state.position:
            await self.writer.append(AppendRequest((), None))

    def append_order(
        self, order: Order, events: Sequence[Event]
    ) -> Coroutine[Any, Any, None]:
        """Record what was just decided about one order; as `append`."""
        stream, version = order_stream(order.order_id), order.version
        batch = []
        for event in events:
            version += 1
            batch.append(NewEvent(stream, version, event))
        return self.append(batch)

    async def append_to(
        self, stream: str, *events: Event, identity: Identity | None = None
    ) -> None:
        """Record events of a stream that is not an order's."""
        version = self.state.versions.get(stream, 0)
        await self.append(
            [NewEvent(stream, version + n, e) for n, e in enumerate(events, 1)],
            identity,
        )

    async def checkpoint(self) -> None:
        """Keep the state beside the log, so that a start reads only the tail."""
        position = self.state.position
        if position == self._checkpointed_at:
            return
        self._checkpointed_at = position
        data = _encode_checkpoint(_Checkpoint(self.state.dump(), self._keys.dump()))
        # An empty request is done when all before it are: the state that was
        # just encoded is on disk by then.
        await self.writer.append(AppendRequest((), None))
        if self._threaded:
            # The writer's connection is busy in another thread; so wait there.
            await asyncio.to_thread(self.store.save_checkpoint, position, data)
        else:
            self.store.save_checkpoint(position, data)

    def order(self, order_id: str) -> Order:
        """One order's state, from memory or from its stream.

        What comes from memory changes with the next event: hand a `snapshot`
        of it out.

        Raises:
            UnknownOrderError: there is none of that id.
        """
        state = self.state
        known = state.orders.get(order_id) or state.closed.get(order_id)
        if known is None:
            known = replay(
                order_id,
                (r.event for r in self.store.read_stream(order_stream(order_id))),
            )
        if known is None:
            raise UnknownOrderError(order_id)
        return known

    def order_by_venue_id(self, venue_order_id: str) -> Order | None:
        """The order a venue id belongs to, closed ones included."""
        order_id = self.state.by_venue_id.get(venue_order_id)
        if order_id is None:
            order_id = self.store.find_by_venue_id(venue_order_id)
        return None if order_id is None else self.order(order_id)

    def load_order_before(self, order_id: str, version: int) -> Order:
        """An order as it was before one version of its stream."""
        history = self.store.read_stream(order_stream(order_id))
        order = replay(order_id, (r.event for r in history if r.version < version))
        if order is None:
            msg = f"stream of order {order_id} has no beginning"
            raise IntegrityError(msg)
        return order

    async def close(self) -> None:
        """Finish what is waiting, keep a checkpoint, release the file."""
        try:
            if self.failed is None:
                await self.checkpoint()
            await self.writer.close()
        finally:
            self.store.close()
