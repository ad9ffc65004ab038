"""The index of escalation steps that are due: escalation_steps.py."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (IndexModel("alarm.at", name="alarm_due", sparse=True),),
}
