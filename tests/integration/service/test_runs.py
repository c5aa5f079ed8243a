"""`demo` and `bench` as commands; what they do is tested where they live."""

from pathlib import Path

import pytest

from tests.integration.service.commands import invoke, run


def test_the_demo_proves_itself_and_can_be_looked_at(tmp_path: Path) -> None:
    """The first thing anybody runs, and the second thing they type."""
    data = tmp_path / "demo"
    answer = run("demo", "--data", data, "--quiet")
    assert answer.exit_code == 0, answer
    assert "CONFIRMED" in answer.stdout
    assert "Traceback" not in answer.stderr
    assert invoke("verify", "--full", "--data", data).exit_code == 0
    assert invoke("replay", "--check", "--data", data).exit_code == 0
    statuses = {
        row["status"] for row in invoke("orders", "--data", data, "-o", "json").json()
    }
    assert {"CONFIRMED", "CANCELLED", "FAILED"} <= statuses
    again = invoke("demo", "--data", data)
    assert again.exit_code == 2, "a folder with a ledger is not written over"


def test_the_demo_names_a_recording_that_is_not_there(tmp_path: Path) -> None:
    """One line, and no half of a demo."""
    missing = tmp_path / "missing.jsonl"
    answer = invoke("demo", "--data", tmp_path / "d", "--recording", missing)
    assert answer.exit_code in {1, 2}
    assert "missing.jsonl" in answer.stderr


def test_bench_knows_its_sections() -> None:
    """A typo must not measure nothing for a minute."""
    answer = invoke("bench", "--only", "speed")
    assert answer.exit_code == 2
    assert "throughput" in answer.stderr


@pytest.mark.slow
def test_bench_answers_with_the_documented_keys(tmp_path: Path) -> None:
    """The README quotes them, and scripts compare them from version to version."""
    answer = run(
        *("bench", "--quick", "--only", "place_latency", "-o", "json"),
        *("--data", tmp_path),
    )
    assert answer.exit_code == 0, answer
    assert {"p50_ratio", "p99_ratio"} <= answer.json()["place_latency"].keys()
