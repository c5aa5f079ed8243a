"""`verify`, `replay`, `reconcile`, `doctor`, `config`: is it right?"""

import json
import os
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.integration.service.commands import AT_ONCE, intent, invoke, run


def change_event(path: Path, position: int) -> None:
    """Edit one stored event as somebody with the file could."""
    connection = sqlite3.connect(path)
    with connection:
        (trigger,) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'events_no_update'"
        ).fetchone()
        connection.execute("DROP TRIGGER events_no_update")
        connection.execute(
            "UPDATE events SET state = CAST(replace(CAST(state AS TEXT), '0.45', "
            "'0.46') AS BLOB) WHERE position = ?",
            (position,),
        )
        connection.execute(trigger)
    connection.close()


def position_of(data: Path, topic: str) -> int:
    for line in invoke("export", "--data", data).stdout.splitlines():
        event = json.loads(line)
        if event["topic"] == topic:
            found: int = event["position"]
            return found
    raise AssertionError(topic)


class TestVerify:
    def test_a_sound_ledger(self, traded: Path) -> None:
        """The head's hash stands for the whole log: note it elsewhere."""
        answer = invoke("verify", "--data", traded, "--full", "-o", "json")
        assert answer.exit_code == 0, answer
        found = answer.json()
        assert found["result"] == "ok"
        assert found["events"] == found["head"]
        assert len(found["hash"]) == 64

    def test_a_changed_event_is_named(self, own: Path) -> None:
        """One digit of a price, and the position of it."""
        position = position_of(own, "order.requested.v1")
        change_event(own / "ledger.db", position)
        answer = run("verify", "--data", own, "--full", "-o", "json")
        assert answer.exit_code == 4
        assert answer.json()["first_bad"] == position
        assert f"position {position}" in answer.stderr
        assert "Traceback" not in answer.stderr

    def test_read_models_that_were_edited_are_seen(self, own: Path) -> None:
        """A position that somebody corrected by hand follows from no event."""
        invoke("positions", "--data", own)
        connection = sqlite3.connect(own / "read_models.db")
        with connection:
            connection.execute("UPDATE positions SET shares = '21'")
        connection.close()
        assert invoke("verify", "--data", own, "--full").exit_code == 4
        check = invoke("replay", "--check", "--data", own)
        assert check.exit_code == 4
        assert check.stderr.startswith("read_models_differ ")
        assert invoke("replay", "--data", own).exit_code == 0
        assert invoke("replay", "--check", "--data", own).exit_code == 0


class TestReplay:
    def test_a_rebuild_gives_the_same_bytes(self, own: Path) -> None:
        """Deleted or rebuilt: what is shown follows from the log alone."""
        kept = invoke("replay", "--check", "--data", own, "-o", "json").json()
        rebuilt = invoke("replay", "--data", own, "-o", "json").json()
        (own / "read_models.db").unlink()
        again = invoke("replay", "--check", "--data", own, "-o", "json").json()
        assert kept["digest"] == rebuilt["digest"] == again["digest"]
        assert rebuilt["events"] == rebuilt["position"]


class TestReconcile:
    def test_the_paper_venue_agrees(self, own: Path) -> None:
        """Its memory was rebuilt from the ledger, whose word it repeats."""
        answer = invoke("reconcile", "--data", own, *AT_ONCE, "-o", "json")
        assert answer.exit_code == 0, answer
        assert answer.json() == []
        assert invoke("drifts", "--data", own, "-o", "json").json() == []


class TestDoctor:
    def checks(self, *arguments: str | Path) -> dict[str, tuple[str, str]]:
        answer = invoke("doctor", *arguments, "-o", "json")
        return {row["check"]: (row["status"], row["detail"]) for row in answer.json()}

    def test_a_healthy_ledger(self, own: Path) -> None:
        """Every line is there, and none fails."""
        invoke("orders", "--data", own)
        checks = self.checks("--data", own)
        assert {"python", "sqlite", "config", "disk", "data", "writer", "clock"} <= set(
            checks
        )
        assert all(status != "fail" for status, _ in checks.values()), checks
        assert checks["writer"] == ("ok", "none")
        assert "0 events behind" in checks["read models"][1]
        assert checks["mode"] == ("ok", "normal")

    def test_nothing_there_yet(self, tmp_path: Path) -> None:
        """Before the first start the set-up can be checked all the same."""
        answer = invoke("doctor", "--data", tmp_path / "none")
        assert answer.exit_code == 0
        assert "there is none" in answer.stdout
        assert not (tmp_path / "none").exists()

    def test_wrong_settings_do_not_hide_the_rest(self, own: Path) -> None:
        """One broken thing at a time is no diagnosis."""
        answer = invoke("doctor", "--data", own, "--set", "no.such=1", "-o", "json")
        assert answer.exit_code == 1
        rows = {row["check"]: row["status"] for row in answer.json()}
        assert (rows["config"], rows["ledger"]) == ("fail", "ok")

    def test_an_open_folder_is_a_warning(self, own: Path) -> None:
        """Other users could read every order."""
        own.chmod(0o755)
        (own / "ledger.db").chmod(0o644)
        checks = self.checks("--data", own)
        assert checks["data"][0] == "warn"
        assert checks["files"] == ("warn", "ledger.db is open to others (mode 0644)")

    def test_a_living_writer_is_named(self, own: Path) -> None:
        """Who holds the lock, so that one knows whom to stop."""
        owner = f"pid {os.getpid()} on {socket.gethostname()} since now"
        (own / "ledger.db.lock").write_text(owner)
        assert self.checks("--data", own)["writer"] == ("ok", owner)

    def test_a_dead_writer_is_a_warning(self, own: Path) -> None:
        """It ended without closing; the next start looks its orders up."""
        owner = f"pid 4194304 on {socket.gethostname()} since now"
        (own / "ledger.db.lock").write_text(owner)
        status, detail = self.checks("--data", own)["writer"]
        assert status == "warn"
        assert "ended without closing" in detail

    def test_a_damaged_ledger_fails(self, own: Path) -> None:
        """The line says what is wrong, the exit code that something is."""
        (own / "ledger.db").write_bytes(b"x" * 4096)
        answer = invoke("doctor", "--data", own, "-o", "json")
        assert answer.exit_code == 1
        rows = {row["check"]: row for row in answer.json()}
        assert rows["ledger"]["status"] == "fail"
        assert rows["ledger"]["detail"].startswith("foreign_file")

    def test_little_disk_space_is_seen(self, own: Path) -> None:
        """Orders stop before the disk is full."""
        full = self.checks("--data", own, "--set=store.min_free_mb_halt=999999999")
        assert full["disk"][0] == "fail"
        low = self.checks("--data", own, "--set=store.min_free_mb_warn=999999999")
        assert low["disk"][0] == "warn"


