"""No operation of the description is open: found there, so that none is forgotten."""

import re
from typing import Any, Final

import pytest

from service.tokens import Scope
from tests.integration.http.running import Service, keyed

PUBLIC: Final = {"GET /v1/ready"}
NEEDED: Final = {
    "POST /v1/intents": {"submit"},
    "POST /v1/intents:batch": {"submit"},
    "POST /v1/orders:cancel": {"cancel"},
    "POST /v1/orders/{}:cancel": {"cancel"},
    "POST /v1/halt": {"operate"},
    "POST /v1/resume": {"operate"},
    "POST /v1/reduce-only": {"operate"},
    "POST /v1/drifts/{}:acknowledge": {"operate"},
    "POST /v1/account/deposit": {"operate"},
    "POST /v1/account/split": {"submit", "operate"},
    "POST /v1/account/merge": {"submit", "operate"},
    "POST /v1/account/redeem": {"submit", "operate"},
}
"""Which scopes open a command; every GET is opened by `read`."""

EVERY: Final = {scope.value for scope in Scope} - {"admin"}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every operation but the public ones, by method and path."""
    found = {
        f"{method.upper()} {re.sub('{[^}]*}', '{}', path)}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    return {label: found[label] for label in found.keys() - PUBLIC}


async def described(service: Service) -> dict[str, dict[str, Any]]:
    """The operations of a running service."""
    async with service.client() as client:
        return operations((await client.get("/openapi.json")).json())


async def ask(
    service: Service, label: str, *scopes: str, **headers: str
) -> tuple[int, dict[str, Any]]:
    """Call an operation with a token of these scopes."""
    method, path = label.replace("{}", "x").split()
    async with service.client(*scopes) as client:
        answer = await client.request(
            method,
            path,
            headers=keyed("a") | headers,
            json={} if method == "POST" else None,
        )
    return answer.status_code, answer.json()


async def test_the_list_of_commands_is_whole(service: Service) -> None:
    """A command that nobody thought of here was thought of by nobody."""
    found = await described(service)
    assert {label for label in found if label.startswith("POST")} == set(NEEDED)
    assert len(found) > 20


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer olt_wrong", "Basic YTpi", "olt_x"]
)
async def test_every_operation_wants_a_token(
    service: Service, header: str | None
) -> None:
    """401, whatever is missing or wrong, and before anything is looked at."""
    head = service.opened.store.head
    headers = {} if header is None else {"Authorization": header}
    for label, operation in (await described(service)).items():
        status, told = await ask(service, label, **headers)
        assert (label, status) == (label, 401)
        assert told["field"] == "Authorization"
        assert "401" in operation["responses"], label
    assert service.opened.store.head == head


async def test_every_operation_wants_its_scope(service: Service) -> None:
    """403 with every other scope there is: none includes another, but admin's."""
    head = service.opened.store.head
    for label, operation in (await described(service)).items():
        others = EVERY - NEEDED.get(label, {"read"})
        status, told = await ask(service, label, *sorted(others))
        assert (label, status) == (label, 403)
        assert told["code"] == "scope"
        assert told["hint"]
        assert "403" in operation["responses"], label
    assert service.opened.store.head == head
