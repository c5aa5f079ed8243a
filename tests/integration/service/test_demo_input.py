"""What `demo` says of a recording that can be read in part only."""

from pathlib import Path

from tests.integration.service.commands import book_frame, invoke, write_recording

_NO_JSON = "{broken"
_NO_PRICE = book_frame("yes", ["highx10"], ["0.45x50"])


def test_every_bad_line_is_counted_and_said_once(tmp_path: Path) -> None:
    """Whether it is no JSON or a frame of nonsense, it was not traded on."""
    file = write_recording(tmp_path / "frames.jsonl", _NO_JSON, _NO_PRICE, _NO_JSON)
    answer = invoke("demo", "--recording", file, "--data", tmp_path / "data", "-q")
    assert answer.exit_code == 1
    said = answer.stdout + answer.stderr
    assert said.count("3 lines were put aside") == 1
    assert said.count("put aside") == 1


def test_standard_input_is_called_so(tmp_path: Path) -> None:
    """A dash in a sentence reads as a slip."""
    text = write_recording(tmp_path / "frames.jsonl").read_text()
    answer = invoke(
        *("demo", "--recording", "-", "--data", tmp_path / "data", "-q"), stdin=text
    )
    assert answer.exit_code == 0, answer
    assert "recorded frames of standard input" in answer.stdout
