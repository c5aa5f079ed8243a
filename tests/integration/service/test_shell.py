"""How the command line behaves as a program: exit codes, help, streams, start."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.store import WriterLock
from tests.integration.service.commands import (
    AT_ONCE,
    REPOSITORY,
    clean_environment,
    intent,
    invoke,
    run,
    write_market,
    write_recording,
)

COMMANDS = re.findall(r"^  ([a-z][a-z-]*)  ", invoke("--help").stdout, re.MULTILINE)
GROUPS = {
    "config": ("check", "show"),
    "token": ("create", "list", "revoke"),
}
LEAVES: list[tuple[str, ...]] = [(name,) for name in COMMANDS if name not in GROUPS]
LEAVES += [(group, name) for group, names in GROUPS.items() for name in names]
HEAVY = (
    "eventsourcing",
    "httpx",
    "httpx2",
    "pandas",
    "polars",
    "prometheus_client",
    "py_clob_client",
    "pydantic",
    "rich",
    "sqlite_utils",
    "structlog",
    "websockets",
)


class TestHelp:
    def test_every_command_of_the_design_is_there(self) -> None:
        """Readers of the documentation type these names."""
        assert set(COMMANDS) >= {
            "bench",
            "cancel",
            "cancel-all",
            "config",
            "demo",
            "doctor",
            "export",
            "fills",
            "import-activity",
            "open-orders",
            "order",
            "orders",
            "place",
            "positions",
            "reconcile",
            "replay",
            "run",
            "token",
            "verify",
        }

    @pytest.mark.parametrize("command", LEAVES, ids="-".join)
    def test_every_help_has_two_examples(self, command: tuple[str, ...]) -> None:
        """An example is read sooner than a description."""
        text = invoke(*command, "--help").stdout
        assert text.count(f"order-ledger {' '.join(command)}") >= 2
        options = {"--config", "--set", "--debug", "--no-color", "--quiet"}
        if command != ("record",):  # the one command that needs no ledger
            options.add("--data")
        assert {option for option in options if option not in text} == set()

    def test_help_imports_nothing_heavy(self) -> None:
        """A shell that completes or a person that looks up must not wait."""
        script = (
            "import sys; sys.argv = ['order-ledger', '--help']\n"
            "from service.cli import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "Usage" in done.stdout
        assert done.stderr == "[]\n"

    def test_reading_imports_no_network_and_no_frames(self, own: Path) -> None:
        """Looking at orders needs neither a venue's client nor a data library."""
        script = (
            f"import sys; sys.argv = ['order-ledger', 'orders', '--data', {str(own)!r}]\n"
            "from service.cli import main\n"
            "try: main()\n"
            "except SystemExit: pass\n"
            "bad = ('pandas', 'polars', 'httpx', 'websockets', 'py_clob_client')\n"
            "print([m for m in bad if m in sys.modules], file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == "[]\n"


class TestExitCodes:
    @pytest.mark.parametrize(
        "arguments",
        [
            ("--nope",),
            ("nope",),
            ("orders", "-o", "xml"),
            ("orders", "--limit", "-1"),
            ("cancel",),
            ("place", "--wait", "soon"),
        ],
    )
    def test_usage(self, arguments: tuple[str, ...]) -> None:
        """2, as every command line does."""
        assert invoke(*arguments).exit_code == 2

    @pytest.mark.parametrize(
        "arguments",
        [
            ("orders",),
            ("positions",),
            ("fills",),
            ("order", "x"),
            ("export",),
            ("verify",),
            ("replay",),
            ("cancel", "x"),
            ("cancel-all",),
            ("reconcile",),
        ],
    )
    def test_no_ledger_there(self, tmp_path: Path, arguments: tuple[str, ...]) -> None:
        """A mistyped folder is not an empty ledger, and is not made one."""
        folder = tmp_path / "missing"
        answer = run(*arguments, "--data", folder)
        assert answer.exit_code == 1
        assert answer.stderr.splitlines() == [
            f"no_ledger there is no ledger at {folder}/ledger.db",
            "hint: check --data; `order-ledger demo --data DIR` makes a ledger",
        ]
        assert not folder.exists()

    def test_another_writer_has_the_lock(self, own: Path) -> None:
        """Two writers would be two bots with one wallet; it is named and kept out."""
        with WriterLock(own / "ledger.db.lock"):
            answer = run("cancel-all", "--data", own)
        assert answer.exit_code == 6
        assert answer.stderr.startswith("lock_held ")
        assert f"pid {os.getpid()}" in answer.stderr
        assert run("cancel-all", "--data", own, *AT_ONCE).exit_code == 0

    @pytest.mark.parametrize("command", ["orders", "verify", "cancel-all"])
    def test_a_foreign_file(self, tmp_path: Path, command: str) -> None:
        """It is left exactly as it is."""
        data = tmp_path / "data"
        data.mkdir()
        connection = sqlite3.connect(data / "ledger.db")
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.close()
        before = (data / "ledger.db").read_bytes()
        answer = run(command, "--data", data)
        assert answer.exit_code == 4
        assert answer.stderr.startswith("foreign_file ")
        assert (data / "ledger.db").read_bytes() == before

    @pytest.mark.parametrize("command", ["orders", "verify", "cancel-all"])
    def test_text_instead_of_a_database(self, tmp_path: Path, command: str) -> None:
        """The wrong folder, most likely."""
        data = tmp_path / "data"
        data.mkdir()
        (data / "ledger.db").write_text("dear diary\n" * 100)
        answer = run(command, "--data", data)
        assert answer.exit_code == 4
        assert answer.stderr.startswith("foreign_file ")

    def test_a_newer_schema(self, own: Path) -> None:
        """An old program must not write into what it does not understand."""
        connection = sqlite3.connect(own / "ledger.db")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        answer = run("orders", "--data", own)
        assert answer.exit_code == 4
        assert "schema version 99" in answer.stderr

    def test_a_damaged_database(self, own: Path) -> None:
        """Half of its pages overwritten: a clear line instead of a traceback."""
        path = own / "ledger.db"
        data = bytearray(path.read_bytes())
        data[4096:] = bytes(len(data) - 4096)
        path.write_bytes(data)
        for command in ("verify", "orders", "cancel-all"):
            answer = run(command, "--data", own)
            assert answer.exit_code == 4, (command, answer)
            assert "Traceback" not in answer.stderr

    def test_interrupted(self, tmp_path: Path) -> None:
        """Ctrl-C while waiting: what was placed stays, and the code says why."""
        data = tmp_path / "data"
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "service", "place", "--data", str(data)),
                *("--book", str(write_recording(tmp_path / "frames.jsonl"))),
                *("--market-file", str(write_market(tmp_path / "market.json"))),
                *(*intent("k", tif="FAK"), "--wait=600"),
            ],
            cwd=REPOSITORY,
            env=clean_environment(),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            while process.poll() is None and not has_fill(data):
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert said.endswith("interrupted\n")
        (row,) = invoke("orders", "--data", data, "-o", "json").json()
        assert row["filled"] == "20"


