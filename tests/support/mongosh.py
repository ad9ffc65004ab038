"""Runs the updates of our pages that operators paste into mongosh."""

import re
from datetime import UTC, datetime
from typing import Any

from bson import json_util

from services.core.database import Mongo

CALL = re.compile(r"db\.(\w+)\.(updateOne|updateMany)\((.*)\)\Z", re.DOTALL)
DATE = re.compile(r'ISODate\("([^"]+)"\)')
METHODS = {"updateOne": "update_one", "updateMany": "update_many"}


def run(db: Mongo, statement: str) -> int:
    """Run `db.COLLECTION.updateOne(FILTER, UPDATE)`, or `updateMany`, and return how many documents
    it has changed."""
    found = CALL.match(statement.strip())
    assert found, statement
    collection, method, arguments = found.groups()
    which, update = json_util.loads(f"[{DATE.sub(_extended_json, arguments)}]")
    done: Any = getattr(db[collection], METHODS[method])(which, update)
    return int(done.modified_count)


def _extended_json(date: re.Match[str]) -> str:
    return json_util.dumps(datetime.fromisoformat(date[1]).replace(tzinfo=UTC))
