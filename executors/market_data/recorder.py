"""Keeping frames as they arrive, in our own wrapper: one JSON object a line."""

import gzip
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from executors.market_data.frames import Frame
from ledger.errors import RecordingError


def wrapped(frame: Frame) -> bytes:
    """One line of a recording: `sequence`, `received_ms`, and `frame` or `gap`."""
    line: dict[str, int | str] = {
        "sequence": frame.sequence,
        "received_ms": frame.received_ms,
    }
    line |= {"gap": frame.gap} if frame.gap else {"frame": frame.text}
    return msgspec.json.encode(line) + b"\n"


def write_frames(path: str | Path, frames: Iterable[Frame]) -> int:
    """Write a whole recording, compressed if the name ends in .gz.

    Returns:
        The number of lines; the same frames give the same bytes.

    Raises:
        RecordingError: it cannot be written.
    """
    lines = [wrapped(frame) for frame in frames]
    data = b"".join(lines)
    try:
        # No time in the header, so that equal recordings are equal files.
        packed = gzip.compress(data, mtime=0) if str(path).endswith(".gz") else data
        Path(path).write_bytes(packed)
    except OSError as error:
        raise _unwritable(path, error) from error
    return len(lines)


class Recorder:
    """Appends frames to a plain file; every frame is handed to the system at once.

    Use it as a context manager, or call `close`.

    Raises:
        RecordingError: the file cannot be opened or written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            self._end_last_line()
        except OSError as error:
            self._file.close()
            raise _unwritable(path, error) from error

    def write(self, frame: Frame) -> None:
        """Append one frame."""
        line = wrapped(frame)
        try:
            written = self._file.write(line)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if written != len(line):
            raise _unwritable(self.path, OSError("only a part was written"))

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _end_last_line(self) -> None:
        """A writer that was killed may have left half a line: do not glue to it."""
        size = self._file.seek(0, 2)
        if size:
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")


def _unwritable(path: str | Path, error: OSError) -> RecordingError:
    return RecordingError(f"{path}: cannot be written: {error.strerror or error}")
