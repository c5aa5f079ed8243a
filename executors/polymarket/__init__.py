"""The venue itself: its client for signing, its REST, its user stream.

`executor.RealExecutor` is the executor; it is imported from its module, because
the network libraries take their time.
"""

from executors.polymarket.settings import (
    GateSettings,
    LiveSettings,
    StreamSettings,
    WalletKind,
)

__all__ = ["GateSettings", "LiveSettings", "StreamSettings", "WalletKind"]
