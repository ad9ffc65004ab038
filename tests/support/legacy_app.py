"""A database as the legacy app leaves it, with all that its versions were seen to write."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId
from bson.datetime_ms import DatetimeMS

from services.core.database import Mongo
from services.models.ticket import Status, parse_priority, parse_status

Document = dict[str, Any]

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)  # when the bot was installed beside it
OLD, NEW = SINCE - timedelta(days=400), SINCE + timedelta(hours=1)
PASSWORD = "correct horse"
# Of that password, at each cost and in each variant it was hashed with.
HASHES = {
    "2b10": "$2b$10$eHmxV7AxQ42AyM.QlaSo4elhkKzY5fpGjiG2jmIbcBADOE/.z8B6C",
    "2a10": "$2a$10$dV9tm.zM6HKwqeyPiu1eHeD8anAerVoG2jtwVwHiModah3H7ksXGC",
    "2b15": "$2b$15$Vl1dIf2VT2JNqLpvuRxm9O0JP6Clp0p7xl2PX1ImVEsjn027hzbA6",
}
YEAR_20260 = DatetimeMS(577_186_700_000_000)


def number(index: int, *, at: datetime = OLD) -> ObjectId:
    """An id as MongoDB makes them: it begins with the time."""
    return ObjectId(f"{int(at.timestamp()):08x}{index:016x}")


ADMIN, MODERATOR, SECOND, USER, GONE = (number(index) for index in (1, 2, 3, 4, 99))

USERS: list[Document] = [
    {
        "_id": ADMIN,
        "email": "boss@example.com",
        "password": HASHES["2b10"],
        "role": "admin",
        "skills": ["DNS", "Linux"],
        "createdAt": OLD,
        "__v": 0,
    },
    {
        "_id": MODERATOR,
        "email": "Mo.Derator@Example.COM",
        "password": HASHES["2a10"],
        "role": "moderator",
        "skills": ["VPN", "C++", "", "  printers "],
        "createdAt": OLD,
        "__v": 3,
        "department": {"name": "IT", "floor": 3},
        "avatar": "https://example.com/mo.png",
    },
    {
        "_id": SECOND,
        "email": " sec@example.com ",
        "password": HASHES["2b15"],
        "role": "moderator",
        "skills": "React",
        "__v": 0,
    },
    {"_id": USER, "email": "jo@example.com", "password": HASHES["2b10"], "__v": 0},
    {"_id": number(5), "email": "JO@example.com", "password": HASHES["2b10"], "role": "user"},
    {"_id": number(6), "email": "al@example.com", "password": HASHES["2b10"], "skills": None},
    {"_id": number(7), "email": "odd@example.com", "role": "superuser", "skills": [1, None, "X"]},
    {"_id": number(8), "email": "cap@example.com", "role": "Admin", "isVerified": False},
    {"_id": number(9), "email": None, "password": HASHES["2b10"], "role": "user"},
    {"_id": number(10), "role": "user", "name": {"first": "No", "last": "Address"}},
]


def _ticket(index: int, **fields: Any) -> Document:
    """As its library writes one; a field given as `...` is missing."""
    doc = {
        "_id": number(index, at=fields.pop("at", OLD)),
        "title": f"Legacy {index}",
        "description": "The VPN drops every hour.",
        "status": "TODO",
        "createdBy": USER,
        "assignedTo": None,
        "relatedSkills": [],
        "createdAt": OLD + timedelta(minutes=index),
        "__v": 0,
        **fields,
    }
    return {name: value for name, value in doc.items() if value is not ...}


LONG_TITLE = "A very long title. " * 27  # 513 characters
LONG_TEXT = "Every word of it counts. " * 800  # 20 kB
LONG_NOTES = "Look at https://example.com/vpn and restart. " * 1_200  # 54 kB

TICKETS: list[Document] = [
    _ticket(101),
    _ticket(102, status="IN_PROGRESS", assignedTo=MODERATOR, priority="high"),
    _ticket(103, status="COMPLETED", assignedTo=MODERATOR, helpfulNotes=LONG_NOTES),
    _ticket(104, status="WAITING", assignedTo=SECOND),
    _ticket(105, status="DONE", assignedTo=MODERATOR),
    _ticket(106, status="BANANA"),
    _ticket(107, status=None),
    _ticket(108, status="todo", priority="High"),
    _ticket(109, status="In Progress", assignedTo=MODERATOR, priority=" MEDIUM "),
    _ticket(110, status=..., createdAt=..., relatedSkills=..., assignedTo=...),
    _ticket(111, createdBy=GONE, assignedTo=GONE, status="IN_PROGRESS"),
    _ticket(112, createdBy=str(USER), assignedTo=str(MODERATOR), status="IN_PROGRESS"),
    _ticket(113, createdBy="jo", assignedTo="nobody"),
    _ticket(114, title=LONG_TITLE, description=LONG_TEXT, helpfulNotes=LONG_NOTES),
    _ticket(115, deadline=None, priority=None, relatedSkills=None, helpfulNotes=None),
    _ticket(116, deadline=OLD - timedelta(days=1), priority="P1"),
    _ticket(117, deadline=YEAR_20260),
    _ticket(118, title="", description=None),
    _ticket(119, title=..., description=...),
    _ticket(120, title=42, description={"html": "<b>Hi</b>"}, createdAt="2024-05-01"),
    _ticket(121, meta={"source": {"app": "web", "tags": ["a", {"b": 1}]}}, updatedAt=OLD, __v=12),
    _ticket(
        122,
        comments=[{"_id": number(500), "sender": USER, "content": "Any news?", "createdAt": OLD}],
        source="email",
        attachments=[{"url": "https://example.com/a.png"}],
    ),
    _ticket(123, relatedSkills="VPN", priority=["high"], status="IN_PROGRESS", assignedTo=SECOND),
    _ticket(124, title="$teamId <!channel> {{x}}", description="$$ROOT & <b>"),
    _ticket(125, relatedSkills=["VPN"], at=NEW, createdAt=NEW),
    _ticket(126, at=NEW, createdAt=NEW, status="IN_PROGRESS", assignedTo=MODERATOR),
    _ticket(127, at=NEW, createdAt=..., relatedSkills=["VPN"]),
    _ticket(128, at=NEW, createdAt=NEW, status="BANANA"),
]
# Unassigned tickets that are newer than the installation.
ENTERING = {number(125, at=NEW), number(127, at=NEW)}


def load_into(db: Mongo, *, team_id: str) -> None:
    """That database, on the day the bot was installed."""
    db.users.insert_many([dict(doc) for doc in USERS])
    db.tickets.insert_many([dict(doc) for doc in TICKETS])
    db.meta.insert_one({"_id": "installation", "teamId": team_id, "createdAt": SINCE})


def contents(db: Mongo) -> dict[ObjectId, Document]:
    """Every account and ticket as stored, by id."""
    return {doc["_id"]: doc for name in ("users", "tickets") for doc in db[name].find()}


def lost(
    before: dict[ObjectId, Document], after: dict[ObjectId, Document], may: frozenset[str]
) -> list[str]:
    """Every field of the legacy backend's that is not what it was, except those that may change.

    What adoption spells as we do is the same word, and a reference is the same as a text.
    """
    return [
        f"{_id} {name}: {value!r:.60} is now {after.get(_id, {}).get(name, ...)!r:.60}"
        for _id, doc in before.items()
        for name, value in doc.items()
        if name not in may and not _is_same(name, value, after.get(_id, {}).get(name, ...))
    ]


def _is_same(name: str, was: Any, now: Any) -> bool:
    if name == "status":
        return now in (was, parse_status(was) or Status.TODO)
    if name == "priority":
        return now in (was, parse_priority(was) or was)
    if name in ("createdBy", "assignedTo"):
        return str(was) == str(now)
    if name == "comments" and isinstance(now, list):  # ours come behind
        return bool(now[: len(was)] == was)
    return bool(was == now)
