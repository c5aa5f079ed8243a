"""Market data: order books from the venue's market channel, recorded or live.

The live feed is not imported here, because it needs network clients that a replay
does without: see `executors.market_data.live` and `executors.market_data.rest`.
"""

from executors.market_data.books import BookKeeper, BookUpdate, Changed, KeeperStats
from executors.market_data.facts import (
    BestBidAsk,
    BookSnapshot,
    Fact,
    Gap,
    Ignored,
    LastTrade,
    LevelChange,
    MarketResolved,
    PriceChange,
    TickSizeChange,
)
from executors.market_data.frames import (
    Frame,
    FrameError,
    Parsed,
    Quarantine,
    RecordedTime,
    parse_frame,
)
from executors.market_data.history import (
    ResolvedMarket,
    Tick,
    load_markets,
    load_ticks,
)
from executors.market_data.inference import infer_markets
from executors.market_data.recorder import Recorder, write_frames
from executors.market_data.recording import read_recording

__all__ = [
    "BestBidAsk",
    "BookKeeper",
    "BookSnapshot",
    "BookUpdate",
    "Changed",
    "Fact",
    "Frame",
    "FrameError",
    "Gap",
    "Ignored",
    "KeeperStats",
    "LastTrade",
    "LevelChange",
    "MarketResolved",
    "Parsed",
    "PriceChange",
    "Quarantine",
    "RecordedTime",
    "Recorder",
    "ResolvedMarket",
    "Tick",
    "TickSizeChange",
    "infer_markets",
    "load_markets",
    "load_ticks",
    "parse_frame",
    "read_recording",
    "write_frames",
]
