"""A venue of words alone: it speaks the venue's shapes, and says what a step wants.

What it has said stays true: look-ups, lists and sweeps answer from it.
"""

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx2

from executors.protocol import PostBody, WireOrder, domain_of, order_id
from ledger.values import EndReason
from tests.integration.failure_modes.bot import Bot, Wire
from tests.integration.manager.scripted import Mailbox
from tests.integration.polymarket_live.in_loop import (
    CONDITION,
    MARKET,
    InLoopWallet,
    Scene,
)
from tests.integration.wire_conformance.dialects import Dialect
from tests.integration.wire_conformance.runner import (
    PAUSE_SEC,
    TIMEOUT_MS,
    Scenario,
    Step,
    make_bot,
)
from tests.unit.polymarket_live.fixtures import text_of_file

Row = dict[str, Any]

_KILLED: Final = {
    "FOK": "order couldn't be fully filled. FOK orders are fully filled or killed.",
    "FAK": "no orders found to match with FAK order."
    " FAK orders are partially filled or killed if no match is found.",
}
_ENDS: Final = {
    # reason: file of a captured frame, and its status
    "requested": ("ws_user_order_cancellation", "CANCELED"),
    "expired": ("ws_user_order_cancellation", "CANCELED_EXPIRED_ORDER"),
    "venue": ("ws_user_order_venue_cancel_invalid", "INVALID"),
    "killed": ("ws_user_order_update_status_canceled", "CANCELED"),
}
_STREAM_ONLY: Final = ("event_type", "type", "timestamp", "trade_owner", "order_owner")


def captured(name: str) -> Row:
    """A message as it was captured, to be told of another order."""
    found: Row = json.loads(text_of_file(name))
    return found


