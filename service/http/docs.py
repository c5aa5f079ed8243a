"""OpenAPI 3.1 out of the structs that decode requests and answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.http import schemas
from service.http.problems import MEDIA_TYPE, TITLES

_REF: Final = "#/components/schemas/{name}"
_HELD: Final = "example:"
_EXAMPLES: Final[list[object]] = []

_ALWAYS: Final = (400, 401, 403)
"""The gate gives these, whatever the route."""

_DESCRIPTION: Final = """\
The command API of an order ledger: strategies append intents and follow what
becomes of them.

Every number is a string that holds an exact decimal.
Every read takes `as_of`, a position of the log or a time, and answers with the
position that it holds for, in `ETag` too.
Errors are `application/problem+json` with a code, the field and a hint.
"""

_KINDS: Final = tuple(
    kind
    for kind in vars(schemas).values()
    if isinstance(kind, type)
    and issubclass(kind, msgspec.Struct)
    and kind not in (schemas.Body, msgspec.Struct)
)


def takes(
    kind: type[msgspec.Struct],
    example: Mapping[str, Any],
    *,
    is_optional: bool = False,
    parameters: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Document a route's body, for `openapi_extra`."""
    body = {"schema": ref(kind), "examples": {"example": held(example)}}
    content = {"application/json": body}
    extra: dict[str, Any] = {
        "requestBody": {"required": not is_optional, "content": content}
    }
    if parameters:
        extra["parameters"] = list(parameters)
    return extra


def gives(
    kind: type[msgspec.Struct] | None,
    example: Any = None,
    *,
    also: Sequence[int] = (),
    statuses: Sequence[int] = (200,),
    headers: Mapping[str, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Document a route's answers, for `responses`.

    Args:
        kind: What a good answer holds; any object if absent.
        example: A good answer.
        also: The statuses of problems, besides those that every route has.
        statuses: The statuses of good answers.
        headers: Headers of good answers with their descriptions.
    """
    schema = {"type": "object"} if kind is None else ref(kind)
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["examples"] = {"example": held(example)}
    good: dict[str, Any] = {"content": {"application/json": content}}
    if headers:
        good["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        }
    texts = {200: "Done", 202: "Recorded; what follows goes on"}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": texts[status], **good} for status in statuses
    }
    for status in sorted({*_ALWAYS, *also}):
        found[status] = problem(status)
    return found


def held(example: object) -> dict[str, str]:
    """A placeholder for an example: FastAPI would strip its nulls."""
    _EXAMPLES.append(example)
    return {"value": f"{_HELD}{len(_EXAMPLES) - 1}"}


def _with_examples(part: Any) -> Any:
    """A document with its placeholders replaced."""
    if isinstance(part, dict):
        return {name: _with_examples(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_with_examples(value) for value in part]
    if isinstance(part, str) and part.startswith(_HELD):
        return _EXAMPLES[int(part.removeprefix(_HELD))]
    return part


def problem(status: int) -> dict[str, Any]:
    """Document one problem."""
    if status == 304:  # noqa: PLR2004 -- the only one without a body
        return {"description": "Not modified"}
    return {
        "description": TITLES[status],
        "content": {MEDIA_TYPE: {"schema": ref(schemas.ProblemDocument)}},
    }


def ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    """A reference to a struct's schema."""
    return {"$ref": _REF.format(name=kind.__name__)}


def document(app: FastAPI) -> None:
    """Have the application describe itself, with our schemas and its security."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = get_openapi(
                title=app.title,
                version=app.version,
                description=_DESCRIPTION,
                routes=app.routes,
            )
            _, components = msgspec.json.schema_components(_KINDS, ref_template=_REF)
            parts = found.setdefault("components", {})
            parts.setdefault("schemas", {}).update(components)
            for unused in ("HTTPValidationError", "ValidationError"):
                parts["schemas"].pop(unused, None)
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"token": []}]
            _tidy(found)
            app.openapi_schema = _with_examples(found)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _tidy(found: dict[str, Any]) -> None:
    """Say what the gate answers, and nothing that is never answered."""
    for path, item in found["paths"].items():
        for operation in item.values():
            answers = operation["responses"]
            answers.setdefault("422", problem(422))
            answers["422"] = problem(422)
            if path == "/v1/ready":
                operation["security"] = []
