"""Recordings: what was sent to the product in a given state, and what it did.

A recording is one JSON file. `given` holds the documents and the Slack workspace before, `payload`
what was sent, and `outcome` the answer, the changed documents, the calls of Slack's Web API and the
task messages put on the broker. Random ids and times of the real clock are replaced in the outcome,
so that two runs compare equal.
"""

import copy
import inspect
import itertools
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import ObjectId, json_util
from pymongo.database import Database

from bot.slack.ticket_command import parse_command

Json = dict[str, Any]
Documents = dict[str, list[Json]]

FOLDER = Path(__file__).parent / "recorded"
# The parts of a workspace (tests/support/slack_workspace.py) that a recording restores.
PLACES = ("members", "channels", "messages", "views", "homes", "quiet")
# Texts that people read, in Slack and in answers.
WORDS = ("text", "error", "message")
# Nesting depth down to which a recording is spread over lines.
LEVELS = 4
# Two days in seconds: times of the real clock are within this distance of now.
NEAR = 172_800


_OPTIONS = json_util.RELAXED_JSON_OPTIONS.with_options(tz_aware=True, tzinfo=UTC)


@dataclass
class Recording:
    """`kind` is slack, task, job or api; `name` is the route, task, job or operation."""

    kind: str
    name: str
    clock: datetime
    given: Json
    payload: Json
    outcome: Json

    @classmethod
    def load(cls, path: Path) -> "Recording":
        text = path.read_text()
        # The outcome stays JSON: its placeholders are no ids.
        held = json.loads(text)
        outcome = held.pop("outcome")
        rest = json_util.loads(json.dumps(held), json_options=_OPTIONS)
        return cls(outcome=outcome, **rest)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_in_lines(json.loads(as_text(vars(self)))) + "\n")

    @property
    def filename(self) -> str:
        return f"{self.kind}-{re.sub(r'[^A-Za-z_]+', '-', self.name).strip('-')}"


def paths() -> list[Path]:
    return sorted(FOLDER.glob("*.json"))


def as_text(value: Any) -> str:
    return json_util.dumps(value, json_options=_OPTIONS, sort_keys=True, ensure_ascii=False)


def _in_lines(value: Any, depth: int = 0) -> str:
    """Format as JSON, with one document, message or call per line."""
    if depth == LEVELS or not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    inner = [
        f"{json.dumps(key)}: {_in_lines(value[key], depth + 1)}"
        if isinstance(value, dict)
        else _in_lines(key, depth + 1)
        for key in (sorted(value) if isinstance(value, dict) else value)
    ]
    begin, end = "{}" if isinstance(value, dict) else "[]"
    space = "\n" + " " * depth
    return begin + ",".join(f"{space} {one}" for one in inner) + space + end


def routes_of(payload: Mapping[str, Any], subcommands: Iterable[str] = ()) -> list[str]:
    """Return the routes of a Slack payload, as "KIND ID"."""
    if "command" in payload:
        routes = [f"command {payload['command']}"]
        words = str(payload.get("text") or "").split()
        asked = parse_command(words, subcommands=set(subcommands) - {""})
        if payload["command"] == "/ticket" and not asked.suggestion:
            routes.append(f"subcommand {asked.subcommand}".strip())
        return routes
    kind = payload["type"]
    if kind == "event_callback":
        return [f"event {payload['event']['type']}"]
    if kind == "view_submission":
        return [f"view {payload['view']['callback_id']}"]
    if kind == "block_suggestion":
        return [f"options {payload['action_id']}"]
    if kind == "block_actions":
        return [f"action {payload['actions'][0]['action_id']}"]
    shortcut = {"shortcut": "shortcut", "message_action": "message_shortcut"}
    return [f"{shortcut[kind]} {payload['callback_id']}"]


# State: documents and the Slack workspace


def documents(db: Database[Json]) -> Documents:
    """Return all documents by collection, without empty collections."""
    found = {name: list(db[name].find({}).sort("_id")) for name in db.list_collection_names()}
    return {name: docs for name, docs in sorted(found.items()) if docs}


def workspace_of(slack: Any) -> Json:
    """Return what `restore` needs to rebuild the workspace."""
    places = slack.workspace
    held = {name: copy.deepcopy(getattr(places, name)) for name in PLACES}
    clock = {"number": next(copy.copy(places._numbers)), "started": places._started}
    return {**held, "reactions": sorted(places.reactions), **clock}


def with_fixed_times(given: Any, clock: datetime) -> Any:
    """Set times of the real clock to the recording's: a TTL index would delete old documents."""
    if isinstance(given, dict):
        return {key: with_fixed_times(value, clock) for key, value in given.items()}
    if isinstance(given, list):
        return [with_fixed_times(value, clock) for value in given]
    is_real = isinstance(given, datetime) and abs(given.timestamp() - time.time()) < NEAR
    return clock if is_real else given


def restore(recording: Recording, db: Database[Json], slack: Any) -> None:
    for name, docs in recording.given["documents"].items():
        db[name].insert_many(docs)
    places, held = slack.workspace, recording.given["workspace"]
    for name in PLACES:
        getattr(places, name).update(copy.deepcopy(held.get(name, {})))
    places.reactions = {tuple(reaction) for reaction in held["reactions"]}
    places._numbers = itertools.count(held["number"])
    places._started = held["started"]


# The outcome


