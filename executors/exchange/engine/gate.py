"""What the exchange accepts at the moment: its mode, and how long it lasts."""

from executors.exchange.engine.admission import RefusedError, check_gate
from executors.exchange.engine.types import Mode, Refused


class Gate:
    """The mode; a restart is followed by a time of post-only, then all is normal.

    `post_only_ms` is how long that time is.
    """

    def __init__(self, post_only_ms: int) -> None:
        self._mode = Mode()
        self.post_only_ms = post_only_ms

    def mode(self, now_ms: int) -> Mode:
        """The mode at a moment; moments must not go back."""
        mode = self._mode
        if mode.until_ms is None or now_ms < mode.until_ms:
            return mode
        if mode.name == "restarting":
            self._mode = Mode("post_only", mode.until_ms + self.post_only_ms)
            return self.mode(now_ms)
        self._mode = Mode()
        return self._mode

    def set(self, mode: Mode) -> None:
        """Change the mode."""
        self._mode = mode

    def check(self, now_ms: int, *, placing: bool, post_only: bool = False) -> None:
        """Refuse what is not accepted now.

        Raises:
            RefusedError: 425 while restarting, 503 otherwise.
        """
        check_gate(self.mode(now_ms), now_ms, placing=placing, post_only=post_only)

    def refusal(self, now_ms: int, *, placing: bool) -> Refused | None:
        """The same as a value."""
        try:
            self.check(now_ms, placing=placing)
        except RefusedError as error:
            return error.refused
        return None