def has_fill(data: Path) -> bool:
    if not (data / "ledger.db").exists():
        return False
    return "fill.matched.v1" in invoke("export", "--data", data).stdout


class TestTalk:
    def test_data_and_talk_do_not_mix(self, own: Path) -> None:
        """`-o json | jq` must see JSON and nothing else."""
        answer = run("cancel-all", "--data", own, *AT_ONCE, "-o", "json")
        assert len(answer.json()) == 1
        assert "1 of 1 cancelled" in answer.stderr

    def test_quiet_says_only_errors(self, own: Path) -> None:
        """For jobs whose mail should be empty."""
        answer = run("cancel-all", "--data", own, *AT_ONCE, "--quiet")
        assert answer.stderr == ""
        assert run("order", "x", "--data", own, "--quiet").stderr != ""

    def test_a_traceback_is_shown_only_on_demand(self, own: Path) -> None:
        """People get a sentence; whoever debugs gets the place."""
        assert "Traceback" not in run("order", "x", "--data", own).stderr
        debugged = run("order", "x", "--data", own, "--debug")
        assert "Traceback" in debugged.stderr
        assert debugged.exit_code == 1

    def test_logs_may_be_json(self, own: Path) -> None:
        """Records of a service are read by machines."""
        answer = run(
            *("cancel-all", "--data", own, "--debug", "--set=log.format=json"),
            *AT_ONCE,
        )
        records = [line for line in answer.stderr.splitlines() if line[0] == "{"]
        assert any('"event": "order_cancelled"' in line for line in records)

    def test_the_version_is_printed(self) -> None:
        """The first thing a report of a defect needs."""
        answer = invoke("--version")
        assert answer.exit_code == 0
        assert answer.stdout.strip()
