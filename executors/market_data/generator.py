"""Made-up books around a real price: frames as the venue would have sent them.

A window market asks whether a price will stand at or above its strike when the
window closes.
From a price series the generator makes what the market channel would carry for
both tokens: snapshots, level changes, prints, tick changes, the resolution.
The quotes follow the price with a delay, as people's do; that delay is what a
faster reader can trade on.

Deterministic: the same series, markets, settings and random source give the same
bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from hashlib import blake2b
from random import Random
from typing import Final

import msgspec

from executors.market_data.frames import Frame
from executors.market_data.generator_book import PRICE_UNITS, GeneratedBook, Quote
from executors.market_data.generator_text import FrameWriter
from executors.market_data.history import ResolvedMarket, Tick
from ledger.market import Market
from ledger.values import ONE, Outcome

_STEP_MS: Final = 1_000
"""Books move at most once a second, like the feed."""

_RESOLUTION_DELAY_MS: Final = 2_000
_LEVEL_DELAY_MS: Final = (60, 180)
_PRINT_DELAY_MS: Final = (300, 850)
_LINE_DELAY_MS: Final = (2, 40)
_MILLE: Final = 1_000
_FOLLOWED_STEP: Final = Decimal("0.000001")
_OPENING_TICK: Final = Decimal("0.01")
_CUBIC: Final = Decimal("0.07056")
_LINEAR: Final = Decimal("1.5976")
_FAR: Final = Decimal(4)


class GeneratorConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the made-up market behaves.

    `volatility` is the price's relative standard deviation over one second.
    `reaction` is the share of a price move that the quotes take over per step,
    above 0 and at most 1.
    `noise` is the most, in 0.0001 pUSD, that other people's trading moves the
    quotes off the price per step; most of it is gone a few steps later.
    `prints_per_mille` is the chance of a trade per market and step.
    `older_shape` writes `price_change` the way the venue did before 2025-09.
    """

    volatility: Decimal = Decimal("0.00008")
    reaction: Decimal = Decimal("0.35")
    noise: int = 250
    prints_per_mille: int = 450
    depth: int = 5
    older_shape: bool = False


class _Window:
    """One market while its window is open."""

    def __init__(self, resolved: ResolvedMarket, price: Decimal, rng: Random) -> None:
        self.resolved = resolved
        self.market = resolved.market
        self.strike = price if resolved.strike is None else resolved.strike
        self.followed = price
        self.noise = 0
        self.book = GeneratedBook(resolved.market.tick_size, rng)

    @property
    def end_ms(self) -> int:
        return self.resolved.end_sec * 1_000


def generate_frames(
    markets: Iterable[ResolvedMarket],
    ticks: Sequence[Tick],
    *,
    rng: Random,
    config: GeneratorConfig | None = None,
) -> Iterator[Frame]:
    """Turn a price series into the frames of window markets.

    Args:
        markets: Windows; those that open outside the series stay silent.
        ticks: The price by time, one tick per time.
        rng: The only source of chance.
        config: How the market behaves.

    Yields:
        Frames by receive time.
        A market without a strike takes the first price of its window.
        It resolves by the tick exactly at its close: YES at or above the strike.
        Where the feed has none, the outcome of the row counts; an older tick
        never does, and a market without either stays open.
    """
    yield from _Generator(markets, ticks, rng, config or GeneratorConfig()).frames()


def fair_price(
    price: Decimal, strike: Decimal, seconds_left: int, volatility: Decimal
) -> Decimal:
    """Estimate the chance that the price ends at or above the strike.

    A logistic curve stands in for the normal distribution: within 0.0002 of it.

    Args:
        price: The price now, above 0.
        strike: In the same unit.
        seconds_left: Until the close, at least 1.
        volatility: Relative standard deviation over one second, above 0.

    Returns:
        Between 0 and 1.

    Source:
        S. R. Bowling et al., "A logistic approximation to the cumulative normal
        distribution", 2009.
    """
    spread = volatility * Decimal(seconds_left).sqrt()
    z = max(-_FAR, min(_FAR, (price - strike) / (strike * spread)))
    return ONE / (ONE + (-(_CUBIC * z**3 + _LINEAR * z)).exp())


