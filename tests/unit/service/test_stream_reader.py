"""Reading an event stream: whatever the pieces, each event once."""

import json

import pytest

from service.client.events import StreamReader


def frame(position: int) -> bytes:
    """One event as the service sends it."""
    data = {
        "position": position,
        "stream": "system",
        "version": position,
        "recorded_at": "2026-11-01T00:00:00Z",
        "topic": "ledger.resumed.v1",
    }
    return b"id: %d\ndata: %b\n\n" % (position, json.dumps(data).encode())


def positions(reader: StreamReader, *pieces: bytes) -> list[int]:
    """What the pieces give."""
    return [event.position for piece in pieces for event in reader.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 7, 50, 10_000])
def test_events_come_whole_however_they_are_cut(size: int) -> None:
    """The network cuts where it likes."""
    text = b"retry: 1000\nid: 0\n\n" + b"".join(map(frame, (1, 2, 3))) + b": ping\n\n"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert positions(StreamReader(0), *pieces) == [1, 2, 3]


def test_what_came_before_is_passed_over() -> None:
    """A proxy that sends something twice must not make a fill of two."""
    reader = StreamReader(1)
    assert positions(reader, frame(1), frame(2), frame(2), frame(1), frame(3)) == [2, 3]
    assert reader.position == 3


def test_an_event_that_was_cut_off_comes_again() -> None:
    """Half an event says nothing; the next connection begins before it."""
    reader = StreamReader(0)
    assert positions(reader, frame(1), frame(2)[:-1]) == [1]
    reader.begin()
    assert reader.position == 1
    assert positions(reader, frame(2)) == [2]


def test_an_id_without_data_moves_the_place_only() -> None:
    """A filtered stream says how far it is where nothing fits."""
    reader = StreamReader(None)
    assert positions(reader, b"id: 7\n\n") == []
    assert reader.position == 7
    assert positions(reader, frame(7), frame(8)) == [8]
