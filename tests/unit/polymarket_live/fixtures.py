"""Where the venue's messages lie: the shared folder, or our own small copies."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "fixtures" / "polymarket"
FOLDER = SHARED if SHARED.is_dir() else ROOT / "tests" / "data" / "venue"


def text_of_file(name: str) -> str:
    """One message as it was captured."""
    return (FOLDER / f"{name}.json").read_text()


def message(name: str) -> Any:
    """One message, decoded without floats."""
    return json.loads(text_of_file(name), parse_float=Decimal)
