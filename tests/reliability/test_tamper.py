"""Edits, gaps and flipped bits: verification names the first bad event."""

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import IntegrityError
from ledger.store.verify import Verifier, VerifyReport
from tests.integration.store.samples import OPTIONS, noted, opened, ordered

EVENTS = 40
PAGE = 4096
COLUMNS = "originator_id, originator_version, topic, state, recorded_us, epoch, hash"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger of 40 events, half of them of orders, closed."""
    path = tmp_path / "ledger.db"
    with opened(path) as store:
        for number in range(1, EVENTS // 4 + 1):
            store.append([ordered(number)])
            store.append([noted(2 * number - 1), noted(2 * number)])
    return path


def edited(path: Path, *statements: str) -> VerifyReport:
    """Change the file as its owner could, triggers aside, and verify it."""
    connection = sqlite3.connect(path, isolation_level=None)
    triggers = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
    ).fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(sql)
    connection.close()
    with opened(path, writer=False) as store:
        return store.verify(full=True)


def test_an_untouched_log_is_sound(path: Path) -> None:
    """An alarm that always rings is ignored."""
    report = edited(path)
    assert (report.events, report.head, report.first_bad) == (EVENTS, EVENTS, None)
    assert report.problems == []


@pytest.mark.parametrize(
    "change",
    [
        "originator_id = 'order-x'",
        "originator_version = 99",
        "topic = 'ledger.resumed.v1'",
        "state = replace(CAST(state AS TEXT), '2026', '2027')",
        "state = CAST(replace(CAST(state AS TEXT), '2026', '2027') AS BLOB)",
        "recorded_us = recorded_us + 1",
        "epoch = epoch + 1",
        "hash = zeroblob(32)",
        "hash = zeroblob(31)",
    ],
)
def test_an_edited_event_is_named(path: Path, change: str) -> None:
    """Whatever is changed in whichever column, the log tells where."""
    try:
        report = edited(path, f"UPDATE events SET {change} WHERE position = 19")
    except sqlite3.IntegrityError:
        # The table is strict: text in a blob's place is refused before us.
        assert "TEXT" in change
    else:
        assert report.first_bad == 19


def test_a_deleted_event_is_named(path: Path) -> None:
    """A gap is as telling as an edit."""
    assert edited(path, "DELETE FROM events WHERE position = 7").first_bad == 7
    assert edited(path, "DELETE FROM events WHERE position = 1").first_bad == 1


def test_an_inserted_event_is_named(path: Path) -> None:
    """Nobody can slip a fill in between, not even by moving the rest along."""
    moved = "UPDATE events SET position = {} WHERE position > 20"
    report = edited(
        path,
        moved.format("-position"),
        "UPDATE events SET position = 1 - position WHERE position < 0",
        f"INSERT INTO events SELECT 21, 'system', 99, {COLUMNS.split(', ', 2)[2]} "
        "FROM events WHERE position = 20",
    )
    assert report.first_bad == 21


def test_swapped_events_are_named(path: Path) -> None:
    """The order of events is part of what they say."""
    swap = "UPDATE events SET position = CASE position {} END WHERE position IN ({})"
    report = edited(
        path,
        swap.format("WHEN 11 THEN -12 WHEN 12 THEN -11", "11, 12"),
        "UPDATE events SET position = -position WHERE position < 0",
    )
    assert report.first_bad == 11


def test_a_cut_tail_needs_a_checkpoint_to_be_seen(path: Path) -> None:
    """The chain alone is whole without its end; a witness remembers it."""
    cut = "DELETE FROM events WHERE originator_id = 'system' AND position = 40"
    assert edited(path, cut).first_bad is None
    with opened(path) as store:
        store.save_checkpoint(39, b"state")
    report = edited(path, "DELETE FROM events WHERE position = 39")
    assert report.first_bad == 39


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ("UPDATE intents SET fingerprint = 'x' WHERE order_id LIKE '00000002%'", 5),
        ("UPDATE intents SET venue_order_id = '' WHERE order_id LIKE '00000003%'", 10),
        ("DELETE FROM intents WHERE order_id LIKE '00000004%'", 13),
        ("INSERT INTO intents VALUES ('arb', 'new', 'f', 'order', '')", None),
    ],
)
def test_identities_must_agree_with_the_events(
    path: Path, change: str, bad: int | None
) -> None:
    """They decide whether an order is sent, and no hash covers them."""
    report = edited(path, change)
    assert report.first_bad == bad
    assert report.problems


def test_a_stream_with_a_hole_is_named(path: Path) -> None:
    """The chain is whole, but a decision was taken on a state nobody had."""
    with opened(path) as store:
        store.append([noted(EVENTS // 2 + 2)])
        problems = store.verify(full=True).problems
    assert problems == ["stream system has 21 events numbered 1 to 22"]


def event_bytes(data: bytes, path: Path) -> Callable[[random.Random], int]:
    """Where the bytes of a random event lie in the file."""
    places: list[tuple[int, int]] = []
    connection = sqlite3.connect(path)
    for stream, topic, state, digest in connection.execute(
        "SELECT CAST(originator_id AS BLOB), CAST(topic AS BLOB), state, hash "
        "FROM events"
    ):
        # A row's values lie side by side: stream, version, topic, state, ..., hash.
        end = data.index(digest) + len(digest)
        middle = data.rindex(topic, 0, data.rindex(state, 0, end) + 1)
        begin = data.rindex(stream, 0, middle)
        assert end - begin < sum(map(len, (stream, topic, state, digest))) + 20
        places.append((begin, end))
    connection.close()
    return lambda rng: rng.randrange(*rng.choice(places))


def flipped(path: Path, *, flips: int, seed: int) -> list[int]:
    """Flip one bit at a time; the offsets of flips that were not noticed."""
    rng = random.Random(seed)
    data = path.read_bytes()
    place = event_bytes(data, path)
    with opened(path, writer=False) as store:
        ledger_id = store.ledger_id
    target = path.with_name("flipped.db")
    missed = []
    for _ in range(flips):
        offset = place(rng)
        damaged = bytearray(data)
        damaged[offset] ^= 1 << rng.randrange(8)
        target.write_bytes(damaged)
        if Verifier(target, OPTIONS, ledger_id).run(full=False).first_bad is None:
            missed.append(offset)
    return missed


def test_every_flipped_bit_of_an_event_is_seen(path: Path) -> None:
    """Disks rot one bit at a time, and SQLite's own check hardly notices."""
    assert flipped(path, flips=200, seed=5) == []