class TestConfig:
    def test_sound_settings(self) -> None:
        """The hash is what each start records."""
        found = invoke("config", "check", "-o", "json").json()
        assert (found["result"], found["mode"]) == ("ok", "paper")
        assert len(found["config_hash"]) == 64

    def test_every_mistake_with_its_place(self, tmp_path: Path) -> None:
        """File, line and column, all at once."""
        file = tmp_path / "mine.yaml"
        file.write_text(
            "execution:\n  max_slippage_bps: many\n  order_timeout: 5\nrisks: {}\n"
        )
        answer = invoke("config", "check", "--config", file)
        assert answer.exit_code == 3
        lines = answer.stderr.splitlines()
        assert lines[0] == "config 3 settings are wrong"
        assert any(line.startswith(f"{file}:2:21 ") for line in lines)
        assert any(line.startswith(f"{file}:4:1 ") for line in lines)
        assert lines[-1].startswith("hint: ")

    @pytest.mark.parametrize(
        "arguments",
        [
            ("orders",),
            ("place", "--json", "-"),
            ("verify",),
            ("replay",),
            ("demo",),
            ("import-activity", "x"),
        ],
    )
    def test_every_command_reads_the_settings_first(
        self, tmp_path: Path, arguments: tuple[str, ...]
    ) -> None:
        """A typo must not be found out after the order was sent."""
        intent = (
            '{"strategy": "s", "idempotency_key": "k", "market_id": "m", '
            '"outcome": "YES", "side": "BUY", "size": "5", "price": "0.5"}'
        )
        answer = invoke(
            *arguments, "--data", tmp_path / "x", "--set", "a=b", stdin=intent
        )
        assert answer.exit_code == 3
        assert not (tmp_path / "x").exists()

    def test_real_money_without_a_key_is_refused(self, tmp_path: Path) -> None:
        """One clear line, and no half-made ledger."""
        live = "--set=execution.paper_trading=false"
        answer = invoke("cancel-all", "--yes", "--data", tmp_path / "x", live)
        assert answer.exit_code == 3
        assert "polymarket.private_key is missing" in answer.stderr
        assert not (tmp_path / "x").exists()

    @pytest.mark.parametrize("command", ["check", "show"])
    def test_what_a_trading_command_would_refuse_is_no_sound_setting(
        self, command: str
    ) -> None:
        """A check that says ok to what `place` refuses has checked nothing."""
        live = "--set=execution.paper_trading=false"
        answer = invoke("config", command, live)
        assert answer.exit_code == 3
        assert answer.stderr == invoke("place", *intent("k"), live).stderr
        assert "polymarket.private_key is missing" in answer.stderr

    def test_secrets_are_not_shown(self) -> None:
        """Settings are pasted into chats."""
        key = "a1" * 32
        env = {"ORDER_LEDGER_POLYMARKET__PRIVATE_KEY": key}
        for form in ("table", "json"):
            answer = run("config", "show", "-o", form, env=env)
            assert answer.exit_code == 0
            assert "polymarket" in answer.stdout
            assert key not in answer.stdout + answer.stderr

    def test_what_is_shown_can_be_set(self) -> None:
        """Names are those that --set takes."""
        plain = invoke("config", "show").stdout
        assert "execution.max_slippage_bps" in plain
        changed = invoke(
            "config", "show", "--set=execution.max_slippage_bps=40", "-o", "json"
        )
        assert changed.json()["execution"]["max_slippage_bps"] == 40

    def test_the_environment_names_files_and_folder(self, own: Path) -> None:
        """In a container nobody types flags."""
        env = {"ORDER_LEDGER_DATA": str(own), "ORDER_LEDGER_CONFIG": "paper"}
        assert "CONFIRMED" in run("orders", env=env).stdout
