"""What can be wrong with a configuration, said all at once.

* ConfigError              the settings cannot be used; holds every problem found
  + KeystoreError          the signing key could not be taken from its keystore
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_MASK: Final = "***"
_AFTER_A_SECRET_NAME: Final = re.compile(
    r"((?:key|secret|pass\w*|token)\w*[\"']?\s*[:=]\s*).+", re.IGNORECASE
)
_OPAQUE_WORD: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")


def masked(text: str) -> str:
    """Hide whatever in a line of somebody's file may be a secret.

    A mistyped or misplaced secret is still one, so the line is judged by its looks:
    all that follows a name such as `api_secret:`, and every opaque word of 32
    characters or more.
    """
    return _OPAQUE_WORD.sub(_MASK, _AFTER_A_SECRET_NAME.sub(rf"\g<1>{_MASK}", text))


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong, and where it was written."""

    where: str
    """`file:line:column`, the name of an environment variable, or `--set`."""

    path: str
    """Dotted path of the setting; empty when a source as a whole is unreadable."""

    message: str

    source_line: str | None = None
    """The offending line of a file, secrets masked."""

    def lines(self) -> list[str]:
        """One line for the problem and, if it has one, its source line below."""
        said = [" ".join(filter(None, (self.where, self.path, self.message)))]
        if self.source_line is not None:
            said.append(f"    {self.source_line.strip()}")
        return said


class ConfigError(Exception):
    """The settings cannot be used; `errors` holds every problem found."""

    def __init__(self, errors: Sequence[ConfigProblem]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.lines()))

    def lines(self) -> list[str]:
        """Every problem as text, ready to be printed, without secrets."""
        return [line for error in self.errors for line in error.lines()]


class KeystoreError(ConfigError):
    """The signing key could not be taken from its keystore."""
