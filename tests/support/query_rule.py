"""The rule for queries, decided from the index definitions, and a recorder that applies it to all
commands of the product's code.

An index serves a query if the query's equality fields are a prefix of it and the sort is its next
part, with at most one `$in`. Further fields of the index may be filtered by in it, and so may a
field that has to be absent. SecantusDB's own `explain` cannot be asked: its planner is not
MongoDB's.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from services.registry.indexes import INDEXES

ROOT = Path(__file__).resolve().parents[2]
_PRODUCT = tuple(f"{ROOT / name}/" for name in ("services", "bot", "tasks"))
_ID_INDEX: Mapping[str, Any] = {"key": {"_id": 1}, "unique": True}
SEVERAL_LISTS = "more than one $in"
NOT_INDEXED = "no index begins with its fields and goes on with its sort"
NOT_ALL_INDEXED = "it filters by a field outside its index"


class Kind(StrEnum):
    """How a query restricts a field."""

    EQUALITY = "equality"
    IN = "$in"
    RANGE = "range"
    OTHER = "other"


# `$regex` is used with the beginning of an id only.
_KINDS = {
    "$eq": Kind.EQUALITY,
    "$in": Kind.IN,
    **dict.fromkeys(("$gt", "$gte", "$lt", "$lte", "$regex"), Kind.RANGE),
}


@dataclass(frozen=True, slots=True)
class Query:
    """What a command looks for. `sort` is empty without one."""

    collection: str
    filter: Mapping[str, Any]
    sort: tuple[tuple[str, int], ...] = ()


def queries(name: str, command: Mapping[str, Any]) -> list[Query]:
    """Return the queries of a command; none of a command that looks for nothing."""
    collection = str(command.get(name))
    if name == "find":
        sort = tuple((command.get("sort") or {}).items())
        return [Query(collection, command["filter"], sort)]
    if name == "count" and not command.get("query"):
        return []  # MongoDB knows the number of all documents
    if name in ("findAndModify", "distinct", "count"):
        sort = tuple((command.get("sort") or {}).items())
        return [Query(collection, command.get("query") or {}, sort)]
    if name == "aggregate":
        return [_pipeline_query(collection, command["pipeline"])]
    return [Query(collection, change["q"]) for change in command.get(f"{name}s", [])]


def _pipeline_query(collection: str, pipeline: Sequence[Mapping[str, Any]]) -> Query:
    """MongoDB merges the first `$match` stages, and reads in the order of a `$sort` after them."""
    matched: list[Mapping[str, Any]] = []
    for stage in pipeline:
        if "$match" not in stage:
            sort = tuple(stage.get("$sort", {}).items())
            return Query(collection, {"$and": matched}, sort)
        matched.append(stage["$match"])
    return Query(collection, {"$and": matched})


def fault(query: Query) -> str:
    """Return why no index serves the query, "" if one does."""
    conditions = list(_conditions(query.filter))
    if sum(kind is Kind.IN for _, kind, _ in conditions) > 1:
        return SEVERAL_LISTS
    indexes = [_ID_INDEX, *(index.document for index in INDEXES.get(query.collection, ()))]
    outside = [_outside(index, conditions, query.sort) for index in indexes]
    if any(fields is not None and not fields for fields in outside):
        return ""
    if not query.sort and _is_served_by_branches(query):
        return ""
    return NOT_ALL_INDEXED if any(outside) else NOT_INDEXED


def _is_served_by_branches(query: Query) -> bool:
    """Return whether an index serves each branch of an `$or`."""
    parts = list(_parts(query.filter))
    for place, part in enumerate(parts):
        if branches := part.get("$or"):
            rest = parts[:place] + parts[place + 1 :]
            alternatives = ({"$and": [*rest, branch]} for branch in branches)
            return not any(fault(Query(query.collection, one)) for one in alternatives)
    return False


def _parts(query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the conditions that all have to hold."""
    for name, value in query.items():
        if name == "$and":
            for part in value:
                yield from _parts(part)
        else:
            yield {name: value}


def _outside(
    index: Mapping[str, Any],
    conditions: Sequence[tuple[str, Kind, Any]],
    sort: Sequence[tuple[str, int]],
) -> set[str] | None:
    """Return the equality fields outside the index; None if it does not serve the query at all."""
    keys = [(name, way) for name, way in index["key"].items() if name != "teamId"]
    exact = {name: kind for name, kind, _ in conditions if kind in (Kind.EQUALITY, Kind.IN)}
    ranges = {name for name, kind, _ in conditions if kind is Kind.RANGE}
    partial = index.get("partialFilterExpression", {})
    if not all(_implies(conditions, name, wanted) for name, wanted in partial.items()):
        return None
    if index.get("sparse") and not any(
        name in index["key"] and kind is not Kind.OTHER and value is not None
        for name, kind, value in conditions
    ):
        return None
    length = next((at for at, (name, _) in enumerate(keys) if name not in exact), len(keys))
    if index.get("unique") and length == len(keys):
        return set()  # one document at most, or one for each value of `$in`
    order = [(name, way) for name, way in sort if exact.get(name) is not Kind.EQUALITY]
    following = keys[length : length + len(order)]
    directions = {own * wanted for (_, own), (_, wanted) in zip(following, order, strict=False)}
    is_sorted = [name for name, _ in order] == [name for name, _ in following]
    if order and not (is_sorted and len(directions) == 1):
        return None
    if not (length or order or keys[0][0] in ranges):
        return None
    absent = {name for name, kind, value in conditions if kind is Kind.EQUALITY and value is None}
    return set(exact) - absent - set(index["key"]) - set(partial)


