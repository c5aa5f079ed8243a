"""How long pages take to answer, measured in the browser."""

from statistics import median
from typing import Any, NamedTuple

_STEP = """
(to) => new Promise((done) => {
  const slider = document.querySelector("#slider");
  const began = performance.now();
  slider.value = to;
  slider.dispatchEvent(new Event("input", {bubbles: true}));
  const look = () => {
    if (document.querySelector("#page").dataset.position !== String(to)) {
      requestAnimationFrame(look);
      return;
    }
    requestAnimationFrame(() => done(performance.now() - began));
  };
  look();
})
"""

_SCROLL = """
() => new Promise((done) => {
  let longest = 0, before = performance.now(), frames = 0;
  const step = (now) => {
    longest = Math.max(longest, now - before);
    before = now;
    window.scrollBy(0, 160);
    if (++frames < 60) requestAnimationFrame(step);
    else done(longest);
  };
  requestAnimationFrame((now) => { before = now; requestAnimationFrame(step); });
})
"""


class Times(NamedTuple):
    """Milliseconds."""

    median: float
    worst: float
    all: list[float]


def steps(page: Any, positions: list[int]) -> Times:
    """From moving the slider to the painted page, for each position."""
    found = [float(page.evaluate(_STEP, position)) for position in positions]
    return Times(median(found), max(found), [round(ms) for ms in found])


def longest_frame(page: Any) -> float:
    """The longest wait between two frames while the page is scrolled."""
    return float(page.evaluate(_SCROLL))