def test_a_ruined_page_is_reported_wherever_it_is(path: Path) -> None:
    """Damage that SQLite itself stumbles over is a finding, not a crash."""
    rng = random.Random(7)
    data = path.read_bytes()
    target = path.with_name("ruined.db")
    pages = len(data) // PAGE
    found = []
    for page in range(1, pages):
        ruined = bytearray(data)
        ruined[page * PAGE : (page + 1) * PAGE] = rng.randbytes(PAGE)
        target.write_bytes(ruined)
        found.append(findings(target))
    assert pages > 10
    assert all(found)
    assert any("cannot be read" in text for text in found)


def findings(path: Path) -> str:
    """What opening, reading and verifying say of a file; "" if all is well."""
    try:
        with opened(path, writer=False) as store:
            report = store.verify(full=True)
            try:
                assert sum(1 for _ in store.read()) <= EVENTS
                store.find_intent("arb", "key-1")
            except IntegrityError as error:
                return f"{report.problems} {error}" if report.problems else ""
            return " ".join(report.problems)
    except IntegrityError as error:
        return str(error)


@pytest.mark.slow
def test_every_flipped_bit_of_an_event_is_seen_5000_times(path: Path) -> None:
    """The nightly amount."""
    assert flipped(path, flips=5000, seed=6) == []
