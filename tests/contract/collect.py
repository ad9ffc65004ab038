"""Collects the names that the product stores or shows to the outside, from the running code.

Each function returns the entries of one category of contract.json. Python's own names play no part:
what is read are registries, indexes, answers over HTTP, keys in Redis, and the recordings, which
tests/contract/test_replay.py holds to what the code does.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

import jwt
from bson import ObjectId
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from services.core.database import Mongo
from tests.contract.recordings import Json, Recording

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "services", "tasks")
# Fields with keywords or composed keys; all others are texts or numbers.
CODED = [
    "audit.action",
    "audit.by",
    "audit.subject",
    "codes._id",
    "codes.kind",
    "corrections.kind",
    "counters._id",
    "inbox._id",
    "leases._id",
    "letters.kind",
    "letters.state",
    "links._id",
    "links.home.screen",
    "meta._id",
    "models._id",
    "models.format",
    "nudges._id",
    "nudges.kind",
    "nudges.to",
    "replies._id",
    "replies.state",
    "settings._id",
    "settings.clock",
    "tickets.alarm.about",
    "tickets.alarm.kind",
    "tickets.assignment.analysis.basis",
    "tickets.assignment.analysis.claim",
    "tickets.assignment.analysis.failure",
    "tickets.assignment.analysis.signal",
    "tickets.assignment.analysis.source",
    "tickets.assignment.source",
    "tickets.cards.kind",
    "tickets.comments.form",
    "tickets.events.by",
    "tickets.events.field",
    "tickets.events.type",
    "tickets.ladders.accept.about",
    "tickets.ladders.due.about",
    "tickets.ladders.waiting.about",
    "tickets.notices.key",
    "tickets.notices.state",
    "tickets.priority",
    "tickets.queueKey",
    "tickets.requestId",
    "tickets.status",
    "tickets.target.rules",
    "unlinked._id",
    "users.away.source",
    "users.handOver.key",
    "users.handOver.state",
    "users.role",
    "users.zoneSource",
]

# Fields of a ticket that only an analysis by a model sets, which no recording has.
STORED_BY_A_MODEL = {"timeout", "outage"}


def walk(value: Any) -> Iterator[Json]:
    """Yield every nested object."""
    if isinstance(value, Mapping):
        yield dict(value)
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from walk(inner)


_PARTS: Sequence[tuple[str, str]] = (
    (r"<id \d+>|(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])", "<id>"),
    (r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})(?![0-9a-f])", "<hex>"),
    (r"(?<![0-9a-z])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,16}(?![0-9a-z])", "<hash>"),
    (r"\bEv0\d+\b", "<event>"),
    (r"\b[UCDGTV](?=[A-Z]*\d)[0-9A-Z]+\b", "<slack>"),
    (r"(?<!\w)\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?", "<date>"),
    (r"(?<![A-Za-z])\d+(?:\.\d+)?", "<n>"),
    (r"~(?!<id>)[^|]+$", "~<text>"),  # searched for
)


def shape(value: Any) -> Any:
    """Replace the variable parts of a value: ids, numbers and texts in JSON."""
    if isinstance(value, Mapping):
        # `told` has an entry for each field of a ticket that was changed since the form was opened.
        return {key: "<object>" if key == "told" else shape(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return f"<{type(value).__name__}>"
    if value[:1] == "{":
        with suppress(ValueError):
            return json.dumps(shape(json.loads(value)), sort_keys=True)
    for pattern, name in _PARTS:
        value = re.sub(pattern, name, value)
    return value


# Celery and the jobs


def task_messages(celery: Celery[Any], recorded: Sequence[Recording]) -> Iterator[str]:
    """Return each task by name, the form of its arguments, and the queues."""
    for queue in celery.conf.task_queues:
        yield f"queue {queue.name}"
    for name in celery.tasks:
        if not name.startswith("celery."):
            yield f"task {name}"
    for recording in recorded:
        sent = [recording.payload] if recording.kind == "task" else []
        for message in (*sent, *recording.outcome["published"]):
            by_position = [f"<{len(message['args'])} by position>"] if message["args"] else []
            told = " ".join([*by_position, *sorted(message["kwargs"])])
            yield f"message {message['task']} {told}".strip()


# MongoDB


def indexes(db: Mongo) -> Iterator[str]:
    """Return the indexes of each collection, without the default one on `_id`."""
    for collection in db.list_collection_names():
        found = db[collection].index_information()
        for name, index in found.items() if len(found) > 1 else ():
            keys = " ".join(f"{field}:{int(order)}" for field, order in index["key"])
            options = {
                key: index[key]
                for key in ("unique", "sparse", "expireAfterSeconds", "partialFilterExpression")
                if index.get(key) is not None and index[key] is not False
            }
            told = json.dumps(options, sort_keys=True, default=str) if options else ""
            yield f"{collection} {name} ({keys}) {told}".strip()


def stored(recorded: Sequence[Recording]) -> Iterator[tuple[str, Any]]:
    """Yield every field of the recorded documents as a path, with its value."""
    for recording in recorded:
        for collection, docs in recording.given["documents"].items():
            for doc in docs:
                yield from _fields(collection, doc)
        for collection, entries in recording.outcome["changes"].items():
            for entry in entries:
                yield from _fields(collection, entry.get("inserted") or entry.get("fields") or {})


def _fields(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if path == "replies.message":  # Slack's own fields
        yield path, value
        return
    if isinstance(value, Mapping) and not set(value) & {"$oid", "$date", "$binary"}:
        for key, inner in value.items():
            name = "*" if ObjectId.is_valid(key) or key.startswith("<id ") else key
            yield from _fields(f"{path}.{name}", inner)
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for inner in value:
            yield from _fields(path, inner)
    else:
        yield path, value


def field_names(recorded: Sequence[Recording]) -> Iterator[str]:
    for path, _ in stored(recorded):
        parts = path.split(".")
        yield from (".".join(parts[:end]) for end in range(2, len(parts) + 1))


def coded_values(recorded: Sequence[Recording]) -> Iterator[str]:
    for path, value in stored(recorded):
        if path in CODED and isinstance(value, (str, int)):
            yield f"{path} = {shape(value) if isinstance(value, str) else value}"


def sets_of_values(recorded: Sequence[Recording]) -> Iterator[str]:
    """Return all values of each enumeration if at least half of them are stored."""
    found = list(stored(recorded))
    words = {part for path, _ in found for part in path.split(".")}
    coded = {str(value) for path, value in found if path in CODED}
    words = {*words, *coded, *(part for value in coded for part in re.split(r"\W+", value))}
    for file in _sources():
        if "Enum)" in file.read_text():  # importing others may load 100 MB of libraries
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    for members in _enumerations(Enum):
        values = sorted(member for member in members if isinstance(member, str))
        known = words & set(values)
        if 2 * len(known) >= len(values) > 0 or STORED_BY_A_MODEL & set(values):
            yield " | ".join(values)


def _enumerations(base: type[Enum]) -> Iterator[list[Any]]:
    for found in base.__subclasses__():
        if found.__module__.partition(".")[0] in PACKAGES:
            yield [member.value for member in found]
        yield from _enumerations(found)


# Slack


def routes(table: Iterable[Any]) -> Iterator[str]:
    return (f"{route.kind} {route.id}".strip() for route in table)


def shown(recorded: Sequence[Recording]) -> Iterator[Json]:
    """Yield every object shown in Slack: blocks, elements, views, options."""
    for recording in recorded:
        if recording.kind != "api":
            outcome = recording.outcome
            replies = outcome["changes"].get("replies")
            yield from walk([outcome["calls"], outcome["answer"], replies])


def action_values(recorded: Sequence[Recording]) -> Iterator[str]:
    for found in shown(recorded):
        if "action_id" not in found:
            continue
        name = f"{found['type']} {found['action_id']}"
        yield f"{name} {shape(found['value'])}" if found.get("value") else name
        # The value of an overflow option names an action, that of other menus is input.
        for option in found.get("options", []) if found["type"] == "overflow" else []:
            yield f"{name} {shape(option['value'])}"


def view_metadata(recorded: Sequence[Recording]) -> Iterator[str]:
    for found in shown(recorded):
        if found.get("type") == "modal" and found.get("callback_id"):
            yield f"{found['callback_id']} {shape(found.get('private_metadata') or '')}".strip()


def block_ids(recorded: Sequence[Recording]) -> Iterator[str]:
    for found in shown(recorded):
        if "block_id" in found and "type" in found:
            yield f"{found['type']} {shape(found['block_id'])}"


# HTTP


def http_paths(web: Flask) -> Iterator[str]:
    for rule in web.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}"


def operations(document: Json) -> Iterator[str]:
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            called = f"{described['operationId']} {method.upper()} {path}"
            yield called
            yield from (f"{called} answers {status}" for status in described["responses"])
            for parameter in described.get("parameters", ()):
                yield f"{called} {parameter['in']} {parameter['name']}"


def json_fields(document: Json) -> Iterator[str]:
    """Return each field of bodies and answers as a path, without schema names."""
    for methods in document["paths"].values():
        for described in methods.values():
            body = described.get("requestBody", {})
            yield from _schemas(document, f"{described['operationId']} takes", body)
            for status, answer in described["responses"].items():
                if "$ref" not in answer:
                    name = f"{described['operationId']} answers {status}"
                    yield from _schemas(document, name, answer)
    for answer in document["components"]["responses"].values():
        yield from _schemas(document, "error", answer)


def _schemas(document: Json, name: str, content: Json) -> Iterator[str]:
    for described in content.get("content", {}).values():
        yield from _properties(document, name, described["schema"])


def _properties(document: Json, path: str, schema: Json) -> Iterator[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, inner in schema.get("properties", {}).items():
        place = f"{path}{' ' if ' ' in path and '.' not in path else '.'}{name}"
        yield place
        yield from _properties(document, place, inner)
    for inner in (*schema.get("anyOf", ()), *schema.get("allOf", ()), schema.get("items", {})):
        if inner:
            yield from _properties(document, path, inner)
    if "enum" in schema:
        yield f"{path} = {' | '.join(map(str, schema['enum']))}"


def cookies(*clients: FlaskClient) -> Iterator[str]:
    """After signing in with each."""
    for client in clients:
        yield from (key[2] for key in client._cookies or ())


def token_claims(token: str) -> Iterator[str]:
    claims = jwt.decode(token, options={"verify_signature": False})
    yield f"alg = {jwt.get_unverified_header(token)['alg']}"
    for name, value in claims.items():
        yield f"{name} = {value}" if name in ("iss", "aud") else name


# Redis, the environment, metrics


def redis_keys(keys: Iterable[str], *, database: str) -> Iterator[str]:
    """Return the keys, without those of Celery's transport."""
    ours = (key for key in keys if "_kombu." not in key)
    return (shape(key.replace(database, "<database>")) for key in ours)


def environment(read: Callable[[str, Mapping[str, str]], Any]) -> Iterator[str]:
    """Yield the names of the variables that make a difference to the settings of a bot."""
    unset, missing = read("bot", {})
    for name in sorted(field.upper() for field in unset.model_dump()):
        found, problems = read("bot", {name: "?"})
        if (found, problems) != (unset, missing):
            yield name


def _sources() -> list[Path]:
    return [ROOT / "app.py", *(file for one in PACKAGES for file in (ROOT / one).rglob("*.py"))]


def metrics(page: str) -> Iterator[str]:
    """Return the metrics, without those of the Prometheus client."""
    for family in text_string_to_metric_families(page):
        if family.name.startswith(("process_", "python_")):
            continue
        yield f"{family.type} {family.name}"
        for sample in family.samples:
            yield from (f"{family.type} {family.name} {label}" for label in sample.labels)
