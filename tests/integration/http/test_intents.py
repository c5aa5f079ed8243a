"""Placing over HTTP: durable before it is answered, once per key, never a 500."""

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.http.running import Service, an_intent, keyed, running


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A running service."""
    async with running(tmp_path) as found:
        yield found


async def test_an_intent_is_answered_with_its_order(service: Service) -> None:
    """A strategy that gets no link cannot follow what it has sent."""
    async with service.client("submit", "read") as client:
        answer = await client.post("/v1/intents", json=an_intent(), headers=keyed("a"))
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == answer.json()["href"]
        order = await client.get(answer.json()["href"])
        assert order.status_code == 200, order.text
        assert order.json()["idempotency_key"] == "a"
