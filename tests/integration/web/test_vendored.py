"""What others wrote is listed, whole, and comes with its licence."""

import json
from hashlib import sha256
from pathlib import Path

import service.web

FOLDER = Path(service.web.__file__).parent / "static" / "vendored"
LISTED = json.loads((FOLDER / "manifest.json").read_text())


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    """A changed byte may be a changed program."""
    for entry in LISTED:
        data = (FOLDER / entry["file"]).read_bytes()
        assert sha256(data).hexdigest() == entry["sha256"]
        assert (FOLDER / entry["licence_file"]).stat().st_size > 0


def test_nothing_vendored_is_unlisted() -> None:
    """What is not in the list is checked by nobody."""
    listed = {entry["file"] for entry in LISTED}
    listed |= {entry["licence_file"] for entry in LISTED} | {"manifest.json"}
    assert {path.name for path in FOLDER.iterdir()} == listed


def test_pages_name_no_other_origin() -> None:
    """Pages must work, and keep quiet, without a network."""
    own = [*FOLDER.parent.glob("*.*"), *(FOLDER.parents[1] / "templates").iterdir()]
    for path in own:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, path
        assert "https:" not in text, path
        assert "//cdn" not in text, path
