"""The read side: read models folded from the log, and what can be asked of them.

Everything here can be thrown away and built again from the events.
"""

from projections.as_of import position_of, rows_as_of, state_as_of, tables_as_of
from projections.base import Table, View, micros
from projections.catalogue import MODELS, SCHEMA_VERSION
from projections.read_models import DEFAULT_NAME, ProgressReport, ReadModels
from projections.tables import Filter, Record, Tables, model_of
from projections.timeline import TimelineEntry, timeline
from projections.verify import Problem, check_domain, compare_models

__all__ = [
    "DEFAULT_NAME",
    "MODELS",
    "SCHEMA_VERSION",
    "Filter",
    "Problem",
    "ProgressReport",
    "ReadModels",
    "Record",
    "Table",
    "Tables",
    "TimelineEntry",
    "View",
    "check_domain",
    "compare_models",
    "micros",
    "model_of",
    "position_of",
    "rows_as_of",
    "state_as_of",
    "tables_as_of",
    "timeline",
]
