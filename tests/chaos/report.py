"""Compare what users wrote with the database, and the database with what Slack shows."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from bson import ObjectId
from slack_sdk import WebClient

from bot.views.messages.digest import DIGEST_TITLE
from bot.views.text import DisplayPerson, display_person
from services.core.clock import utcnow
from services.core.database import Document
from services.linking.links import referenced_user_ids
from services.models.ticket import OPEN_STATUSES, Status, Ticket
from services.models.user import User
from services.outbox import pending
from services.outbox.deliveries import parse_delivery_key
from services.tickets.access import gets_messages
from tasks.notifications.comment_sync import comment_deliveries
from tasks.notifications.ticket_messages import build_message, build_notices
from tasks.queue.celery_app import celery
from tasks.queue.publisher import CeleryPublisher
from tasks.runtime import Runtime
from tests.chaos.faults import ALL_KINDS
from tests.chaos.leaks import BOUNDS
from tests.chaos.load import Ledger
from tests.chaos.old_program import OldProgram
from tests.chaos.stack import ChaosStack
from tests.conftest import build_services
from tests.support.canary import CANARY, STRANGERS
from tests.support.slack_workspace import TRIAGE

Json = dict[str, Any]
Place = tuple[str, str]  # channel and ts

MAX_DOUBLED_SHARE = 0.001
WORD = re.compile(r"w\d{6}x")
NUMBER = re.compile(r"[Tt]icket (\d+)")


class Report:
    """`failures` are the losses; `table` shows every figure."""

    def __init__(self, stack: ChaosStack, ledger: Ledger, *, staff: Sequence[User]) -> None:
        self._stack, self._ledger = stack, ledger
        self._staff = {user.id for user in staff}
        self._slack_ids: dict[ObjectId, str] = {}
        self.failures: list[str] = []
        self._rows: list[tuple[str, str]] = []
        self._settled = 0.0

    def wait_until_delivered(self, *, seconds: float) -> None:
        began = time.monotonic()
        while sum(self._outbox().values()) and time.monotonic() - began < seconds:
            time.sleep(1)
        self._settled = time.monotonic() - began

    def table(self) -> str:
        lines = ["| figure | value |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in self._rows]
        return "\n".join([*lines, "", *self.failures, "LOST" if self.failures else "Nothing lost."])

    def judge_faults(self, *, seconds: float) -> None:
        """Judge a run in which each kind of fault has to strike."""
        struck = self._stack.struck
        self._row("faults", f"{sum(struck.values())} in {seconds:.0f} s")
        missing = sorted(ALL_KINDS - struck.keys())
        self._count("kinds that did not strike", len(missing), fails=bool(missing), which=missing)
        self._row("processes that ended by themselves", _listed(self._stack.ended_by_themselves))
        failed = f"Slack {self._stack.slack.failed_calls}, Gemini {self._stack.gemini.failed_calls}"
        self._row("calls failed", failed)
        self.judge()
        self._leaks()
        for name in sorted(ALL_KINDS):
            self._row(name, str(struck[name]))

    def judge_restart(self, old: OldProgram, *, seconds: float) -> None:
        """Judge a run in which every process was replaced while users worked.

        A card of another program has that program's texts until its ticket changes: only counted.
        """
        self._row("rolling restart", f"from {old.description}, in {seconds:.0f} s")
        killed = self._stack.killed_in_restart
        self._row("processes that did not stop in time", _listed(killed))
        failed, attempts = self._ledger.failed_attempts, self._ledger.attempts
        self._row("failed actions in the restart",
                  f"{failed.total()} of {attempts.total()}: {_counted(failed)}")  # fmt: skip
        self.judge(cards_may_differ=not old.is_same)
        self._leaks()

    def judge(self, *, cards_may_differ: bool = False) -> None:
        docs = [doc for doc in self._stack.db.tickets.find() if CANARY not in doc["title"]]
        for doc in self._stack.db.users.find():
            self._slack_ids[doc["_id"]] = f"U{str(doc['_id'])[-8:].upper()}"
        messages = self._messages()
        self._tickets(docs)
        self._histories(docs)
        doubled = self._deliveries(docs, messages)
        doubled += self._comments(docs, messages)
        total = sum(map(len, messages.values())) + len(docs)
        self._count("doubled in all", doubled, of=total, fails=doubled > MAX_DOUBLED_SHARE * total)
        self._cards(docs, messages, may_differ=cards_may_differ)
        self._strangers(messages)
        self._outbox_left()
        self._times(docs)
        self._users()

    # Tickets

    def _tickets(self, docs: list[Document]) -> None:
        found = Counter(word for doc in docs for word in WORD.findall(doc["title"]))
        numbers = {doc["number"] for doc in docs}
        filed = self._ledger.filed
        lost = sorted(word for word, number in filed.items() if number not in numbers)
        asked = self._ledger.asked
        lost += sorted(filed.keys() - found.keys() - set(lost))
        # What someone writes soon after another message goes to the description of its ticket.
        texts = [f"{doc['title']} {doc['description']} {doc.get('comments')}" for doc in docs]
        lost += sorted(asked - set(WORD.findall(" ".join(texts))))
        doubled = {word: count for word, count in found.items() if count > 1}
        self._row("tickets acknowledged", f"{len(filed)}, and {len(asked)} in request channels")
        unknown = found.keys() - filed.keys() - asked
        self._row("tickets stored and not acknowledged", str(len(unknown)))
        self._count("tickets lost", len(lost), fails=bool(lost), which=lost)
        self._count("tickets doubled", len(doubled), fails=bool(doubled), which=sorted(doubled))
        gaps = max(numbers, default=STRANGERS) - len(numbers) - STRANGERS
        self._row("ticket numbers not used", str(gaps))
        unassigned = Counter(_why_unassigned(doc) for doc in docs if not doc.get("assignedTo"))
        self._row("unassigned", _counted(unassigned))

    def _histories(self, docs: list[Document]) -> None:
        wrong, gaps = [], 0
        for doc in docs:
            numbers = [event["seq"] for event in doc["events"]]
            if numbers != sorted(set(numbers)) or numbers[-1] > doc["seq"]:
                wrong.append(doc["number"])
            gaps += doc["seq"] - len(numbers)
        self._count("histories with a repeated `seq`", len(wrong), fails=bool(wrong), which=wrong)
        self._row("gaps in `seq`", str(gaps))

    # Messages

    def _messages(self) -> dict[str, dict[str, Json]]:
        """Return the bot's messages by channel and `ts`."""
        stored = self._stack.slack.workspace.messages
        return {
            channel: {message["ts"]: message for message in found if "bot_id" in message}
            for channel, found in stored.items()
        }

    def _deliveries(self, docs: list[Document], messages: Mapping[str, dict[str, Json]]) -> int:
        missing: Counter[str] = Counter()
        details = []
        for doc in docs:
            for kind in self._undelivered(doc, messages):
                missing[kind] += 1
                details.append(f"ticket {doc['number']}: {kind}")
        sent = Counter(
            _kind(d) for doc in docs for d in doc.get("notices", ()) if d["state"] == "sent"
        )
        self._row("deliveries", _counted(sent))
        count = sum(missing.values())
        self._row("deliveries missing", _counted(missing))
        self._fail("deliveries missing", count, details)
        doubled = Counter(self._unrecorded(docs, messages))
        self._row("deliveries doubled", _counted(doubled))
        return sum(doubled.values())

    def _undelivered(self, doc: Document, messages: Mapping[str, dict[str, Json]]) -> Iterator[str]:
        """Yield what is due by the product's rules or by the ticket's state, and was not sent."""
        states = {delivery["key"]: delivery["state"] for delivery in doc.get("notices", ())}
        for key in self._due_keys(Ticket.from_doc(doc)):
            if states.get(key) != "sent":
                yield f"{parse_delivery_key(key)[1]} ({states.get(key, 'never sent')})"
        for delivery in doc.get("notices", ()):
            if "ts" in delivery and delivery["ts"] not in messages.get(delivery["channel"], {}):
                yield f"{_kind(delivery)} (not in Slack)"
        sent = {parse_delivery_key(key)[1:] for key in states}
        yield from (f"{kind} (forgotten)" for kind, _ in sorted(_people_concerned(doc) - sent))

    def _due_keys(self, ticket: Ticket) -> set[str]:
        """Return the deliveries that the product's own rules call for."""
        notices = build_notices(ticket, people=lambda _: DisplayPerson(""))
        comments = comment_deliveries(
            ticket,
            ticket.cards,
            is_staff=self._staff.__contains__,
            takes_part=partial(gets_messages, ticket),
        )
        return {each.key for each in notices} | {
            each.key for each in comments if not each.comment.deleted
        }

    def _unrecorded(
        self, docs: list[Document], messages: Mapping[str, dict[str, Json]]
    ) -> Iterator[str]:
        """Yield the kind of each message that no outbox knows: another one was sent for it."""
        known, repeated = self._recorded(docs)
        for channel, found in messages.items():
            # No outbox stores where a digest is; each reader gets one a day.
            digests = [ts for ts, m in found.items() if m["text"].startswith(DIGEST_TITLE)]
            for ts, message in found.items():
                if (channel, ts) not in known and ts not in digests[:1]:
                    number = NUMBER.search(message["text"])
                    place = channel, number[1] if number else ""
                    yield repeated.get(place, f"unknown: {message['text'][:60]}")

    def _recorded(self, docs: list[Document]) -> tuple[set[Place], dict[Place, str]]:
        """Return where every recorded message is, and the kind of what took several attempts by
        channel and ticket number."""
        sent = [(doc, each) for doc in docs for each in doc.get("notices", ()) if "ts" in each]
        known = {(each["channel"], each["ts"]) for _, each in sent}
        db = self._stack.db
        replies = db.replies.find({"ts": {"$exists": True}})
        known |= {(reply["channel"], reply["ts"]) for reply in replies}
        reminders = db.nudges.find({"shown": {"$exists": True}})
        known |= {(each["shown"]["channel"], each["shown"]["ts"]) for each in reminders}
        repeated = {
            (each["channel"], str(doc["number"])): _kind(each)
            for doc, each in sent
            if each.get("tries", 1) > 1
        }
        return known, repeated

    # Comments

    def _comments(self, docs: list[Document], messages: Mapping[str, dict[str, Json]]) -> int:
        words = [
            w for doc in docs for c in doc.get("comments", ()) for w in WORD.findall(c["text"])
        ]
        found = Counter(words)
        written = self._ledger.comments
        lost = [f"{each.word} ({each.how})" for each in written if not found[each.word]]
        doubled = [word for word, count in found.items() if count > 1]
        self._row("comments and notes written", str(len(written)))
        self._count("comments lost", len(lost), fails=bool(lost), which=lost)
        self._count("comments doubled", len(doubled), fails=bool(doubled), which=doubled)
        shown = _words_by_channel(messages)
        unread = list(self._unread(docs, shown))
        self._count("comments not delivered", len(unread), fails=bool(unread), which=unread)
        stored = " ".join(str(doc) for doc in docs)
        inputs = self._ledger.inputs
        gone = [f"{each.word} ({each.how})" for each in inputs if each.word not in stored]
        self._row("questions and resolutions acknowledged", str(len(inputs)))
        self._count("of these lost", len(gone), fails=bool(gone), which=gone)
        return len(doubled)

    def _unread(self, docs: list[Document], shown: Mapping[str, Counter[str]]) -> Iterator[str]:
        """Yield the comments that the requester or the assignee should have been sent."""
        ledger = self._ledger
        how = {each.word: each.how for each in (*ledger.comments, *ledger.inputs)}
        for doc in docs:
            events = doc["events"]
            assigned = max((e["seq"] for e in events if e["type"] == "assigned"), default=0)
            seqs = {e.get("to"): e["seq"] for e in events if e["type"] in ("commented", "noted")}
            for comment in doc.get("comments", ()):
                readers = set() if comment["internal"] else {doc["createdBy"]}
                if seqs.get(comment["id"], 0) > assigned and doc.get("assignedTo"):
                    readers.add(doc["assignedTo"])
                for reader in readers - {comment["by"]}:
                    channel = self._place(reader, doc)
                    is_there = (comment.get("slack") or {}).get("channel") == channel
                    for word in WORD.findall(comment["text"]):
                        if not is_there and not shown[channel][word]:
                            yield f"{word} ({how.get(word)}) of ticket {doc['number']}"

    def _place(self, reader: ObjectId, doc: Document) -> str:
        """Return the channel in which the requester or the assignee reads comments."""
        own = _requester_place(doc) if reader == doc["createdBy"] else ""
        return own or f"D{self._slack_ids[reader][1:]}"

    # Cards

    def _cards(
        self, docs: list[Document], messages: Mapping[str, dict[str, Json]], *, may_differ: bool
    ) -> None:
        services = build_services(self._stack.db, REDIS_URL=self._stack.redis.url)
        runtime = Runtime(services, slack=WebClient(), publisher=CeleryPublisher(celery))
        different = []
        count = 0
        for doc in docs:
            ticket = Ticket.from_doc(doc)
            ids = referenced_user_ids(ticket)
            ids |= {card.recipient for card in ticket.cards if isinstance(card.recipient, ObjectId)}
            directory = runtime.people([ticket], ids)
            for card in ticket.cards:
                count += 1
                wanted = build_message(
                    card.kind,
                    ticket,
                    partial(display_person, directory),
                    recipient=card.recipient,
                )
                shown = messages.get(card.channel, {}).get(card.ts)
                if shown is None or (shown["text"], shown["blocks"]) != (
                    wanted.text,
                    [*wanted.blocks],
                ):
                    different.append(f"ticket {doc['number']}: {card.kind}")
        self._count(
            "cards that differ",
            len(different),
            of=count,
            fails=bool(different) and not may_differ,
            which=different,
        )

    # Private tickets

    def _strangers(self, messages: Mapping[str, dict[str, Json]]) -> None:
        """Look for the private tickets of people who are not in this Slack."""
        shown = [
            f"{channel} {ts}"
            for channel, found in messages.items()
            for ts, message in found.items()
            if CANARY in f"{message['text']} {message['blocks']}"
        ]
        shown += ["in a log"] if CANARY in self._stack.logs() else []
        self._count("words of others' private tickets", len(shown), fails=bool(shown), which=shown)

    # Outboxes and times

    def _outbox(self) -> dict[str, int]:
        db = self._stack.db
        return {
            "tickets": db.tickets.count_documents({"outbox": True, "assignedTo": {"$ne": None}}),
            "unassigned": db.tickets.count_documents(
                {"outbox": True, "assignedTo": None, "assignment.next": None}
            ),
            "answers": db.replies.count_documents({"state": "waiting"}),
            "reminders": db.nudges.count_documents({"at": {"$exists": True}}),
            "emails": db.emails.count_documents({"state": "waiting"}),
        }

    def _outbox_left(self) -> None:
        left = {name: count for name, count in self._outbox().items() if count}
        late = [*map(str, left.items()), *self._late_tickets()]
        self._count("outbox left", sum(left.values()), fails=bool(left), which=late)
        self._row("wait for the outbox", f"{self._settled:.0f} s")

    def _late_tickets(self) -> Iterator[str]:
        """Yield what the outbox says of the tickets in it, and if the sweep finds them."""
        db, now = self._stack.db, utcnow()
        due = pending.due_tickets(db, now=now, limit=1_000)
        for doc in db.tickets.find({"outbox": True}, ["number", "nextTryAt", "attempts", "aside"]):
            state = {name: str(value) for name, value in doc.items()}
            yield f"{state} at {now}, {'due' if doc['_id'] in due else 'not due'}"

    def _times(self, docs: list[Document]) -> None:
        seconds = sorted(
            (assigned["at"] - doc["createdAt"]).total_seconds()
            for doc in docs
            for assigned in [e for e in doc["events"] if e["type"] == "assigned"][:1]
        )
        if seconds:
            middle, late = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
            self._row("filed to assigned, p50 / p99", f"{middle:.1f} s / {late:.1f} s")

    def _users(self) -> None:
        self._row("acknowledged actions", _counted(self._ledger.done))
        self._row("users gave up", _counted(self._ledger.given_up))
        refused = Counter(f"{r.method}: {r.violations[0]}" for r in self._stack.slack.refused)
        self._row("calls that no Slack takes", _counted(refused))
        faults = self._ledger.faults
        self._count("errors of the load itself", len(faults), fails=bool(faults), which=faults)

    def _leaks(self) -> None:
        for measure, grown in self._stack.leaks.growth().items():
            bound = BOUNDS[measure]
            self._row(f"growth of {measure}, {bound} allowed", _counted(grown))
            leaking = [f"{name} {more}" for name, more in grown.items() if more > bound]
            self._fail(f"growth of {measure}", len(leaking), leaking)

    def _row(self, name: str, value: str) -> None:
        self._rows.append((name, value))

    def _count(
        self,
        name: str,
        count: int,
        *,
        of: int | None = None,
        fails: bool,
        which: Sequence[object] = (),
    ) -> None:
        self._row(name, str(count) if of is None else f"{count} of {of}")
        if fails:
            self._fail(name, count, which)

    def _fail(self, name: str, count: int, which: Sequence[object]) -> None:
        if count:
            self.failures.append(f"{name}: {count} {_listed([str(each) for each in which[:10]])}")


