"""The paper venue: simulated matching against real or recorded books."""

from executors.paper.engine import PaperVenue
from executors.paper.executor import PaperExecutor
from executors.paper.faults import Fault, FaultPlan, FaultPoint, random_faults
from executors.paper.records import PaperConfig, PaperOrder, venue_order_id

__all__ = [
    "Fault",
    "FaultPlan",
    "FaultPoint",
    "PaperConfig",
    "PaperExecutor",
    "PaperOrder",
    "PaperVenue",
    "random_faults",
    "venue_order_id",
]
