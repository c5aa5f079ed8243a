"""The golden log of schema version 1: every later version must read it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger.events import EVENT_TYPES, Event, decode, encode
from tests.integration.store.samples import opened
from tests.tools import make_golden

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A copy: opening a database leaves files beside it."""
    return Path(shutil.copy(GOLDEN / "v1.db", tmp_path))


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    text = (GOLDEN / "v1.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_event_is_read_as_it_was_written(
    path: Path, lines: list[dict[str, Any]]
) -> None:
    """A log is read for years; whoever changes an event class finds out here."""
    *expected, end = lines
    with opened(path, writer=False) as store:
        found = [
            {
                "position": r.position,
                "stream": r.stream,
                "version": r.version,
                "recorded_us": r.recorded_us,
                "topic": r.event.TOPIC,
                "state": encode(r.event).decode(),
            }
            for r in store.read()
        ]
        assert found == expected
        assert (store.ledger_id, store.head_hash.hex()) == (
            end["ledger_id"],
            end["hash"],
        )


def test_encoding_again_gives_the_same_bytes(lines: list[dict[str, Any]]) -> None:
    """A copy of a log has the same hash, whichever version made it."""
    for line in lines[:-1]:
        state = line["state"].encode()
        assert encode(decode(line["topic"], state)) == state


def test_it_verifies_and_can_be_written_on(
    path: Path, lines: list[dict[str, Any]]
) -> None:
    """Old ledgers are not only read: trading goes on in them."""
    with opened(path, writer=False) as store:
        report = store.verify(full=True)
        assert report == (len(lines) - 1, len(lines) - 1, None, [], lines[-1]["hash"])
    with opened(path) as store:
        assert store.epoch == 2
        assert store.find_intent("pair-arb", "key-1") is not None


def test_it_holds_every_topic(lines: list[dict[str, Any]]) -> None:
    """A topic without a golden event could change unseen."""
    assert {line["topic"] for line in lines[:-1]} == set(EVENT_TYPES)


def test_this_version_still_writes_it(
    tmp_path: Path, lines: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The maker and the log it made stay in step."""
    make_golden.main(tmp_path)
    assert "v1.db" in capsys.readouterr().out
    assert (tmp_path / "v1.jsonl").read_text(encoding="utf-8") == (
        GOLDEN / "v1.jsonl"
    ).read_text(encoding="utf-8")
    assert lines


def test_every_event_class_has_a_topic_of_its_own() -> None:
    """Two classes under one topic: one of them would never be read back."""

    def leaves(cls: type[Event]) -> list[type[Event]]:
        below = cls.__subclasses__()
        return [leaf for sub in below for leaf in leaves(sub)] if below else [cls]

    topics = [cls.TOPIC for cls in leaves(Event)]
    assert all(topics)
    assert len(topics) == len(set(topics))
    assert set(topics) == set(EVENT_TYPES)