class _Socket:
    """A stream that brings what it is given."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()

    async def send(self, message: str) -> None:
        if message == "PING":
            self.frames.put_nowait("PONG")

    async def recv(self) -> str:
        return await self.frames.get()

    async def close(self) -> None:
        return


class ScriptedWire(Wire):
    """Answers for orders as the script says; whatever else is asked, the exchange.

    `received` are the ids of the orders that arrived, once per post.
    """

    def __init__(self, at: Scene, dialect: Dialect) -> None:
        super().__init__(at)
        self._at = at
        self._dialect = dialect
        self.is_cut_off = False
        self.received: list[str] = []
        self.post_answers = Mailbox()
        self.cancel_answers = Mailbox()
        self.offered: dict[str, Row] = {}
        self.orders: dict[str, Row] = {}
        self.trades: dict[str, Row] = {}
        self.socket = _Socket()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path, query = request.url.path, dict(request.url.params)
        answer: Any = None
        if (request.method, path) == ("POST", "/order"):
            answer = await self._post((await request.aread()).decode())
        elif (request.method, path) == ("DELETE", "/order"):
            answer = await self.cancel_answers.get()
        elif path == "/data/orders":
            answer = self._page(
                [row for row in self.orders.values() if _wanted(row, query)]
            )
        elif path.startswith("/data/order/"):
            row = self.orders.get(path.rpartition("/")[2])
            is_open = row is not None and row["status"] == "LIVE"
            missing = (404, {"error": "Order not found"})
            answer = (200, self._dialect.row(row)) if row and is_open else missing
        elif path == "/data/trades":
            answer = self._page(list(self.trades.values()))
        else:
            return await super().handle_async_request(request)
        self.requests.append(request)
        status, body = answer
        return httpx2.Response(status, json=body, request=request)

    async def _post(self, body: str) -> tuple[int, Row]:
        if self.is_cut_off:  # the process dies before a byte is sent
            await asyncio.get_running_loop().create_future()
        post = PostBody.parse(body)
        order = post.order
        assert isinstance(order, WireOrder)
        name = order_id(order, *domain_of(order, neg_risk=False))
        self.received.append(name)
        shares = Decimal(order.taker_amount).scaleb(-6)
        self.offered[name] = captured("data_orders_page")["data"][0] | {
            "id": name,
            "market": CONDITION,
            "asset_id": order.token_id,
            "owner": post.owner,
            "maker_address": order.maker,
            "side": order.side,
            "price": str(Decimal(order.maker_amount) / order.taker_amount),
            "original_size": f"{shares.normalize():f}",
            "order_type": post.order_type,
        }
        answer: tuple[int, Row] = await self.post_answers.get()
        return answer

    def accept(self, name: str) -> Row:
        """Have an order that was offered."""
        return self.orders.setdefault(name, self.offered[name])

    def _page(self, rows: list[Row]) -> tuple[int, Row]:
        kept = [{k: v for k, v in row.items() if k not in _STREAM_ONLY} for row in rows]
        told = [self._dialect.row(row) for row in kept]
        page = {"limit": 100, "next_cursor": "LTE=", "count": len(told), "data": told}
        return 200, page

    def tell(self, *frames: Row) -> None:
        """Send frames to whoever listens."""
        for text in self._dialect.frames([self._dialect.row(one) for one in frames]):
            self.socket.frames.put_nowait(text)

    def frame_of(self, name: str, file: str, **changes: Any) -> Row:
        """An order as it stands, in the shape of a captured frame."""
        row = self.orders.get(name) or self.offered[name]
        known = {field: value for field, value in row.items() if field != "created_at"}
        frame = captured(file)
        return frame | known | {"type": frame["type"]} | changes

    def match(self, name: str, step: Step, *, is_taker: bool) -> Row:
        """Have a trade of an order; the same one if it is known."""
        if step["trade"] in self.trades:
            return self.trades[step["trade"]]
        order = self.accept(name)
        entry = {
            "order_id": name,
            "owner": order["owner"],
            "maker_address": order["maker_address"].lower(),
            "matched_amount": step["size"],
            "price": step["price"],
            "asset_id": order["asset_id"],
            "side": order["side"],
        }
        if is_taker:
            trade = captured("ws_user_trade_taker_matched") | {
                "taker_order_id": name,
                "size": step["size"],
                "price": step["price"],
                "asset_id": order["asset_id"],
                "owner": order["owner"],
                "maker_address": order["maker_address"],
            }
        else:  # through the other token: only the entry speaks of us
            trade = captured("ws_user_trade_maker_cross_asset") | {
                "maker_orders": [entry],
                "size": step["size"],
                "price": str(1 - Decimal(step["price"])),
                "asset_id": MARKET.no_token,
            }
        now = str(int(self._at.clock.now().timestamp()))
        trade |= {"id": step["trade"], "market": CONDITION, "match_time": now}
        self.trades[step["trade"]] = trade
        matched = Decimal(order["size_matched"]) + Decimal(step["size"])
        order["size_matched"] = str(matched)
        order["associate_trades"] = [*order["associate_trades"], step["trade"]]
        if matched == Decimal(order["original_size"]):
            order["status"] = "MATCHED"
        return trade

    def settle(self, trade: Row, status: str) -> Row:
        """Move a trade on; every step has a transaction of its own."""
        now = self._at.clock.now().timestamp()
        trade |= {
            "status": status,
            "last_update": str(int(now)),
            "timestamp": str(int(now * 1000)),
            "transaction_hash": f"0x{int(now * 1000):064x}",
        }
        return trade


def _wanted(row: Row, query: dict[str, str]) -> bool:
    """An order that has ended is shown to who asks for it by its id."""
    field, value = ("id", query["id"]) if "id" in query else ("status", "LIVE")
    return bool(row[field] == value)


class ScriptedBot(Bot):
    """A ledger whose stream is scripted as well."""

    async def connect(self, url: str) -> Any:
        """Open the stream; frames to an earlier process are lost."""
        assert url
        assert isinstance(self.wire, ScriptedWire)
        self.wire.socket = _Socket()
        return self.wire.socket


class ScriptedScenario(Scenario):
    """Every word of the venue comes from the scenario."""

    wire: ScriptedWire

    def __init__(
        self, at: Scene, folder: Path, steps: list[Step], dialect: Dialect
    ) -> None:
        self.dialect = dialect
        super().__init__(at, folder, steps)

    def make(self, folder: Path) -> Bot:
        settings: dict[str, Any] = {}
        if self.dialect.is_silent:  # then everything comes from sweeps
            settings = {"sweep_interval_sec": PAUSE_SEC * 0.75}
            self.told_instead = EndReason.CANCELLED
        bot = make_bot(ScriptedBot, self.at, folder, **settings)
        bot.wire = self.wire = ScriptedWire(self.at, self.dialect)
        bot.wallet = InLoopWallet(bot.key, self.wire, self.at.clock)
        self.is_taker = True
        return bot

    @property
    def name(self) -> str:
        """The venue's name of the order."""
        return self.order.venue_order_id

    async def before_place(self, step: Step, coming: list[Step]) -> None:
        self.wire.is_cut_off = coming[0].get("do") == "crash_before_post"
        self.is_taker = True

    def posts(self) -> int:
        return len(self.wire.received)

    def found(self) -> str:
        row = self.wire.orders.get(self.name)
        return "none" if row is None else row["status"].lower()

    async def do_restart(self, step: Step, coming: list[Step]) -> None:
        self.wire.is_cut_off = False
        await super().do_restart(step, coming)

    async def do_post(self, step: Step, _: list[Step]) -> None:
        answer = step["answer"]
        if answer == "unknown":  # no word, until nobody waits any more
            await self.pause(TIMEOUT_MS / 1000 + 1)
        elif answer == "refused":
            self.wire.post_answers.put((400, {"error": step["text"]}))
        elif answer == "killed":
            text = _KILLED[self.order.time_in_force]
            self.wire.post_answers.put((400, {"error": text}))
            changes = {"status": f"CANCELED_{text}", "size_matched": ""}
            self._tell_order("ws_user_order_fok_killed", **changes)
        else:
            self._accept(answer)

    def _accept(self, status: str) -> None:
        self.wire.accept(self.name)
        self.is_taker = status == "matched"
        if status == "live":
            self._tell_order("ws_user_order_placement")
        told = {
            "errorMsg": "",
            "orderID": self.name,
            "status": status,
            "success": True,
            "makingAmount": "",
            "takingAmount": "",
        }
        self.wire.post_answers.put((200, told))

    async def do_fill(self, step: Step, _: list[Step]) -> None:
        is_known = step["trade"] in self.wire.trades
        trade = self.wire.match(self.name, step, is_taker=self.is_taker)
        status = step.get("status", "MATCHED")
        if not is_known:
            self.wire.settle(trade, status)
        if status == "MATCHED":
            order = self.wire.frame_of(self.name, "ws_user_order_update_matched")
            self.wire.tell(trade, order)
        elif not self.dialect.is_silent:
            # What came before was missed, so this is what a sweep finds.
            await self.pause(60)

    async def do_settle(self, step: Step, _: list[Step]) -> None:
        self.wire.tell(
            self.wire.settle(self.wire.trades[step["trade"]], step["status"])
        )

    async def do_cancel_answer(self, step: Step, _: list[Step]) -> None:
        answer: Row = {"canceled": [], "not_canceled": {self.name: step.get("reason")}}
        if step["answer"] == "canceled":
            self.wire.orders[self.name]["status"] = "CANCELED"
            answer = {"canceled": [self.name], "not_canceled": {}}
        self.wire.cancel_answers.put((200, answer))

    async def do_cancelled(self, step: Step, _: list[Step]) -> None:
        file, status = _ENDS[step["reason"]]
        self.wire.orders[self.name]["status"] = (
            "INVALID" if status == "INVALID" else "CANCELED"
        )
        self._tell_order(file, status=status)
        if self.dialect.is_silent:  # lists of open orders do not tell of an end
            self.bot.start(self.bot.manager.resolve_open())

    def _tell_order(self, file: str, **changes: Any) -> None:
        self.wire.tell(self.wire.frame_of(self.name, file, **changes))
