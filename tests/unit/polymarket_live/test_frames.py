"""Raw frames on disk: everything, in order, without the secret."""

from pathlib import Path

from executors.polymarket.frames import (
    CURSOR,
    FRAMES,
    OUR_KEY,
    QUARANTINE,
    FrameLog,
    read_frames,
)
from tests.unit.polymarket_live.scripted import START, TurnedClock


def test_frames_and_gaps_are_stored_in_order_with_their_time(tmp_path: Path) -> None:
    """A dispute with the venue is settled by what was received, and when."""
    clock = TurnedClock()
    frames = FrameLog(tmp_path, clock)
    frames.gap("the stream starts")
    clock.seconds = 1.5
    frames.frame('{"odd": "ünï"}')
    first, second = read_frames(tmp_path / FRAMES)
    assert (first.sequence, first.gap, first.text) == (1, "the stream starts", "")
    assert (second.sequence, second.text) == (2, '{"odd": "ünï"}')
    assert second.received_ms - first.received_ms == 1500


def test_the_api_key_is_never_written(tmp_path: Path) -> None:
    """Every event carries it as `owner`."""
    frames = FrameLog(tmp_path, TurnedClock())
    frames.hide("secret-key")
    frames.frame('{"owner":"secret-key","order_owner":"secret-key"}')
    frames.quarantine("odd", '["secret-key"]')
    for name in (FRAMES, QUARANTINE):
        text = (tmp_path / name).read_text()
        assert "secret-key" not in text
        assert OUR_KEY in text


def test_what_cannot_be_read_lies_apart_with_its_reason(tmp_path: Path) -> None:
    """A person finds it, and finds the frame it came in."""
    frames = FrameLog(tmp_path, TurnedClock())
    frames.frame("{")
    frames.quarantine("not JSON", "{")
    (bad,) = read_frames(tmp_path / QUARANTINE)
    assert (bad.sequence, bad.reason, bad.text) == (1, "not JSON", "{")
    assert (frames.quarantined, frames.last_reason) == (1, "not JSON")


def test_numbers_go_on_over_restarts_and_rotations(tmp_path: Path) -> None:
    """A number used twice would hide a loss."""
    for _ in range(3):
        frames = FrameLog(tmp_path, TurnedClock(), rotate_bytes=300)
        for _ in range(4):
            frames.frame("x" * 50)
    stored = [line for path in tmp_path.iterdir() for line in read_frames(path)]
    assert sorted(line.sequence for line in stored) == list(range(1, 13))
    assert len(list(tmp_path.iterdir())) > 2


def test_a_torn_last_line_is_no_obstacle(tmp_path: Path) -> None:
    """The process may die while it writes."""
    frames = FrameLog(tmp_path, TurnedClock())
    frames.frame("a")
    with (tmp_path / FRAMES).open("a") as file:
        file.write('{"sequence":2,"rec')
    again = FrameLog(tmp_path, TurnedClock())
    again.frame("b")
    assert again.sequence == 2
    assert [line.text for line in read_frames(tmp_path / FRAMES)] == ["a", "b"]


def test_without_a_folder_frames_are_only_counted() -> None:
    """A simulation needs no disk."""
    frames = FrameLog(None, TurnedClock())
    frames.frame("a")
    assert frames.sequence == 1


def test_the_sweeps_cursor_survives_a_restart(tmp_path: Path) -> None:
    """What happened while we were away is asked for."""
    frames = FrameLog(tmp_path, TurnedClock())
    assert frames.cursor() is None
    frames.keep_cursor(START)
    assert FrameLog(tmp_path, TurnedClock()).cursor() == START
    (tmp_path / CURSOR).write_text("torn")
    assert FrameLog(tmp_path, TurnedClock()).cursor() is None


def test_only_the_owner_may_read_what_is_kept(tmp_path: Path) -> None:
    """Frames name every order and trade of the wallet."""
    frames = FrameLog(tmp_path, TurnedClock())
    frames.frame("{")
    frames.quarantine("not JSON", "{")
    frames.keep_cursor(START)
    for name in (FRAMES, QUARANTINE, CURSOR):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
