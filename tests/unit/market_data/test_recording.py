"""Recordings in every wrapper we know of, whole, damaged, or none at all."""

import gzip
import io
import json
from pathlib import Path

import pytest

from executors.market_data import (
    BookKeeper,
    Frame,
    Quarantine,
    Recorder,
    parse_frame,
    read_recording,
    write_frames,
)
from ledger.errors import RecordingError
from tests.unit.market_data.messages import DATA, START_MS, book, change, entry, text


def read(path: Path | str, aside: Quarantine | None = None) -> list[Frame]:
    return list(read_recording(path, quarantine=aside))


def gaps(frames: list[Frame]) -> list[str]:
    return [frame.gap for frame in frames if frame.gap]


def numbered(*numbers: int) -> str:
    lines = [
        {"sequence": number, "received_ms": number, "frame": text(book(at=number))}
        for number in numbers
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


class TestWrappers:
    """The wrapper is told from the content, never from the name."""

    def test_numbered_frames_with_checksums(self) -> None:
        """The text inside the wrapper is what was signed for, to the byte."""
        frames = read(DATA / "numbered.jsonl")
        assert [frame.sequence for frame in frames] == list(range(1, 21))
        assert frames[0].received_ms == START_MS
        assert frames[0].text.endswith("]\n")
        assert frames[1].source == "numbered.jsonl:2"

    def test_connection_gives_what_was_received(self) -> None:
        """What we sent is not market data; a second connection is a break."""
        frames = read(DATA / "connection.jsonl")
        assert [(frame.text[:4], frame.gap) for frame in frames] == [
            ('[{"m', ""),
            ("PONG", ""),
            ("", "a connection was opened"),
            ('[{"m', ""),
        ]
        assert frames[0].received_ms == START_MS + 2250

    def test_bare_frames_take_their_own_time(self) -> None:
        """Without a receive time the venue's must do; an older one stays put."""
        frames = read(DATA / "bare.jsonl")
        times = [frame.received_ms - START_MS for frame in frames[1:]]
        assert frames[0].text == "PONG"
        assert times == [0, 10, 20, 20, 30]

    def test_older_shape_builds_a_book(self) -> None:
        """Recordings of the older shape are still recordings."""
        frames = read(DATA / "bare.jsonl")
        keeper = BookKeeper()
        for frame in frames[:-1]:
            keeper.feed(frame)
        kept = keeper.book("1001")
        assert kept is not None
        assert [str(level.price) for level in kept.bids()] == ["0.50", "0.49", "0.48"]
        assert [str(level.price) for level in kept.asks()] == ["0.53"]
        assert str(keeper.tick_size("1001")) == "0.001"

    def test_ours_carries_breaks_and_survives_damage(self) -> None:
        """One bad line costs that line: the rest is read, the loss is known."""
        aside = Quarantine()
        frames = read(DATA / "own.jsonl", aside)
        assert gaps(frames) == ["the feed starts", "frames 4 to 5 are missing"]
        assert aside.reasons == {"not JSON": 1}
        assert aside.samples[0].source == "own.jsonl:4"
        keeper = BookKeeper(aside)
        for frame in frames:
            keeper.feed(frame)
        assert keeper.stats().unsynced == 1
        assert keeper.book("1001") is not None
        assert aside.count == 2

    def test_compressed_is_told_by_content(self, tmp_path: Path) -> None:
        """A pipe has no name, and names lie."""
        plain = (DATA / "numbered.jsonl").read_bytes()
        packed = tmp_path / "no-such-ending"
        packed.write_bytes(gzip.compress(plain))
        assert [f.text for f in read(packed)] == [
            f.text for f in read(DATA / "numbered.jsonl")
        ]

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_standard_input(self, pack: type[bytes]) -> None:
        """`zcat file | demo --recording -` must work, and so must `cat file.gz`."""
        data = pack((DATA / "numbered.jsonl").read_bytes())
        frames = list(read_recording("-", stdin=io.BytesIO(data)))
        assert (len(frames), frames[0].source) == (20, "stdin:1")

    def test_folder_with_one_file_stands_for_it(self, tmp_path: Path) -> None:
        """Recordings often come as a folder that is named after its content."""
        (tmp_path / "frames.jsonl").write_bytes((DATA / "bare.jsonl").read_bytes())
        assert len(read(tmp_path)) == 6
        (tmp_path / "other").touch()
        with pytest.raises(RecordingError, match="holds 2 files"):
            read(tmp_path)


class TestDamage:
    """Damage is put aside and known; nothing of it is guessed."""

    def test_wrong_checksum_is_a_break(self, tmp_path: Path) -> None:
        """A frame that was altered tells nothing, and its change is lost."""
        path = tmp_path / "r"
        lines = (DATA / "numbered.jsonl").read_text().splitlines()
        lines[3] = lines[3].replace("65.75", "65.76")
        path.write_text("\n".join(lines))
        aside = Quarantine()
        frames = read(path, aside)
        assert gaps(frames) == ["a frame is damaged"]
        assert (aside.reasons, len(frames)) == ({"checksum differs": 1}, 20)

    @pytest.mark.parametrize(
        ("numbers", "expected"),
        [
            ((1, 2, 3), []),
            ((1, 2, 2, 3), []),
            ((1, 4), ["frames 2 to 3 are missing"]),
            ((5, 6, 1, 2), ["numbering begins anew at 1"]),
        ],
    )
    def test_missing_numbers_are_a_break(
        self, tmp_path: Path, numbers: tuple[int, ...], expected: list[str]
    ) -> None:
        """Nothing else would tell that a frame is missing."""
        path = tmp_path / "r"
        path.write_text(numbered(*numbers))
        frames = read(path)
        assert gaps(frames) == expected
        assert len(frames) == len(numbers) + len(expected)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"half a li", "not JSON"),
            (b"\xff\xfe", "not UTF-8"),
            (b'{"proxyWallet": "0x"}', "not a market frame"),
            (b'{"payload": 1, "feed_frame_sequence": 1}', "receive_wall_ms: must be"),
            (b'{"received_ms": "1", "frame": ""}', "received_ms: must be"),
            (b'{"received_ms": 1}', "frame: must be text"),
            (b'{"t": "noon", "dir": "recv", "data": ""}', "must be a time"),
            (b'{"t": "2027-01-15T08:00:00", "dir": "recv"}', "must be a time"),
            (b"12", "not a market frame"),
        ],
    )
    def test_bad_line_is_put_aside_with_its_place(
        self, tmp_path: Path, line: bytes, reason: str
    ) -> None:
        """The user wants to look at it, so file and line are named."""
        path = tmp_path / "r"
        good = text(book()).encode()
        path.write_bytes(good + b"\n" + line + b"\n" + good)
        aside = Quarantine()
        assert len(read(path, aside)) == 2
        assert aside.samples[0].reason.startswith(reason)
        assert aside.samples[0].source == "r:2"

    def test_endless_line_does_not_fill_the_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file without line ends may be of any size."""
        monkeypatch.setattr("executors.market_data.files.MAX_LINE_BYTES", 1000)
        path = tmp_path / "r"
        path.write_text(f"{text(book())}\n{'x' * 5000}\n{text(book())}\n")
        aside = Quarantine()
        assert len(read(path, aside)) == 2
        assert aside.reasons == {"line too long": 1}

    def test_long_first_line_is_no_table(self, tmp_path: Path) -> None:
        """The first frame of a connection may hold hundreds of books."""
        levels = [(f"0.{n:06d}", "1") for n in range(1, 5000)]
        path = tmp_path / "r"
        path.write_text(text(book(levels, [])))
        [frame] = read(path)
        assert len(frame.text) > 131_072  # the longest cell the csv module takes

    def test_long_cell_is_no_table(self, tmp_path: Path) -> None:
        """The csv module refuses long cells with an error of its own."""
        line = {"received_ms": 1, "frame": " " * 140_000 + "PONG"}
        (tmp_path / "r").write_text(json.dumps(line))
        assert len(read(tmp_path / "r")) == 1

    def test_cut_archive_gives_its_beginning_and_an_error(self, tmp_path: Path) -> None:
        """What is there is used; that something is missing is not hidden."""
        path = tmp_path / "cut.gz"
        packed = gzip.compress((DATA / "numbered.jsonl").read_bytes())
        path.write_bytes(packed[:-40])
        frames = read_recording(path)
        assert next(frames).sequence == 1
        with pytest.raises(RecordingError, match=r"cut\.gz:\d+: cannot be read"):
            list(frames)


class TestNoRecording:
    """What is no recording is refused with path and line."""

    def test_missing_file(self, tmp_path: Path) -> None:
        """A typing error in the name is the likeliest of all."""
        with pytest.raises(RecordingError, match=r"none:1: .*No such file"):
            read(tmp_path / "none")

    def test_empty_file(self, tmp_path: Path) -> None:
        """An empty recording would run an empty demo."""
        (tmp_path / "r").write_text("\n\n")
        with pytest.raises(RecordingError, match="r:1: the recording is empty"):
            read(tmp_path / "r")

    def test_breaks_alone_are_no_recording(self, tmp_path: Path) -> None:
        """A feed that never connected recorded nothing."""
        (tmp_path / "r").write_text('{"received_ms": 1, "gap": "the feed starts"}')
        with pytest.raises(RecordingError, match="no market frame"):
            read(tmp_path / "r")

    def test_file_without_a_frame(self, tmp_path: Path) -> None:
        """The reason of the failure is in the text."""
        (tmp_path / "r").write_text('{"proxyWallet": "0x1"}\n' * 3)
        with pytest.raises(RecordingError, match=r"3 lines.*not a market frame"):
            read(tmp_path / "r")


class TestRecorder:
    """What is recorded can be read again, frame for frame."""

    FRAMES = (
        Frame(sequence=1, received_ms=5, gap="the feed starts"),
        Frame(sequence=2, received_ms=6, text=text(book())),
        Frame(sequence=3, received_ms=6, text="PONG"),
        Frame(sequence=4, received_ms=7, text='no "JSON"\n'),
    )

    @staticmethod
    def essence(frames: list[Frame]) -> list[tuple[int, int, str, str]]:
        return [(f.sequence, f.received_ms, f.text, f.gap) for f in frames]

    def test_round_trip(self, tmp_path: Path) -> None:
        """A recording that differs from what was seen proves nothing."""
        with Recorder(tmp_path / "r") as recorder:
            for frame in self.FRAMES:
                recorder.write(frame)
        assert self.essence(read(tmp_path / "r")) == self.essence(list(self.FRAMES))

    @pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
    def test_whole_recording_is_the_same_bytes(self, tmp_path: Path, name: str) -> None:
        """Equal seeds must give equal files."""
        (tmp_path / "a").mkdir()
        assert write_frames(tmp_path / name, self.FRAMES) == 4
        write_frames(tmp_path / "a" / name, iter(self.FRAMES))
        first = (tmp_path / name).read_bytes()
        assert first == (tmp_path / "a" / name).read_bytes()
        if name.endswith(".gz"):
            assert first[4:8] == bytes(4)  # no time of writing
        assert self.essence(read(tmp_path / name)) == self.essence(list(self.FRAMES))

    def test_next_session_is_appended_after_half_a_line(self, tmp_path: Path) -> None:
        """A killed recorder leaves half a line; the next must not be glued to it."""
        path = tmp_path / "r"
        with Recorder(path) as recorder:
            recorder.write(self.FRAMES[1])
        with path.open("a") as file:
            file.write('{"sequence":3,"rec')
        with Recorder(path) as recorder:
            recorder.write(self.FRAMES[0])
            recorder.write(self.FRAMES[1])
        aside = Quarantine()
        frames = read(path, aside)
        assert aside.count == 1
        assert gaps(frames) == ["numbering begins anew at 1", "the feed starts"]

    def test_frame_is_in_the_file_at_once(self, tmp_path: Path) -> None:
        """Killed a moment later, the recording still has it."""
        recorder = Recorder(tmp_path / "r")
        recorder.write(self.FRAMES[1])
        assert len(read(tmp_path / "r")) == 1
        recorder.close()

    def test_unwritable_place_is_a_recording_error(self, tmp_path: Path) -> None:
        """The caller has one kind of error to handle."""
        with pytest.raises(RecordingError, match="cannot be written"):
            Recorder(tmp_path / "none" / "r")
        with pytest.raises(RecordingError, match="cannot be written"):
            write_frames(tmp_path / "none" / "r", self.FRAMES)

    def test_full_disk_is_a_recording_error(self) -> None:
        """A recording that silently ends is worse than none."""
        full = Path("/dev/full")
        if not full.exists():
            pytest.skip("this system has no device that is always full")
        with (
            Recorder(full) as recorder,
            pytest.raises(RecordingError, match="No space left"),
        ):
            recorder.write(self.FRAMES[1])


def test_change_after_a_known_gap_needs_a_snapshot(tmp_path: Path) -> None:
    """From file to book, a missing frame is not traded over."""
    lines = [
        {"sequence": 1, "received_ms": 1, "frame": text(book())},
        {
            "sequence": 3,
            "received_ms": 3,
            "frame": text(change(entry("BUY", "0.5", "1"))),
        },
    ]
    (tmp_path / "r").write_text("\n".join(map(json.dumps, lines)))
    keeper = BookKeeper()
    for frame in read(tmp_path / "r"):
        keeper.feed(frame)
    assert keeper.book("yes") is None
    assert keeper.stats().gaps == 1
    assert parse_frame(text(book())).errors == ()
