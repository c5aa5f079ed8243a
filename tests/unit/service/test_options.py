"""What every command does alike: streams, colour, errors."""

import io
import sys

import pytest
import typer
from typer.testing import CliRunner

from config import ConfigError
from config.errors import ConfigProblem
from ledger import errors
from service.cli.failures import Exit, Failure, failure_of
from service.cli.options import Common, command
from service.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestColor:
    @pytest.fixture(autouse=True)
    def plain_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", "xterm")

    def test_only_on_a_terminal(self) -> None:
        """Escape codes in a file are rubbish."""
        assert Common().has_color(Terminal())
        assert not Common().has_color(io.StringIO())

    def test_people_may_turn_it_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By flag, by the variable everybody honours, by a terminal without."""
        assert not Common(no_color=True).has_color(Terminal())
        monkeypatch.setenv("TERM", "dumb")
        assert not Common().has_color(Terminal())
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        assert not Common().has_color(Terminal())


def kinds(root: type[Exception]) -> list[type[Exception]]:
    found = [root]
    for kind in root.__subclasses__():
        found += kinds(kind)
    return found


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (errors.InvalidInputError("size", "is wrong"), Exit.USAGE),
            (errors.UnknownOrderError("x"), Exit.FAILED),
            (errors.IdempotencyConflictError("k", "o"), Exit.FAILED),
            (errors.OrderRejectedError("limit", "too much"), Exit.FAILED),
            (errors.VenueRejectedError("no"), Exit.VENUE),
            (errors.OutcomeUnknownError("silence"), Exit.VENUE),
            (errors.LockHeldError("x", "pid 1"), Exit.LOCK_HELD),
            (errors.FencedError("x"), Exit.LOCK_HELD),
            (errors.ForeignFileError("x"), Exit.INTEGRITY),
            (errors.IntegrityError("x"), Exit.INTEGRITY),
            (errors.StoreFailedError("x"), Exit.FAILED),
            (errors.StoreError("x"), Exit.FAILED),
            (errors.RecordingError("x"), Exit.FAILED),
            (ConfigError([ConfigProblem("a:1:2", "b", "is c")]), Exit.CONFIG),
            (FileNotFoundError(2, "No such file", "x"), Exit.FAILED),
            (Failure(Exit.VENUE, "c", "m"), Exit.VENUE),
            (ZeroDivisionError("x"), Exit.FAILED),
        ],
    )
    def test_every_kind_has_its_exit_code(self, error: Exception, code: Exit) -> None:
        """Scripts branch on these numbers for years."""
        assert failure_of(error).exit_code is code

    def test_every_failure_is_one_line_and_a_hint(self) -> None:
        """A code to search for, a sentence, what to do next."""
        failure = failure_of(errors.StoreError("the disk is gone"))
        first, last = failure.text()
        assert first == "store the disk is gone"
        assert last.startswith("hint: ")

    def test_a_file_that_is_no_recording_is_told_what_is_one(self) -> None:
        """A list of markets looks like data, and needs its prices."""
        hint = failure_of(errors.RecordingError("x")).hint
        assert "--ticks FILE --markets FILE" in hint
        assert "market channel" in hint

    def test_a_path_error_names_the_path(self) -> None:
        """ "No such file or directory" alone helps nobody."""
        said = failure_of(FileNotFoundError(2, "No such file", "a.json")).text()[0]
        assert said == "io a.json: No such file"

    def test_a_package_that_is_missing_is_no_defect(self) -> None:
        """`make demo` installs a small set, and some commands need more."""
        missing = failure_of(ModuleNotFoundError("gone", name="fastapi.routing"))
        assert missing.code == "not_installed"
        assert "requirements/core.txt" in missing.hint
        ours = failure_of(ModuleNotFoundError("gone", name="service.gone"))
        assert ours.code == "unexpected"

    def test_every_error_of_the_ledger_is_answered(self) -> None:
        """A new kind must not come out as a defect."""
        known = {"unexpected"}
        for kind in kinds(errors.LedgerError):
            if kind is errors.LedgerError:
                continue
            error = kind.__new__(kind)
            assert failure_of(error).code not in known, kind


def app_that(body: object) -> typer.Typer:
    app = typer.Typer()

    def act(common: Common) -> None:
        """Act."""
        if isinstance(body, BaseException):
            raise body

    command(app, "act")(act)
    return app


class TestCommand:
    def test_a_defect_is_one_line_too(self) -> None:
        """No traceback without --debug; with it, the place."""
        plain = CliRunner().invoke(app_that(ZeroDivisionError("by zero")), [])
        assert plain.exit_code == 1
        assert plain.stderr.splitlines()[0] == "unexpected ZeroDivisionError: by zero"
        full = CliRunner().invoke(app_that(ZeroDivisionError("by zero")), ["--debug"])
        assert "Traceback" in full.stderr

    def test_interruption_has_its_own_code(self) -> None:
        """As shells expect it of a program that was stopped by hand."""
        result = CliRunner().invoke(app_that(KeyboardInterrupt()), [])
        assert result.exit_code == 130

    def test_a_usage_error_in_a_command_stays_one(self) -> None:
        """Raised by us or found by the parser: 2 either way."""
        result = CliRunner().invoke(app_that(typer.BadParameter("no")), [])
        assert result.exit_code == 2


class TestProgress:
    def test_quiet_is_quiet(self, capsys: pytest.CaptureFixture[str]) -> None:
        """For jobs whose mail should be empty."""
        with progress(Common(quiet=True), "work") as report:
            report(1, 2)
        assert capsys.readouterr().err == ""

    def test_a_pipe_gets_a_line_now_and_then(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A log file full of progress bars cannot be read."""
        times = iter([0.0, 1.0, 6.0, 6.0, 7.0])
        monkeypatch.setattr("service.cli.progress.time.monotonic", lambda: next(times))
        with progress(Common(), "work") as report:
            report(1, 9)
            report(2, 9)
            report(3, 9)
        assert capsys.readouterr().err == "work: 2 of 9\n"

    def test_a_terminal_gets_a_bar(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """On standard error, gone when it is done."""
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        with progress(Common(), "work") as report:
            report(1, 2)
