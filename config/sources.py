"""Where settings come from: files, environment, flags.

Each source becomes a `Layer`: a tree of plain values and, for every path in it, the
place where it was written, so that a later complaint can name that place.
Scalars stay text, exactly as written; the models decide what they mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from config.errors import ConfigProblem, masked
from config.settings import SECRETS

Keys = tuple[str, ...]
"""Keys from the root to a setting; the index of a list item is a key too."""

PREFIX: Final = "ORDER_LEDGER_"
RESERVED: Final = frozenset({"CONFIG", "DATA", "EXCHANGE"})
"""Variables with our prefix that the command line reads; they are no settings."""

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 12


@dataclass(frozen=True, slots=True)
class Origin:
    """The place where a key and its value were written."""

    value: str
    key: str
    line: str | None = None

    def problem(self, keys: Keys, message: str, *, at_key: bool) -> ConfigProblem:
        """Say what is wrong with the setting that was written here."""
        where = self.key if at_key else self.value
        return ConfigProblem(where, dotted(keys), message, self.line)


@dataclass(slots=True)
class Layer:
    """What one source says, and what is wrong with how it says it."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, Origin] = field(default_factory=dict)
    problems: list[ConfigProblem] = field(default_factory=list)

    def put(self, keys: Keys, value: Any, origin: Origin) -> None:
        """Set one value, making the sections on its way."""
        section = self.tree
        for depth, key in enumerate(keys[:-1], start=1):
            section = section.setdefault(key, {})
            self.origins.setdefault(keys[:depth], origin)
            if not isinstance(section, dict):
                self.refuse(keys, "is set both as a value and as a section", origin)
                return
        if keys[-1] in section:
            self.refuse(keys, "is set twice", origin)
            return
        section[keys[-1]] = value
        self.origins[keys] = origin

    def refuse(self, keys: Keys, message: str, origin: Origin) -> None:
        """Note what is wrong with the setting written at `origin`."""
        self.problems.append(origin.problem(keys, message, at_key=True))


def dotted(keys: Sequence[str | int]) -> str:
    """Write a path the way `--set` reads it."""
    return ".".join(map(str, keys))


def variable(keys: Keys) -> str:
    """Name the environment variable of a setting."""
    return PREFIX + "__".join(keys).upper()


def from_environment(env: Mapping[str, str]) -> Layer:
    """Read `ORDER_LEDGER_A__B=c` as `a.b: c`; an empty variable is no variable.

    A secret may also come as the path of a file that holds it, in a variable with
    `_FILE` at the end of its name.
    """
    layer = Layer()
    for name in sorted(env):
        bare = name.removeprefix(PREFIX)
        if bare == name or bare in RESERVED or not env[name]:
            continue
        keys = tuple(bare.lower().split("__"))
        origin = Origin(name, name)
        secret = (*keys[:-1], keys[-1].removesuffix("_file"))
        if secret in SECRETS and secret != keys:
            _put_secret_file(layer, secret, Path(env[name]), origin)
        elif keys in SECRETS:
            layer.put(keys, env[name], origin)
        else:
            _put_text(layer, keys, env[name], origin)
    return layer


def from_flags(flags: Sequence[str]) -> Layer:
    """Read `a.b=c`, the text after `--set`; of two for one setting the last wins."""
    layer = Layer()
    last = {flag.partition("=")[0]: flag for flag in flags}
    for name, flag in last.items():
        keys = tuple(name.split("."))
        value = flag.partition("=")[2]
        origin = Origin("--set", "--set")
        if keys in SECRETS:
            # A command line is visible to every user of the machine.
            layer.refuse(keys, f"is a secret; set {variable(keys)} instead", origin)
        elif not all(keys) or not value:
            layer.refuse((), f"{masked(flag)!r} must look like a.b=c", origin)
        else:
            _put_text(layer, keys, value, origin)
    return layer


def from_file(path: Path) -> Layer:
    """Read a YAML file; whatever is wrong with it becomes a problem of the layer."""
    try:
        data = path.read_bytes()
        text = data.decode() if len(data) <= MAX_BYTES else ""
    except OSError as error:
        return _unreadable(path, f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        return _unreadable(path, "is not UTF-8 text")
    if len(data) > MAX_BYTES:
        return _unreadable(path, f"is longer than {MAX_BYTES} bytes")
    from config.yaml_nodes import read_yaml

    return read_yaml(text, str(path))


def _unreadable(path: Path, message: str) -> Layer:
    return Layer(problems=[ConfigProblem(str(path), "", message)])


def _put_secret_file(layer: Layer, keys: Keys, path: Path, origin: Origin) -> None:
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.read(MAX_BYTES).strip()
    except OSError as error:
        layer.refuse(keys, f"cannot be read from {path}: {error.strerror}", origin)
    except UnicodeDecodeError:
        layer.refuse(keys, f"cannot be read from {path}: not UTF-8 text", origin)
    else:
        if secret:
            layer.put(keys, secret, origin)
        else:
            layer.refuse(keys, f"cannot be read from {path}: it is empty", origin)


def _put_text(layer: Layer, keys: Keys, text: str, origin: Origin) -> None:
    if text[0] not in "[{":
        layer.put(keys, None if text in ("null", "~") else text, origin)
        return
    from config.yaml_nodes import read_value

    value, inside = read_value(text, keys)
    layer.put(keys, value, origin)
    layer.origins |= dict.fromkeys(inside.origins, origin)
    for problem in inside.problems:
        layer.refuse(tuple(problem.path.split(".")), problem.message, origin)
