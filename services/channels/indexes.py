"""Indexes of the request channels, by who set them: for erasure, export and merged accounts."""

from collections.abc import Mapping, Sequence

from pymongo import IndexModel

INDEXES: Mapping[str, Sequence[IndexModel]] = {"channels": (IndexModel("by", sparse=True),)}