def _conditions(query: Mapping[str, Any]) -> Iterator[tuple[str, Kind, Any]]:
    for part in _parts(query):
        ((name, value),) = part.items()
        if name.startswith("$") or name == "teamId":  # one value: there is one workspace
            continue
        if not isinstance(value, Mapping) or not any(key.startswith("$") for key in value):
            yield name, Kind.EQUALITY, value
            continue
        for operator, operand in value.items():
            kind = _KINDS.get(operator, Kind.OTHER)
            yield name, kind, {operator: operand} if kind is Kind.RANGE else operand


def _implies(conditions: Sequence[tuple[str, Kind, Any]], name: str, wanted: Any) -> bool:
    """Return whether the conditions on the field imply that of a partial index."""
    for own, kind, value in conditions:
        if own != name:
            continue
        if kind is Kind.EQUALITY and (value == wanted or isinstance(wanted, Mapping)):
            return value is not None or wanted is None
        if kind is Kind.RANGE and isinstance(wanted, Mapping) and _is_within(value, wanted):
            return True
    return False


def _is_within(value: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    above, limit = value.get("$gte"), wanted.get("$gt")
    is_above = type(above) is type(limit) and above is not None and above > limit
    return wanted.items() <= value.items() or (is_above and len(wanted) == 1)


@dataclass(eq=False)
class QueryRecorder(CommandListener):
    """Applies the rule to each command that the product's code sends in this process.

    `found` has the place in the code and the fault of each query that breaks the rule, `places`
    every place and collection.
    """

    found: set[str] = field(default_factory=set)
    places: set[tuple[str, str]] = field(default_factory=set)
    _seen: set[object] = field(default_factory=set)

    def started(self, event: CommandStartedEvent) -> None:
        name = event.command_name
        if name not in _LOOKING or not (place := _sender()):
            return
        for query in queries(name, event.command):
            if query.collection.startswith("test_"):
                continue
            self.places.add((place, query.collection))
            shape = (place, query.collection, _shape(query.filter), query.sort)
            if shape not in self._seen:
                self._seen.add(shape)
                if why := fault(query):
                    described = f"{query.collection} {shape[2]}"
                    if query.sort:
                        described += f" by {', '.join(name for name, _ in query.sort)}"
                    self.found.add(f"{place}: {described}: {why}")

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...


_LOOKING = {"find", "findAndModify", "distinct", "count", "aggregate", "update", "delete"}


def _sender() -> str:
    """Return the place in the product's code that sends the command, "" if a test sends it."""
    frame = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if "/site-packages/" not in path and "/lib/python" not in path:
            if not path.startswith(_PRODUCT):
                return ""
            while frame.f_code.co_name.startswith("<") and frame.f_back:  # a comprehension
                frame = frame.f_back
            return f"{path.removeprefix(f'{ROOT}/')} ({frame.f_code.co_name})"
        frame = frame.f_back  # type: ignore[assignment]  # None above the outermost frame
    return ""


def _shape(value: Any) -> str:
    """Return the fields and operators, without the values."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_shape(one)}' for name, one in value.items())}}}"
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return f"[{', '.join(map(_shape, value))}]"
    if isinstance(value, list):
        return "[..]"
    return repr(value) if value is None or value == "" or isinstance(value, bool) else "?"


# Queries that may break the rule, by place in the code and fault, each with its reason.
EXCEPTIONS: Mapping[str, str] = {
    f"services/lists/list_service.py (_read): {NOT_ALL_INDEXED}": (
        "priority and skill are filters within one person's open tickets, and the status within "
        "those one takes part in; they are few"
    ),
    f"services/assignment/candidate_pool.py (find_by_skills): {NOT_ALL_INDEXED}": (
        "almost all who have skills are moderators"
    ),
    f"services/ops/database_checks.py (check_accounts): {NOT_INDEXED}": (
        "the doctor looks at every account"
    ),
    f"services/ops/database_checks.py (_unconfirmed_emails): {NOT_INDEXED}": (
        "the doctor looks at every link"
    ),
    f"services/ops/database_checks.py (count_failed_analyses): {NOT_ALL_INDEXED}": (
        "the doctor looks at the tickets of a day"
    ),
    f"services/outbox/deliveries.py (find_direct_channel): {NOT_ALL_INDEXED}": (
        "almost every ticket of a person has their card, so the first one does"
    ),
    f"services/outbox/reminders.py (_claim): {NOT_INDEXED}": "a claim has few reminders",
    f"services/privacy/erasure.py (_forget_messages): {NOT_ALL_INDEXED}": (
        "an erasure looks at every account; it is rare"
    ),
    f"services/registry/indexes.py (_check_duplicates): {NOT_INDEXED}": (
        "a unique index cannot be built, so there is none to use"
    ),
    f"services/tickets/direct_messages.py (attempt): {NOT_ALL_INDEXED}": (
        "the range of ids is that of one member's messages of a minute"
    ),
}
MAX_EXCEPTIONS = 10


def query_faults(found: Iterable[str]) -> list[str]:
    """Return what was found, without the exceptions."""
    return sorted(line for line in found if _exception_key(line) not in EXCEPTIONS)


def unused_exceptions(found: Iterable[str]) -> list[str]:
    return sorted(EXCEPTIONS.keys() - set(map(_exception_key, found)))


def _exception_key(line: str) -> str:
    return f"{line.partition(': ')[0]}: {line.rpartition(': ')[2]}"
