"""Text can be read by people who see less: WCAG AA, in both themes."""

import re
from pathlib import Path

import pytest

import service.web

SHEET = (Path(service.web.__file__).parent / "static" / "app.css").read_text()
LEAST = 4.5

PAIRS = [
    ("ink", "bg"),
    ("ink", "panel"),
    ("ink", "sunk"),
    ("soft", "bg"),
    ("soft", "panel"),
    ("soft", "sunk"),
    ("accent", "panel"),
    ("accent", "bg"),
    ("accent", "accent-soft"),
    ("panel", "accent"),
    ("up", "panel"),
    ("down", "panel"),
    ("up", "up-soft"),
    ("down", "down-soft"),
    ("warn", "warn-soft"),
    ("info", "info-soft"),
    ("violet", "violet-soft"),
]


def palette(block: str) -> dict[str, str]:
    """The colours of one block of the sheet."""
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block))


LIGHT = palette(SHEET.split("@media", 1)[0])
DARK = palette(SHEET.split(':root[data-theme="dark"]', 1)[1].split("}", 1)[0])
SYSTEM = palette(SHEET.split("@media", 1)[1].split("}", 1)[0])


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2 defines it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(
    theme: dict[str, str], text: str, ground: str
) -> None:
    """A figure that cannot be read is not shown."""
    first, second = sorted((luminance(theme[text]), luminance(theme[ground])))
    assert (second + 0.05) / (first + 0.05) >= LEAST


def test_the_chosen_dark_theme_is_the_one_of_the_system() -> None:
    """Two lists of the same colours drift apart."""
    assert DARK == SYSTEM