def windows_of(
    ticks: Sequence[Tick],
    *,
    seconds: int = 300,
    asset: str = "btc",
    fee_rate: Decimal = Decimal("0.07"),
) -> list[ResolvedMarket]:
    """Cut a price series into window markets that follow each other.

    Args:
        ticks: The price by time.
        seconds: Length of a window; windows begin at multiples of it.
        asset: For the name, as in "btc-updown-5m-1767614400".
        fee_rate: The taker fee rate.

    Returns:
        Every window that the series covers from open to close, without outcome;
        the strike is the tick at the open.
    """
    found = []
    at = {tick.ts_ms: tick.price for tick in ticks}
    first = -(-ticks[0].ts_ms // (seconds * 1_000)) if ticks else 0
    start = first * seconds
    while ticks and (start + seconds) * 1_000 <= ticks[-1].ts_ms:
        slug = f"{asset}-updown-{seconds // 60}m-{start}"
        found.append(
            ResolvedMarket(
                market=_window_market(slug, fee_rate),
                start_sec=start,
                end_sec=start + seconds,
                strike=at.get(start * 1_000),
                outcome=None,
                closing_tick=_OPENING_TICK,
            )
        )
        start += seconds
    return found


def _window_market(slug: str, fee_rate: Decimal) -> Market:
    """A market whose ids follow from its name."""

    def number(part: str) -> str:
        return blake2b(f"{slug}/{part}".encode(), digest_size=32).hexdigest()

    return Market(
        market_id=f"0x{number('market')}",
        yes_token=str(int(number("up"), 16)),
        no_token=str(int(number("down"), 16)),
        tick_size=_OPENING_TICK,
        fee_rate=fee_rate,
        yes_label="Up",
        no_label="Down",
        slug=slug,
    )


class _Generator:
    def __init__(
        self,
        markets: Iterable[ResolvedMarket],
        ticks: Sequence[Tick],
        rng: Random,
        config: GeneratorConfig,
    ) -> None:
        self._waiting = sorted(
            markets, key=lambda m: (m.start_sec, m.market.market_id), reverse=True
        )
        self._ticks = ticks
        self._price_at = {tick.ts_ms: tick.price for tick in ticks}
        self._rng = rng
        self._config = config
        self._open: list[_Window] = []
        self._writer = FrameWriter(older_shape=config.older_shape)
        self._sequence = 0
        self._received_ms = 0

    def frames(self) -> Iterator[Frame]:
        next_ms = 0
        for tick in self._ticks:
            if tick.ts_ms < next_ms:
                continue
            next_ms = tick.ts_ms + _STEP_MS
            yield from self._framed(self._step(tick))
        # Windows that close with the series still learn their outcome.
        if self._ticks:
            yield from self._framed(self._closings(self._ticks[-1].ts_ms))

    def _framed(self, texts: list[tuple[int, str]]) -> Iterator[Frame]:
        for at_ms, text in sorted(texts, key=lambda item: item[0]):
            delay = self._rng.randint(*_LINE_DELAY_MS)
            self._received_ms = max(self._received_ms, at_ms + delay)
            self._sequence += 1
            yield Frame(
                sequence=self._sequence,
                received_ms=self._received_ms,
                text=text,
                source=f"generated:{self._sequence}",
            )

    def _step(self, tick: Tick) -> list[tuple[int, str]]:
        texts = self._closings(tick.ts_ms)
        for window in self._open:
            texts.extend(self._move(window, tick))
        texts.extend(self._openings(tick))
        return texts

    def _openings(self, tick: Tick) -> list[tuple[int, str]]:
        texts = []
        while self._waiting and self._waiting[-1].start_sec * 1_000 <= tick.ts_ms:
            resolved = self._waiting.pop()
            if resolved.end_sec * 1_000 <= tick.ts_ms:
                continue  # the feed had a gap as long as the window
            window = _Window(resolved, tick.price, self._rng)
            window.book.follow(self._quote(window, tick))
            texts.append(
                (
                    tick.ts_ms,
                    self._writer.snapshots(window.market, window.book, tick.ts_ms),
                )
            )
            self._open.append(window)
        return texts

    def _closings(self, now_ms: int) -> list[tuple[int, str]]:
        closed = [window for window in self._open if window.end_ms <= now_ms]
        self._open = [window for window in self._open if window.end_ms > now_ms]
        texts = []
        for window in closed:
            winner = self._winner(window)
            if winner is not None:
                at_ms = max(now_ms, window.end_ms + _RESOLUTION_DELAY_MS)
                texts.append(
                    (at_ms, self._writer.resolved(window.market, winner, at_ms))
                )
        return texts

    def _winner(self, window: _Window) -> Outcome | None:
        price = self._price_at.get(window.end_ms)
        if price is None:
            return window.resolved.outcome
        return Outcome.YES if price >= window.strike else Outcome.NO

    def _quote(self, window: _Window, tick: Tick) -> Quote:
        window.followed += (tick.price - window.followed) * self._config.reaction
        # A price feed has 18 decimals; whoever quotes from it does not.
        window.followed = window.followed.quantize(_FOLLOWED_STEP)
        left = max(1, (window.end_ms - tick.ts_ms) // 1_000)
        fair = fair_price(window.followed, window.strike, left, self._config.volatility)
        noise = self._config.noise
        window.noise = window.noise * 4 // 5 + self._rng.randint(-noise, noise)
        # Near 0 and 1 nobody has much room to be wrong.
        room = 4 * fair * (ONE - fair)
        return Quote(
            fair=fair + room * window.noise / PRICE_UNITS, depth=self._config.depth
        )

    def _move(self, window: _Window, tick: Tick) -> list[tuple[int, str]]:
        """One second of one market: quotes move, and perhaps somebody trades."""
        texts: list[tuple[int, str]] = []
        writer, book, market = self._writer, window.book, window.market
        at_ms = tick.ts_ms + self._rng.randint(*_LEVEL_DELAY_MS)
        quote = self._quote(window, tick)
        if book.needs_finer_grid(quote):
            old = book.refine()
            texts.extend(
                (at_ms, t) for t in writer.tick_changes(market, old, book.tick, at_ms)
            )
        changes = book.follow(quote)
        texts.extend((at_ms, t) for t in writer.changes(market, book, changes, at_ms))
        if self._rng.randrange(_MILLE) < self._config.prints_per_mille:
            at_ms = tick.ts_ms + self._rng.randint(*_PRINT_DELAY_MS)
            texts.extend(
                (at_ms, writer.printed(market, one, at_ms)) for one in book.trade()
            )
            texts.extend(
                (at_ms, t) for t in writer.changes(market, book, book.taken(), at_ms)
            )
        return texts
