"""Reads YAML into plain values that remember where they were written.

The parser's node graph is used instead of its loaded values: a number stays the text
it was written as, so 0.01 never passes through a float, and every key and value
carries its line and column.
"""

from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from config.errors import ConfigProblem, masked
from config.settings import SECRETS
from config.sources import MAX_DEPTH, Keys, Layer, Origin, dotted, variable

_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("bool", "float", "int", "map", "null", "seq", "str", "timestamp")
)


def read_yaml(text: str, name: str) -> Layer:
    """Read one YAML document.

    Args:
        text: The document.
        name: What to call it in complaints, usually the path of the file.

    Returns:
        A layer whose scalars are text or None; its problems say all that is wrong.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return Layer(problems=[_syntax_problem(error, text, name)])
    except RecursionError:
        return Layer(problems=[ConfigProblem(name, "", "is nested too deep")])
    reader = _Reader(text, name)
    if isinstance(root, MappingNode):
        reader.layer.tree = reader.mapping(root, ())
    elif root is not None and not _is_null(root):
        reader.refuse(root, (), "must be a mapping of keys to values")
    return reader.layer


def read_value(text: str, keys: Keys) -> tuple[Any, Layer]:
    """Read a list or a section that was given as the value of one setting.

    Returns:
        The value, and a layer with the paths found in it and what is wrong with them.
    """
    reader = _Reader(text, dotted(keys))
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError):
        message = "is not a valid YAML list or section"
        reader.layer.problems.append(ConfigProblem("", dotted(keys), message))
        return None, reader.layer
    return reader.value(root, keys), reader.layer


def _is_null(node: Node) -> bool:
    return str(node.tag).endswith(":null")


def _syntax_problem(error: YAMLError, text: str, name: str) -> ConfigProblem:
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return ConfigProblem(name, "", "is not valid YAML")
    mark = error.problem_mark
    lines = text.splitlines()
    line = masked(lines[mark.line]) if mark.line < len(lines) else None
    where = f"{name}:{mark.line + 1}:{mark.column + 1}"
    message = f"is not valid YAML: {masked(str(error.problem))}"
    return ConfigProblem(where, "", message, line)


class _Reader:
    """Turns nodes into values and notes where each was written."""

    def __init__(self, text: str, name: str) -> None:
        self.layer = Layer()
        self._lines = text.splitlines()
        self._name = name
        self._seen: set[int] = set()

    def mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        """Read a mapping whose keys are plain words."""
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.refuse(key_node, keys, "has a key that is not a plain word")
                continue
            path = (*keys, str(key_node.value))
            self.layer.origins[path] = self._origin(value_node, key_node)
            origin = self.layer.origins[path]
            if path in SECRETS:
                self.layer.refuse(path, _secret_advice(path), origin)
            elif path[-1] in values:
                self.layer.refuse(path, "is given twice", origin)
            else:
                values[path[-1]] = self.value(value_node, path)
        return values

    def refuse(self, node: Node, keys: Keys, message: str) -> None:
        """Note what is wrong at a node."""
        # The mark of an alias is that of its anchor; its own place was noted before.
        origin = self.layer.origins.get(keys) or self._origin(node, node)
        self.layer.problems.append(origin.problem(keys, message, at_key=False))

    def value(self, node: Node, keys: Keys) -> Any:
        """Read any node; scalars become text or None."""
        if id(node) in self._seen:
            # An alias is the same node again; following them can grow without bound.
            self.refuse(node, keys, "must be written out, not repeated by an alias")
        elif len(keys) > MAX_DEPTH:
            self.refuse(node, keys, f"is nested more than {MAX_DEPTH} deep")
        elif str(node.tag) not in _PLAIN_TAGS:
            self.refuse(node, keys, "must not carry a YAML tag")
        elif isinstance(node, MappingNode):
            self._seen.add(id(node))
            return self.mapping(node, keys)
        elif isinstance(node, SequenceNode):
            self._seen.add(id(node))
            return self._sequence(node, keys)
        elif not _is_null(node):
            self._seen.add(id(node))
            return str(node.value)
        return None

    def _sequence(self, node: SequenceNode, keys: Keys) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            path = (*keys, str(index))
            self.layer.origins[path] = self._origin(item, item)
            values.append(self.value(item, path))
        return values

    def _origin(self, value: Node, key: Node) -> Origin:
        mark = key.start_mark
        line = self._lines[mark.line] if mark.line < len(self._lines) else ""
        # The start of a whole section is its key, not the first key inside it.
        shown = value if value.start_mark.line == mark.line else key
        return Origin(self._where(shown), self._where(key), masked(line))

    def _where(self, node: Node) -> str:
        mark = node.start_mark
        return f"{self._name}:{mark.line + 1}:{mark.column + 1}"


def _secret_advice(keys: Keys) -> str:
    name = variable(keys)
    return f"is a secret and must not stand here; set {name} or {name}_FILE"
