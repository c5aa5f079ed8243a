# mypy: disable-error-code="import-not-found,import-untyped"
"""The service that is fuzzed: its description, and one that runs."""

import asyncio
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import requests
import schemathesis
from msgspec.structs import replace
from schemathesis.config import SchemathesisConfig

from service.http import examples
from tests.fuzz import api_hooks
from tests.integration.http.running import (
    MARKET,
    Service,
    an_intent,
    keyed,
    listening,
    running,
)

DOCUMENTED: Final = replace(
    MARKET,
    market_id=examples.INTENT["market_id"],
    yes_token="3" * 77,
    no_token="4" * 77,
)
"""The market that the description's examples are about."""

CONFIG: Final = Path(__file__).with_name("schemathesis.toml")
ANSWERS: Final[dict[str, Counter[int]]] = defaultdict(Counter)
"""How often each operation gave each status."""

_START_SECONDS: Final = 30


@dataclass
class Options:
    """How long the fuzzer looks."""

    examples: int = 30


OPTIONS: Final = Options()
"""Set before the tests are collected, which needs it."""


def described(examples: int) -> Any:
    """The description of the API, as the service gives it."""

    async def ask() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            async with running(Path(folder)) as service, service.client() as client:
                found: dict[str, Any] = (await client.get("/openapi.json")).json()
                return found

    config = SchemathesisConfig.from_path(CONFIG)
    config.projects.default.generation.update(max_examples=examples)
    return schemathesis.openapi.from_dict(asyncio.run(ask()), config=config)


@dataclass
class Target:
    """A service on loopback."""

    url: str
    token: str
    service: Service
    session: requests.Session
    label: str = ""

    def begin(self, label: str) -> None:
        """Undo what the operation before may have done, and have one open order."""
        if label == self.label:
            return
        self.label = label
        with self.client() as client:
            for path, body in (("resume", {"reason": "next"}), ("orders:cancel", {})):
                client.post(f"/v1/{path}", json=body).raise_for_status()
            fresh = place(client, f"fresh-{len(ANSWERS)}")
        api_hooks.KNOWN["order_id"][-1] = fresh

    def client(self) -> httpx2.Client:
        """Whoever may do everything."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30)


def place(client: httpx2.Client, key: str, **changes: Any) -> str:
    """Place an order; its id."""
    answer = client.post(
        "/v1/intents?wait=placed", json=an_intent(**changes), headers=keyed(key)
    )
    return str(answer.raise_for_status().json()["order"]["order_id"])


@contextmanager
def serving(folder: Path) -> Iterator[Target]:
    """A service in a thread of its own."""
    found: list[Target] = []
    is_up = threading.Event()
    stopping = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with running(folder) as service, listening(service) as url:
            desk = service.opened.manager.desk
            await desk.open_drift("orphan_fill", "t1/0xabc", {"size": "5"})
            await service.opened.manager.account.list_market(DOCUMENTED)
            with requests.Session() as session:
                found.append(Target(url, service.token("admin"), service, session))
                is_up.set()
                await stopping.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert is_up.wait(_START_SECONDS)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
        loop.close()


def fill(target: Target) -> None:
    """Trade a little, and tell the fuzzer what is there."""
    with target.client() as client:
        orders = [
            place(client, "resting"),
            place(client, "filled", price="0.5", post_only=False),
            place(client, "refused", size="1"),
            place(client, "last"),
        ]
        cursors = []
        for path in ("orders", "fills", "open-orders", f"orders/{orders[1]}/timeline"):
            page = client.get(f"/v1/{path}?limit=1").raise_for_status().json()
            cursors.append(page["next"])
        drifts = client.get("/v1/reconciliation").json()["drifts"]
    api_hooks.KNOWN.update(
        market_id=[MARKET.market_id, DOCUMENTED.market_id],
        order_id=orders,
        drift_id=[drift["drift_id"] for drift in drifts],
        cursor=[cursor for cursor in cursors if cursor],
    )
