"""Which index serves which query."""

from typing import Any

from services.registry.indexes import INDEXES


def filters(name: str, command: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What a command looks for, by collection."""
    collection = str(command.get(name))
    if name == "find":
        return [(collection, command["filter"])]
    if name in ("findAndModify", "distinct", "count"):
        return [(collection, command["query"])]
    if name == "aggregate":
        return [(collection, stage["$match"]) for stage in command["pipeline"][:1]]
    return [(collection, change["q"]) for change in command.get(f"{name}s", [])]


def is_served(query: dict[str, Any], index: dict[str, Any]) -> bool:
    """Whether MongoDB can use the index: the query, or each branch of its `$or`, narrows the
    index's first field and implies its filter.

    SecantusDB's own explain() cannot be asked: it scans as soon as one condition of a query is
    on a field outside the index, even beside an `_id`.
    """
    if branches := query.get("$or"):
        rest = {name: value for name, value in query.items() if name != "$or"}
        own = (is_served({**rest, **branch}, index) for branch in branches)
        return is_served(rest, index) or all(own)
    first = next(iter(index["key"]))
    condition = query.get(first, {"$ne": None})
    narrowed = not isinstance(condition, dict) or not {"$ne", "$exists"} & set(condition)
    implied = all(
        query.get(field) == wanted
        or (isinstance(wanted, dict) and "$gt" in wanted and _implies(query.get(field, {}), wanted))
        for field, wanted in index.get("partialFilterExpression", {}).items()
    )
    return narrowed and implied and not (index.get("sparse") and condition is None)


def _implies(condition: Any, wanted: dict[str, Any]) -> bool:
    """A value, or a range that says so itself."""
    return not isinstance(condition, dict) or wanted.items() <= condition.items()


def is_served_by(query: dict[str, Any], keys: list[tuple[str, int]]) -> bool:
    """Whether `INDEXES` has a ticket's index of these keys, and it serves the query."""
    indexes = [index.document for index in INDEXES["tickets"]]
    return any(is_served(query, i) for i in indexes if list(i["key"].items()) == keys)
