"""Puts the sources together and turns what pydantic says into plain sentences."""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import ConfigError, ConfigProblem
from config.ready import from_ready_file
from config.settings import Settings
from config.sources import (
    Keys,
    Origin,
    dotted,
    from_environment,
    from_file,
    from_flags,
    variable,
)

_FOLDER: Final = Path(__file__).parent
BASE_FILE: Final = _FOLDER / "base.yaml"
"""The defaults; read before every other file."""

_PLACE: Final = re.compile(r"(.*):(\d+):(\d+)", re.DOTALL)

_SENTENCES: Final = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "decimal_max_places": "must have at most {decimal_places} decimal places",
    "dict_type": "must be a section of keys",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a section of keys",
    "path_type": "must be a single value",
    "string_pattern_mismatch": "must match {pattern}",
    "string_type": "must be a single value",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
    "value_error": "{error}",
}
"""What pydantic finds, by its kind, in the words of somebody who edits a file."""


def load_settings(
    files: Sequence[Path] = (),
    env: Mapping[str, str] | None = None,
    overrides: Sequence[str] = (),
    *,
    exchange: Path | None = None,
) -> Settings:
    """Build the settings from `base.yaml` and the given sources, later ones winning.

    Args:
        files: YAML files over `base.yaml`, in order; a bare name such as `paper`
            is the profile of that name that ships with the ledger.
        env: Environment variables; the process's own when None.
        overrides: `a.b=c` texts of the command line, which win over all.
        exchange: The ready file of a local exchange to trade at, laid over files
            and environment.

    Raises:
        ConfigError: Something is wrong; it holds every problem found.
    """
    layers = [from_file(path) for path in (_shown(BASE_FILE), *map(_profile, files))]
    layers.append(from_environment(os.environ if env is None else env))
    if exchange is not None:
        layers.append(from_ready_file(exchange))
    layers.append(from_flags(overrides))
    tree: Mapping[str, Any] = {}
    origins: dict[Keys, Origin] = {}
    for layer in layers:
        tree = _merged(tree, layer.tree)
        origins |= layer.origins
    settings, problems = _validated(tree, origins)
    problems = [problem for layer in layers for problem in layer.problems] + problems
    if settings is None or problems:
        raise ConfigError(sorted(problems, key=_reading_order))
    return settings


def _reading_order(problem: ConfigProblem) -> tuple[bool, str, int, int]:
    """Files first, each from top to bottom; then variables and flags."""
    found = _PLACE.fullmatch(problem.where)
    if found is None:
        return True, problem.where, 0, 0
    name, line, column = found.groups()
    return False, name, int(line), int(column)


def _shown(path: Path) -> Path:
    """Shorten a path below the working directory, as its owner would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _profile(path: Path) -> Path:
    shipped = _FOLDER / f"{path}.yaml"
    is_name = len(path.parts) == 1 and not path.suffix and not path.exists()
    return _shown(shipped) if is_name and shipped.exists() else path


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one tree over another: sections merge, values and lists replace."""
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and value is None:
            continue  # a section with nothing but comments changes nothing
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = _merged(below, value)
        else:
            result[key] = value
    return result


def _validated(
    tree: Mapping[str, Any], origins: Mapping[Keys, Origin]
) -> tuple[Settings | None, list[ConfigProblem]]:
    try:
        return Settings.model_validate(tree), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    # Outside the handler on purpose: a chained ValidationError could carry inputs.
    return None, [_problem(detail, origins) for detail in details]


def _problem(detail: ErrorDetails, origins: Mapping[Keys, Origin]) -> ConfigProblem:
    # "[key]" marks a complaint about the key itself.
    keys = tuple(str(part) for part in detail["loc"] if part != "[key]")
    at_key = "[key]" in detail["loc"] or detail["type"] == "extra_forbidden"
    for length in range(len(keys), 0, -1):
        if origin := origins.get(keys[:length]):
            return origin.problem(keys, _sentence(detail, keys), at_key=at_key)
    return ConfigProblem("default", dotted(keys), _sentence(detail, keys))


def _sentence(detail: ErrorDetails, keys: Keys) -> str:
    """Say in the reader's words what pydantic found."""
    kind = detail["type"]
    if kind == "extra_forbidden":
        return "is not a known key" + _suggestion(keys)
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**detail.get("ctx", {}))
    return detail["msg"][:1].lower() + detail["msg"][1:]


def _suggestion(keys: Keys) -> str:
    # A variable with one underscore where the section ends is a common slip.
    joined = {"_".join(path): variable(path) for path in _settings_paths()}
    near = get_close_matches(keys[-1], _fields_at(keys[:-1]), n=1)
    meant = joined.get(keys[-1]) if len(keys) == 1 else None
    meant = meant or next(iter(near), None)
    return f"; did you mean {meant}?" if meant else ""


def _settings_paths() -> list[Keys]:
    """List the settings that stand directly in a section."""
    return [
        (section, name) for section in _fields_at(()) for name in _fields_at((section,))
    ]


def _fields_at(keys: Keys) -> list[str]:
    """List the keys that the section at `keys` may have."""
    kind: Any = Settings
    for key in keys:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            kind = kind.model_fields[key].annotation
        else:  # a dict of sections by name
            kind = get_args(kind)[-1]
    return list(getattr(kind, "model_fields", ()))
