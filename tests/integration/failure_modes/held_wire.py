"""A slow way to the exchange: what leaves now may arrive in minutes."""

import asyncio

import httpx2

from tests.integration.failure_modes.bot import Wire
from tests.integration.polymarket_live.in_loop import Scene


class HeldWire(Wire):
    """Holds back posts, their answers, and cancels, until they are let go.

    A request goes on its way even if nobody waits for it any more.
    """

    def __init__(self, at: Scene) -> None:
        super().__init__(at)
        self.is_cut_off = False
        self.post_may_arrive = asyncio.Event()
        self.answer_may_return = asyncio.Event()
        self.cancel_may_arrive = asyncio.Event()
        self.arrived = 0
        self._under_way: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        task = asyncio.create_task(self._carry(request))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return await asyncio.shield(task)

    async def _carry(self, request: httpx2.Request) -> httpx2.Response:
        route = (request.method, request.url.path)
        if route == ("DELETE", "/order"):
            await self.cancel_may_arrive.wait()
        if route != ("POST", "/order"):
            return await super().handle_async_request(request)
        if self.is_cut_off:  # the process dies before a byte is sent
            await asyncio.get_running_loop().create_future()
        await self.post_may_arrive.wait()
        self.arrived += 1
        answer = await super().handle_async_request(request)
        await self.answer_may_return.wait()
        return answer