@dataclass
class Broker:
    """Replaces a publisher's Celery application and records the messages."""

    sent: list[Json] = field(default_factory=list)

    def send_task(
        self,
        name: str,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        countdown: float | None = None,
        **_: Any,
    ) -> None:
        message = {"task": name, "args": list(args or []), "kwargs": dict(kwargs or {})}
        self.sent.append(message | ({"countdown": countdown} if countdown is not None else {}))


def message_to(task: Any, *values: str) -> Json:
    """Return the message for `task`, as tasks/queue/publisher.py puts it on the broker.

    A ticket's id goes by position, because the log takes a first argument for a ticket's id.
    """
    names = [name for name in inspect.signature(task.run).parameters if name != "self"]
    given = dict(zip(names, values, strict=True))
    by_name = {name: value for name, value in given.items() if name != "ticket_id"}
    by_position = [value for name, value in given.items() if name == "ticket_id"]
    return {"task": task.name, "args": by_position, "kwargs": by_name}


def outcome(
    *, answer: Any, before: Documents, after: Documents, calls: Iterable[Any], sent: list[Json]
) -> Json:
    made = [{"method": call.method, "args": call.args} for call in calls]
    changed = changes(before, after)
    return {"answer": answer, "changes": changed, "calls": made, "published": sent}


def changes(before: Documents, after: Documents) -> Json:
    """Return the changes by collection: new documents, and the changed fields of others."""
    found: dict[str, list[Json]] = {}
    for name in sorted({*before, *after}):
        old = {as_text(doc["_id"]): doc for doc in before.get(name, [])}
        new = {as_text(doc["_id"]): doc for doc in after.get(name, [])}
        entries = [{"deleted": old[key]["_id"]} for key in old if key not in new]
        for key, doc in new.items():
            if key not in old:
                entries.append({"inserted": doc})
            elif doc != old[key]:
                entries.append(_difference(old[key], doc))
        if entries:
            found[name] = sorted(entries, key=lambda entry: _without_ids(as_text(entry)))
    return found


def _difference(old: Json, new: Json) -> Json:
    changed = {key: value for key, value in new.items() if key not in old or old[key] != value}
    gone = sorted(key for key in old if key not in new)
    return {"updated": new["_id"], "fields": changed} | ({"removed": gone} if gone else {})


_HEX = r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{24})(?![0-9a-f])"
_RANDOM = re.compile(
    r"(?P<hash>(?<=\")\d{10}\.[0-9a-f]{8}(?=\"))"  # of a view
    rf"|(?P<hex>{_HEX})"
    r"|(?P<password>\$2[aby]\$\d\d\$[./A-Za-z0-9]{53})"
    r"|(?P<token>eyJ[\w-]+\.[\w-]+\.[\w-]+)"
    r"|(?P<time>\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)"
    r"|(?P<seconds>(?<![\d.])1[0-9]{9}(?![\d]))"
)


def _without_ids(text: str) -> str:
    return re.sub(_HEX, "", text)


def normalised(found: Json, *, given: Any) -> Json:
    """Replace each random value that was not in the input by a placeholder."""
    text = as_text(given)
    known = {match[0] for match in _RANDOM.finditer(text)}
    known |= {str(int(_seconds(one))) for one in known if one.endswith("Z")}
    # An adopted account was created when its id was made, long before a later replay.
    made_at = {int(one[:8], 16) for one in known if ObjectId.is_valid(one)}
    numbers: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        kind, value = str(match.lastgroup), match[0]
        if value in known:
            return value
        if kind in ("hash", "token", "password"):
            return f"<{kind}>"
        if kind == "hex":
            return numbers.setdefault(value, f"<id {len(numbers) + 1}>")
        near = abs(_seconds(value) - time.time()) < NEAR or _seconds(value) in made_at
        return "<now>" if near and kind == "time" else "1" if near else value

    shown = {key: without_words(found[key]) for key in ("answer", "calls")}
    if replies := found["changes"].get("replies"):  # messages to be sent
        shown["changes"] = {**found["changes"], "replies": without_words(replies)}
    result: Json = json.loads(_RANDOM.sub(replaced, as_text({**found, **shown})))
    return result


def without_words(shown: Any, key: str = "") -> Any:
    """Remove the texts that people read: rewording them changes nothing stored."""
    if isinstance(shown, dict):
        words = shown.keys() if key == "errors" else WORDS
        return {
            name: "<text>"
            if name in words and isinstance(value, str)
            else without_words(value, name)
            for name, value in shown.items()
        }
    if isinstance(shown, list):
        return [without_words(value, key) for value in shown]
    if key == "private_metadata" and isinstance(shown, str):  # the response_url has a random port
        return re.sub(r"http://\S+/response/\d+", "<response_url>", shown)
    return shown


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else datetime.fromisoformat(text).timestamp()


def differences(recorded: Any, now: Any, path: str = "") -> list[str]:
    """Return a line for each difference."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        keys = sorted({*recorded, *now})
        return [
            line
            for key in keys
            for line in differences(recorded.get(key), now.get(key), f"{path}.{key}")
        ]
    if isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        pairs = enumerate(zip(recorded, now, strict=True))
        return [line for at, (one, two) in pairs for line in differences(one, two, f"{path}[{at}]")]
    return [] if recorded == now else [f"{path}: was {recorded!r:.300}, is {now!r:.300}"]