def _people_concerned(doc: Document) -> set[tuple[str, str]]:
    """Return the kinds of message that the ticket's state calls for, each with its reader.

    Not by the product's rules, so that a reader whom those forget is missed here.
    """
    requester, assignee = _requester_place(doc) or str(doc["createdBy"]), doc.get("assignedTo")
    assigned = [event for event in doc["events"] if event["type"] == "assigned"]
    if assigned and assigned[-1]["by"] == assignee:
        assignee = None  # who took it gets no card
    concerned = {("line" if _requester_place(doc) else "requester", requester)}
    if doc["status"] in OPEN_STATUSES:
        concerned |= {("triage", TRIAGE)} | ({("assignee", str(assignee))} if assignee else set())
    if doc["status"] == Status.WAITING:
        concerned.add(("question", requester))
    changes = [event for event in doc["events"] if event.get("field") == "status"]
    if changes and changes[-1]["type"] == "resolved" and changes[-1]["by"] != doc["createdBy"]:
        concerned.add(("resolved", requester))
    return concerned


def _requester_place(doc: Document) -> str:
    """Return the channel in which the requester reads of the ticket; "" is in direct messages."""
    source = doc.get("source") or {}
    return str(source["channel"]) if source.get("conversation") else ""


def _kind(delivery: Mapping[str, Any]) -> str:
    return str(delivery["key"]).split(":")[1]


def _why_unassigned(doc: Document) -> str:
    events = [e["type"] for e in doc["events"]]
    assigned = events.count("assigned")
    tried = "no candidate" if "nobody_available" in events else "never tried"
    return f"{doc['status']}, {tried}, assigned {assigned} times before"


def _words_by_channel(messages: Mapping[str, dict[str, Json]]) -> Mapping[str, Counter[str]]:
    shown: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for channel, found in messages.items():
        for message in found.values():
            text = f"{message['text']} {message['blocks']}"
            shown[channel].update(set(WORD.findall(text)))
    return shown


def _listed(found: Sequence[str]) -> str:
    return "; ".join(found) or "none"


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items())) or "none"
