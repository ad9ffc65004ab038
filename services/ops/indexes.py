"""Indexes of failing work (job_health.py)."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "users": (IndexModel("digestAside.since", sparse=True),),
    "tickets": (IndexModel("alarm.aside.since", sparse=True),),
}
