"""Every method of the services over the predecessor's documents: none loses what it did not come
to change. The table has all of them, so that a new one is not forgotten."""

import importlib
import inspect
import pkgutil
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from bson import ObjectId

import services
from demo.servers import MongoServer
from services import (
    accounts,
    analyses,
    changes,
    corrections,
    handing_back,
    legacy,
    link_states,
    notices,
    outbox,
    outside,
    people,
    queue_places,
    roll,
    set_aside,
    similar,
    unlinking,
    waiting,
    walk,
)
from services.account_services import build
from services.alarm_steps import AlarmSteps
from services.analysis import Analysis, Source
from services.answering import Answering
from services.assigning import AssignmentStore
from services.assignment import Choice
from services.availability import AvailabilityService, Wanted
from services.changes import EventType, NewEvent
from services.codes import CodeKind
from services.comment import Place
from services.comments import CommentService
from services.database import Mongo, connect, ensure_indexes
from services.digest_counts import DigestCounts
from services.digests import Digest, Digests, DigestSwitch
from services.dry_run import ExplainService
from services.edits import TicketEdits
from services.errors import DomainError
from services.following import Following
from services.handing_on import HandingOn
from services.handover import Decision, HandOvers, Offer
from services.home import HomeService
from services.leaving import Leaving
from services.lifecycle import Step, glance
from services.link_states import Gone
from services.linking import Linking
from services.links import LinkService, SlackMember, link_id
from services.listing import TicketLists
from services.lists import ListService
from services.message_tickets import check_unused
from services.model_store import ModelStore
from services.models import Card, Document, Priority, Role, Ticket, User
from services.moves import TicketMoves
from services.patches import Patches
from services.people import PeopleService, PersonFields
from services.permissions import OPERATOR, Actor
from services.presence import Member, Status
from services.presences import Presences
from services.reasons import Reason
from services.selection import ListKind, Selection
from services.shortlist import Shortlist
from services.sources import checked_source
from services.staff import Staff
from services.takeout import Takeout
from services.threads import Threads
from services.ticket_counts import count_tickets
from services.ticket_pages import TicketPages
from services.tickets import TicketService, load
from services.training import Training
from services.unlinking import Unlinking
from services.users import UserService
from services.visits import Screen, VisitService
from tests import predecessor
from tests.conftest import CHEAP, JWT_SECRET, NOBODY_LISTENS
from tests.predecessor import ADMIN, MODERATOR, NEW, PASSWORD, SECOND, TICKETS, USER, USERS
from tests.slack_workspace import TEAM_ID, TEAM_URL

NO_REDIS = NOBODY_LISTENS.replace("mongodb", "redis")
BOSS, MO, JO = Actor(ADMIN, Role.ADMIN), Actor(MODERATOR, Role.MODERATOR), Actor(USER, Role.USER)
SLACK_ID, PLACE = "U0MO", Place("D0MO", "1.000001")
LINK = link_id(TEAM_ID, SLACK_ID)
MO_ADDRESS = "mo.derator@example.com"
# They touch neither accounts nor tickets.
ELSEWHERE = frozenset(
    {
        "account_services",
        "admins",
        "codes",
        "counters",
        "database",
        "gates",
        "inbox",
        "job_runs",
        "leases",
        "letters",
        "link_tries",
        "model_store",
        "nudges",
        "office",
        "targets",
        "team_settings",
        "rules",
        "presence_rules",
        "pauses",
        "kept",
        "team",
        "user_commands",
    }
)


class World:
    """The services, as they are made for a request."""

    def __init__(self, db: Mongo) -> None:
        self.db = db
        self.now = NEW + timedelta(hours=1)
        self.users = UserService(db, clock=self.clock)
        self.links = LinkService(db, self.users, clock=self.clock)
        self.moves = TicketMoves(db, self.users, clock=self.clock)
        self.edits = TicketEdits(db, self.users, self.links, clock=self.clock)
        self.tickets = TicketService(db, clock=self.clock)
        self.comments = CommentService(db, clock=self.clock)
        self.store = AssignmentStore(db, self.links)
        self.lists = ListService(db, self.users, self.links, clock=self.clock)
        self.home = HomeService(db, self.users, self.links, clock=self.clock)
        self.people = PeopleService(db, clock=self.clock)
        self.visits = VisitService(db, clock=self.clock)
        self.availability = AvailabilityService(db, clock=self.clock)
        self.handovers = HandOvers(db, clock=self.clock)
        self.presences = Presences(db, clock=self.clock)
        self.staff = Staff(db, self.links)
        self.accounts = build(
            db, self.users, secret=JWT_SECRET, redis_url=NO_REDIS, clock=self.clock, cost=CHEAP
        )
        letters, codes = self.accounts.letters, self.accounts.codes
        self.linking = Linking(db, self.users, self.links, codes, letters, clock=self.clock)
        self.unlinking = Unlinking(db, self.users, self.links, letters, clock=self.clock)
        self.following = Following(db, self.users, codes, clock=self.clock)

    def clock(self) -> datetime:
        return self.now

    def ticket(self, ticket_id: ObjectId) -> Ticket:
        ticket = load(self.db, str(ticket_id))
        assert ticket is not None
        return ticket

    def user(self, user_id: ObjectId) -> User:
        user = self.users.get(user_id)
        assert user is not None
        return user

    def doc(self, user_id: ObjectId) -> Document:
        doc = self.db.users.find_one({"_id": user_id})
        assert doc is not None
        return doc

    @cached_property
    def link(self) -> Document:
        return {"_id": LINK, "teamId": TEAM_ID, "slackUserId": SLACK_ID, "userId": MODERATOR}

    def member(self, **fields: Any) -> SlackMember:
        known = SlackMember(TEAM_ID, SLACK_ID, TEAM_ID, MO_ADDRESS, email_confirmed=True)
        return replace(known, **fields)


OfTicket = Callable[[World, ObjectId], Any]
OfAll = Callable[[World], Any]


@dataclass(frozen=True)
class Entry:
    """`may` are the fields that the call is for."""

    run: OfAll
    may: frozenset[str]


def each(call: OfTicket, *may: str) -> Entry:
    """For every ticket. What the state of one does not allow is refused; not all of them are."""

    def run(world: World) -> None:
        done = 0
        for doc in TICKETS:
            with suppress(DomainError):
                call(world, doc["_id"])
                done += 1
        assert done

    return Entry(run, frozenset(may))


def once(call: OfAll, *may: str) -> Entry:
    return Entry(call, frozenset(may))


def move(name: str, *may: str, actor: Actor = BOSS, **fields: Any) -> Entry:
    def call(world: World, ticket_id: ObjectId) -> Any:
        step = getattr(world.moves, name)
        return step(actor=actor, ticket_id=str(ticket_id), **fields)

    return each(call, *may)


def notice(name: str, *args: Any, **fields: Any) -> Entry:
    def call(world: World, ticket_id: ObjectId) -> None:
        if name != "claim":
            notices.claim(world.db, ticket_id, "1:requester:x", now=world.now)
        getattr(notices, name)(world.db, ticket_id, *args, **fields)

    return each(call)


CARD = Card("requester", USER, "D0MO", "1.5", seq=1, digest="d")
ON_HOLIDAY = Member(Status(text="On holiday", emoji=":palm_tree:"), "Asia/Tokyo")
ANALYSIS = Analysis(
    summary="No tunnel.",
    priority=Priority.LOW,
    related_skills=("VPN",),
    helpful_notes="Look.",
    confidence=0.9,
    source=Source.ROUTER,
)
CHOICE = Choice(MODERATOR, Reason.SKILLS, "knows VPN", 1.0, {})
GROUNDS = frozenset({"status", "assignedTo"})
FOUND = ("priority", "helpfulNotes", "relatedSkills")


def said(world: World, ticket_id: ObjectId) -> str:
    """A comment of the moderator's, in a thread."""
    world.comments.add(actor=MO, ticket_id=str(ticket_id), text="Hello", slack=PLACE)
    return str(ticket_id)


def linked(world: World) -> bool:
    return world.db.links.insert_one(dict(world.link)).acknowledged


def stopped(world: World) -> None:
    linked(world)
    link_states.stop(world.db, world.link, Gone.GUEST, now=world.now)


def resumed(world: World) -> None:
    stopped(world)
    link_states.resume(world.db, world.link, now=world.now)


def watched(world: World) -> int:
    linked(world)
    return world.visits.go_to(LINK, screen=Screen())


def forgotten(world: World) -> None:
    watched(world)
    world.visits.ask_for_refresh(LINK, within=timedelta(seconds=1))
    visit = world.visits.take_refresh(LINK)
    assert visit is not None
    world.visits.forget_hash(visit)


def saved(world: World, **fields: str) -> User:
    shown = PersonFields.of(world.user(MODERATOR))
    wanted = replace(shown, **fields)
    return world.people.update(actor=BOSS, user_id=str(MODERATOR), shown=shown, wanted=wanted)


def reset(world: World) -> User:
    code = world.accounts.codes.issue(kind=CodeKind.RESET, user_id=MODERATOR)
    return world.accounts.resets.reset(code=code, password="another horse")


def offered(world: World) -> str:
    code = world.accounts.codes.issue(kind=CodeKind.LINK, user_id=MODERATOR)
    return world.linking.offer(member=world.member(), code=code).name


def unlinked(world: World) -> None:
    linked(world)
    world.unlinking.unlink(actor=MO, team_id=TEAM_ID, slack_user_id=SLACK_ID)


def corrected(world: World, ticket_id: ObjectId) -> None:
    moved = world.moves.reassign(actor=BOSS, ticket_id=str(ticket_id), assignee_id=str(SECOND))
    corrections.keep(world.db, moved, now=world.now)


def handing_on(world: World) -> HandingOn:
    models = ModelStore(world.db, clock=world.clock)
    return HandingOn(world.db, world.users, world.links, world.moves, models, clock=world.clock)


def large(world: World) -> Shortlist:
    """As where there are more moderators than are all read for a ticket."""
    made = Shortlist(world.db)
    made.found_large(world.now)
    return made


def dry(world: World) -> ExplainService:
    models = ModelStore(world.db, clock=world.clock)
    return ExplainService(world.db, world.users, world.links, models, clock=world.clock)


def alarms(world: World) -> AlarmSteps:
    return AlarmSteps(world.db, world.store, lambda _: {}, has_triage=True, clock=world.clock)


def answering(world: World) -> Answering:
    return Answering(world.db, world.moves, world.comments, clock=world.clock)


def morning(world: World) -> Digests:
    """A Tuesday's, at nine."""
    world.now = datetime(2037, 3, 3, 9, tzinfo=UTC)
    return Digests(world.db, clock=world.clock)


def digest(world: World) -> Digest:
    filed(world)
    digests = morning(world)
    found = [digests.claim(account) for account in digests.due()]
    return next(digest for digest in found if digest)


def away(world: World) -> User:
    """The moderator is, for long enough that somebody may have to take over."""
    until = world.now + timedelta(days=9)
    return world.availability.change(actor=MO, wanted=Wanted(is_away=True, away_until=until))


def offer(world: World) -> Offer:
    away(world)
    found = world.handovers.claim_next()
    assert found is not None
    return found


def decided(world: World) -> Decision | None:
    key = offer(world).key
    return world.handovers.decide(actor=MO, user_id=str(MODERATOR), key=key, hand_over=True)


def edited(**fields: Any) -> OfTicket:
    def call(world: World, ticket_id: ObjectId) -> Ticket:
        seen = world.ticket(ticket_id).seq
        return world.edits.update(
            actor=BOSS, ticket_id=str(ticket_id), seen_seq=seen, changes=fields
        )

    return call


SAID = checked_source(team_url=TEAM_URL, channel="C0X", ts="1.000001")


def filed(world: World) -> None:
    world.tickets.create(
        actor=JO, team_id=TEAM_ID, request_id="V1", title="New", description="Words."
    )


TABLE: Mapping[str, Entry] = {
    "accounts.store": once(
        lambda w: accounts.store(w.db, w.doc(MODERATOR), {"role": "user"}, by=ADMIN, now=w.now),
        "role",
    ),
    "alarm_steps.AlarmSteps.due": once(lambda w: alarms(w).due()),
    "alarm_steps.AlarmSteps.set_aside": each(
        lambda w, t: alarms(w).set_aside(w.ticket(t), OverflowError())
    ),
    "alarm_steps.AlarmSteps.take": each(lambda w, t: alarms(w).take(w.ticket(t)), *GROUNDS),
    "analyses.store_analysis": each(
        lambda w, t: analyses.store_analysis(w.db, w.ticket(t), ANALYSIS, now=w.now), *FOUND
    ),
    "answering.Answering.solved": each(
        lambda w, t: answering(w).solved(actor=JO, ticket_id=str(t)), *GROUNDS
    ),
    "answering.Answering.still": each(
        lambda w, t: answering(w).still(actor=JO, ticket_id=str(t), key="V1"), *GROUNDS
    ),
    "assigning.AssignmentStore.claim": each(lambda w, t: w.store.claim(t, now=w.now)),
    "assigning.AssignmentStore.release": each(lambda w, t: w.store.release(t)),
    "assigning.AssignmentStore.store_analysis": each(
        lambda w, t: w.store.store_analysis(w.ticket(t), ANALYSIS, now=w.now), *FOUND
    ),
    "assigning.AssignmentStore.candidates": once(
        lambda w: w.store.candidates(team_id=TEAM_ID, now=w.now)
    ),
    "assigning.AssignmentStore.choose": each(
        lambda w, t: w.store.choose(w.ticket(t), now=w.now, history={MODERATOR: 1.0})
    ),
    "assigning.AssignmentStore.weigh": each(
        lambda w, t: w.store.weigh(w.ticket(t), now=w.now, history={MODERATOR: 1.0})
    ),
    "assigning.AssignmentStore.assign": each(
        lambda w, t: w.store.assign(w.ticket(t), CHOICE, source=Source.ROUTER, now=w.now),
        *GROUNDS,
    ),
    "assigning.AssignmentStore.was_chosen": once(lambda w: w.store.was_chosen(CHOICE, now=w.now)),
    "assigning.AssignmentStore.park": each(lambda w, t: w.store.park(w.ticket(t), now=w.now)),
    "availability.AvailabilityService.look": once(
        lambda w: [w.availability.look(actor=BOSS, user_id=str(doc["_id"])) for doc in USERS]
    ),
    "availability.AvailabilityService.change": once(away),
    "changes.apply": each(
        lambda w, t: changes.apply(
            w.db,
            w.ticket(t),
            values={"title": "Another"},
            events=[NewEvent(EventType.EDITED, by=ADMIN, field="title", to="Another")],
            now=w.now,
        ),
        "title",
    ),
    "comments.CommentService.ready": each(
        lambda w, t: w.comments.ready(actor=JO, ticket_id=str(t), internal=False)
    ),
    "comments.CommentService.add": each(said),
    "comments.CommentService.edit": each(
        lambda w, t: w.comments.edit(
            actor=MO, ticket_id=said(w, t), slack=PLACE, text="Hello again"
        )
    ),
    "comments.CommentService.delete": each(
        lambda w, t: w.comments.delete(ticket_id=said(w, t), slack=PLACE)
    ),
    "corrections.keep": each(corrected, *GROUNDS),
    "corrections.net_effects": once(
        lambda w: corrections.net_effects(w.db, skills=["VPN"], now=w.now)
    ),
    "corrections.of_ticket": each(lambda w, t: corrections.of_ticket(w.db, t)),
    "dry_run.ExplainService.look": each(
        lambda w, t: dry(w).look(actor=BOSS, ticket_id=str(t), most=1)
    ),
    "dry_run.ExplainService.find": each(lambda w, t: dry(w).find(actor=OPERATOR, called=str(t))),
    "digest_counts.DigestCounts.own": once(
        lambda w: [DigestCounts(w.db, now=w.now).own(doc["_id"]) for doc in USERS]
    ),
    "digest_counts.DigestCounts.queue": once(lambda w: DigestCounts(w.db, now=w.now).queue()),
    "digest_counts.DigestCounts.lately": once(
        lambda w: DigestCounts(w.db, now=w.now).lately(w.now - timedelta(days=1), w.now)
    ),
    "digests.DigestSwitch.turn": once(lambda w: DigestSwitch(w.db).turn(actor=MO, on=True)),
    "digests.Digests.has_due": once(lambda w: morning(w).has_due()),
    "digests.Digests.due": once(lambda w: morning(w).due()),
    "digests.Digests.claim": once(digest),
    "digests.Digests.set_aside": once(
        lambda w: morning(w).set_aside(morning(w).due()[0], OverflowError())
    ),
    "digests.Digests.done": once(lambda w: morning(w).done(digest(w))),
    "digests.Digests.later": once(lambda w: morning(w).later(digest(w), wait=timedelta(1))),
    "edits.TicketEdits.open": each(
        lambda w, t: w.edits.open(actor=MO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "edits.TicketEdits.assignees": each(
        lambda w, t: w.edits.assignees(actor=MO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "edits.TicketEdits.team_skills": once(lambda w: w.edits.team_skills(actor=MO)),
    "edits.TicketEdits.update": each(
        edited(title="Another", priority="urgent", helpfulNotes=None),
        "title",
        "priority",
        "helpfulNotes",
    ),
    "following.Following.concerns": once(
        lambda w: (linked(w), w.following.concerns(member=w.member()))
    ),
    "following.Following.follow": once(
        lambda w: (linked(w), w.following.follow(member=w.member(is_deleted=True))), *GROUNDS
    ),
    "handing_back.due": once(lambda w: handing_back.due(w.db, now=w.now)),
    "handing_back.hand_back_some": once(
        lambda w: (
            saved(w, active="deactivated"),
            handing_back.hand_back_some(w.db, MODERATOR, now=w.now),
        ),
        "active",
        *GROUNDS,
    ),
    "handover.HandOvers.has_due": once(lambda w: (away(w), w.handovers.has_due())),
    "handover.HandOvers.claim_next": once(offer),
    "handover.HandOvers.sent": once(lambda w: w.handovers.sent(offer(w), channel="D0X", ts="1.5")),
    "handover.HandOvers.fail": once(lambda w: w.handovers.fail(offer(w), error="is_bot")),
    "handover.HandOvers.later": once(lambda w: w.handovers.later(offer(w))),
    "handover.HandOvers.decide": once(decided, *GROUNDS),
    "handing_on.HandingOn.others": each(
        lambda w, t: handing_on(w).others(actor=BOSS, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "handing_on.HandingOn.not_mine": each(
        lambda w, t: handing_on(w).not_mine(actor=MO, ticket_id=str(t)), *GROUNDS, *FOUND
    ),
    "home.HomeService.look": each(
        lambda w, t: w.home.look(actor=BOSS, team_id=TEAM_ID, screen=Screen(ticket_id=t))
    ),
    "home.HomeService.page": each(
        lambda w, t: w.home.page(actor=JO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "home.HomeService.look_again": once(
        lambda w: w.home.look_again(actor=JO, team_id=TEAM_ID, screen=Screen())
    ),
    "leaving.Leaving.erase": once(
        lambda w: Leaving(w.db, w.users, clock=w.clock).erase(actor=OPERATOR, email=MO_ADDRESS),
        *{name for doc in USERS for name in doc} - {"_id", "createdAt", "__v"},
        *GROUNDS,
    ),
    "legacy.adopted": each(lambda w, t: legacy.adopted(w.db, _raw(w, t), now=w.now)),
    "legacy.adopt_some": once(lambda w: legacy.adopt_some(w.db, now=w.now)),
    "link_states.stop": once(stopped),
    "link_states.resume": once(resumed),
    "link_states.call_off": once(lambda w: link_states.call_off(w.db, w.link, now=w.now)),
    "linking.Linking.by_address": once(
        lambda w: w.linking.by_address(team_id=TEAM_ID, slack_user_id=SLACK_ID)
    ),
    "linking.Linking.claim_address": once(
        lambda w: refused(lambda: w.linking.claim_address(member=w.member()))
    ),
    "linking.Linking.offer": once(offered),
    "linking.Linking.confirm": once(
        lambda w: w.linking.confirm(member=w.member(), name=offered(w))
    ),
    "links.LinkService.find": once(
        lambda w: (linked(w), w.links.find(team_id=TEAM_ID, slack_user_id=SLACK_ID))
    ),
    "links.LinkService.admit": once(lambda w: refused(lambda: w.links.admit(w.member()))),
    "links.LinkService.slack_ids": once(
        lambda w: w.links.slack_ids(team_id=TEAM_ID, user_ids={MODERATOR})
    ),
    "listing.TicketLists.page": once(
        lambda w: [
            TicketLists(w.db).page(actor=BOSS, selection=Selection(kind)) for kind in ListKind
        ]
    ),
    "lists.ListService.look": once(
        lambda w: [
            w.lists.look(actor=BOSS, team_id=TEAM_ID, selection=Selection(kind))
            for kind in ListKind
        ]
    ),
    "lists.ListService.assignees": once(lambda w: w.lists.assignees(actor=BOSS)),
    "lists.ListService.skills": once(lambda w: w.lists.skills(actor=BOSS)),
    "message_tickets.check_unused": once(
        lambda w: check_unused(w.db, actor=JO, team_id=TEAM_ID, source=SAID)
    ),
    "moves.TicketMoves.ready": move("ready", step=Step.RESOLVE),
    "moves.TicketMoves.check": each(
        lambda w, t: w.moves.check(BOSS, w.ticket(t), Step.RESOLVE, seen=glance(w.ticket(t)))
    ),
    "moves.TicketMoves.accept": move("accept", actor=MO),
    "moves.TicketMoves.take": move("take", *GROUNDS),
    "moves.TicketMoves.reassign": move("reassign", *GROUNDS, assignee_id=str(SECOND)),
    "moves.TicketMoves.wait": move("wait", "status", question="Which one?"),
    "moves.TicketMoves.resolve": move("resolve", "status", resolution="Done."),
    "moves.TicketMoves.cancel": move("cancel", "status", actor=JO),
    "moves.TicketMoves.reopen": move("reopen", *GROUNDS),
    "moves.TicketMoves.redraw": move("redraw", channel="D0MO", ts="1.5"),
    "notices.claim": notice("claim", "1:requester:x", now=NEW),
    "notices.handed_over": notice("handed_over", "1:mail:x"),
    "notices.release": notice("release", "1:requester:x", until=NEW),
    "notices.fail": notice("fail", "1:requester:x", error="is_archived"),
    "notices.sent": notice("sent", "1:requester:x", channel="D0MO", ts="1.5", card=CARD),
    "notices.card_updated": notice("card_updated", CARD, seq=2, digest="e", now=NEW),
    "notices.message_updated": notice(
        "message_updated", "1:requester:x", seq=2, version="v", now=NEW
    ),
    "notices.spoil_card": notice("spoil_card", channel="D0MO", ts="1.5", now=NEW),
    "outbox.settle": each(lambda w, t: outbox.settle(w.db, t, seen=1)),
    "outbox.is_unchanged": each(lambda w, t: outbox.is_unchanged(w.db, t, seen=1)),
    "outbox.due": once(lambda w: outbox.due(w.db, now=w.now, limit=9)),
    "outbox.ages": once(lambda w: outbox.ages(w.db, now=w.now)),
    "outbox.back_off": each(lambda w, t: outbox.back_off(w.db, t, now=w.now)),
    "outside.keep_up": once(lambda w: outside.keep_up(w.db, now=w.now)),
    "outside.put_right": once(lambda w: outside.put_right(w.db, now=w.now)),
    "patches.Patches.apply": each(
        lambda w, t: Patches(w.db, w.edits).apply(
            actor=BOSS, ticket_id=str(t), changes={"description": "Other words."}
        ),
        "description",
    ),
    "people.PeopleService.page": once(lambda w: w.people.page(actor=BOSS, place=roll.Place())),
    "people.PeopleService.get": once(
        lambda w: [w.people.get(actor=BOSS, user_id=str(doc["_id"])) for doc in USERS]
    ),
    "people.PeopleService.update": once(lambda w: saved(w, skills="VPN, DNS"), "skills"),
    "people.PeopleService.hand_back": once(
        lambda w: w.people.hand_back(actor=BOSS, user_id=MODERATOR)
    ),
    "people.PeopleService.own": once(lambda w: w.people.own(actor=MO)),
    "people.PeopleService.update_own": once(lambda w: w.people.update_own(actor=MO, name="Mo")),
    "people.load_account": once(
        lambda w: [people.load_account(w.db, str(doc["_id"])) for doc in USERS]
    ),
    "presences.Presences.claim_due": once(lambda w: w.presences.claim_due(limit=9)),
    "presences.Presences.has_due": once(lambda w: w.presences.has_due()),
    "presences.Presences.put_back": once(lambda w: w.presences.put_back([MODERATOR], due=w.now)),
    "presences.Presences.keep": once(
        lambda w: [w.presences.keep(doc["_id"], ON_HOLIDAY) for doc in USERS]
    ),
    "presences.Presences.hear": once(
        lambda w: (
            linked(w),
            w.presences.hear(team_id=TEAM_ID, slack_user_id=SLACK_ID, member=ON_HOLIDAY),
        )
    ),
    "presences.Presences.end_absences": once(lambda w: (away(w), w.presences.end_absences())),
    "profiles.Profiles.update_own": once(
        lambda w: w.accounts.profiles.update_own(actor=MO, name="Mo", skills=["DNS"]), "skills"
    ),
    "profiles.Profiles.update_other": once(
        lambda w: w.accounts.profiles.update_other(actor=BOSS, email=MO_ADDRESS, role="admin"),
        "role",
    ),
    "queue_places.give_places": once(lambda w: queue_places.give_places(w.db)),
    "resets.Resets.request": once(lambda w: w.accounts.resets.request(email=MO_ADDRESS)),
    "resets.Resets.reset": once(reset, "password"),
    "roll.index_newcomers": once(lambda w: roll.index_newcomers(w.db)),
    "roll.page": once(lambda w: roll.page(w.db, roll.Place(search="mo"))),
    "shortlist.Shortlist.is_large": once(lambda w: Shortlist(w.db).is_large(w.now)),
    "shortlist.Shortlist.found_large": once(lambda w: Shortlist(w.db).found_large(w.now)),
    "shortlist.Shortlist.was_chosen": once(lambda w: large(w).was_chosen(MODERATOR, now=w.now)),
    "shortlist.Shortlist.who_know": once(lambda w: large(w).who_know(["VPN"], now=w.now)),
    "shortlist.Shortlist.longest_ago": once(lambda w: large(w).longest_ago(now=w.now)),
    "set_aside.count": once(lambda w: set_aside.count(w.db)),
    "set_aside.what_is_stuck": once(lambda w: set_aside.what_is_stuck(w.db, now=w.now)),
    "sign_in.SignIn.sign_up": once(
        lambda w: w.accounts.sign_in.sign_up(email="new@example.com", password=PASSWORD)
    ),
    "sign_in.SignIn.sign_in": once(
        lambda w: w.accounts.sign_in.sign_in(email=MO_ADDRESS, password=PASSWORD), "password"
    ),
    "sign_in.SignIn.authenticate": once(
        lambda w: w.accounts.sign_in.authenticate(w.accounts.sign_in.token(w.user(MODERATOR)))
    ),
    "sign_in.SignIn.token": once(lambda w: w.accounts.sign_in.token(w.user(USER))),
    "sign_in.SignIn.sign_out": once(lambda w: w.accounts.sign_in.sign_out(user_id=USER)),
    "similar.precedents": once(
        lambda w: similar.precedents(w.db, text="VPN", likely=["VPN"], team_skills=["VPN", "DNS"])
    ),
    "similar.reporters": each(lambda w, t: similar.reporters(w.db, w.ticket(t), now=w.now)),
    "staff.Staff.size": once(lambda w: w.staff.size()),
    "staff.Staff.deactivated": once(lambda w: w.staff.deactivated(team_id=TEAM_ID, now=w.now)),
    "staff.Staff.everybody": once(lambda w: w.staff.everybody(team_id=TEAM_ID, now=w.now)),
    "staff.Staff.pool": once(
        lambda w: w.staff.pool(
            team_id=TEAM_ID, skills=["VPN"], favoured=frozenset({MODERATOR}), now=w.now
        )
    ),
    "staff.Staff.was_chosen": once(lambda w: w.staff.was_chosen(MODERATOR, now=w.now)),
    "takeout.Takeout.export": once(
        lambda w: Takeout(w.db, w.users).export(actor=OPERATOR, email=MO_ADDRESS)
    ),
    "threads.Threads.find": once(lambda w: Threads(w.db).find(team_id=TEAM_ID, place=PLACE)),
    "ticket_counts.count_tickets": once(lambda w: count_tickets(w.db, clock=w.clock)),
    "ticket_pages.TicketPages.newest": once(
        lambda w: [TicketPages(w.db, clock=w.clock).newest(actor=actor) for actor in (BOSS, JO)]
    ),
    "tickets.TicketService.create": once(filed),
    "tickets.TicketService.check_unused": once(
        lambda w: w.tickets.check_unused(actor=JO, team_id=TEAM_ID, source=SAID)
    ),
    "tickets.TicketService.get": each(lambda w, t: w.tickets.get(actor=JO, ticket_id=str(t))),
    "tickets.TicketService.by_number": each(
        lambda w, t: w.tickets.by_number(
            actor=BOSS, team_id=TEAM_ID, number=w.ticket(t).number or 0
        )
    ),
    "tickets.load": each(lambda w, t: load(w.db, str(t))),
    "training.Training.run_if_due": once(lambda w: Training(w.db, clock=w.clock).run_if_due()),
    "unlinking.Unlinking.look": once(lambda w: w.unlinking.look(actor=MO)),
    "unlinking.Unlinking.unlink": once(unlinked),
    "unlinking.Unlinking.identities": once(lambda w: w.unlinking.identities(actor=MO)),
    "unlinking.open_tickets": once(lambda w: unlinking.open_tickets(w.db, MODERATOR)),
    "users.UserService.get": once(lambda w: [w.users.get(doc["_id"]) for doc in USERS]),
    "users.UserService.many": once(lambda w: w.users.many({doc["_id"] for doc in USERS})),
    "users.UserService.ids_of": once(lambda w: w.users.ids_of(Role.ADMIN)),
    "users.UserService.everyone": once(lambda w: w.users.everyone(actor=OPERATOR)),
    "users.UserService.create": once(
        lambda w: w.users.create(actor=OPERATOR, email="new@example.com")
    ),
    "users.UserService.set_role": once(
        lambda w: w.users.set_role(actor=OPERATOR, email=MO_ADDRESS, role=Role.USER), "role"
    ),
    "users.UserService.set_skills": once(
        lambda w: w.users.set_skills(actor=OPERATOR, email="sec@example.com", skills=["DNS"]),
        "skills",
    ),
    "users.UserService.by_email": once(lambda w: w.users.by_email("jo@example.com")),
    "users.UserService.stored_by_email": once(lambda w: w.users.stored_by_email("jo@example.com")),
    "users.UserService.team_skills": once(lambda w: w.users.team_skills()),
    "users.UserService.only_stored": once(lambda w: w.users.only_stored(MO_ADDRESS)),
    "visits.VisitService.left_at": once(lambda w: w.visits.left_at(LINK)),
    "visits.VisitService.go_to": once(watched),
    "visits.VisitService.is_still_at": once(lambda w: w.visits.is_still_at(LINK, turn=watched(w))),
    "visits.VisitService.shown": once(
        lambda w: w.visits.shown(LINK, turn=watched(w), view_hash="1.5")
    ),
    "visits.VisitService.watchers": each(lambda w, t: w.visits.watchers(w.ticket(t))),
    "visits.VisitService.ask_for_refresh": once(
        lambda w: (watched(w), w.visits.ask_for_refresh(LINK, within=timedelta(seconds=1)))
    ),
    "visits.VisitService.take_refresh": once(lambda w: (watched(w), w.visits.take_refresh(LINK))),
    "visits.VisitService.forget_hash": once(forgotten),
    "waiting.wake": once(lambda w: waiting.wake(w.db, now=w.now)),
    "waiting.wake_due": once(lambda w: waiting.wake_due(w.db, now=w.now)),
    "waiting.count": once(lambda w: waiting.count(w.db)),
    "walk.every_ticket": once(lambda w: list(walk.every_ticket(w.db, ["title"]))),
}


def _some(found: Any) -> Any:
    assert found is not None
    return found


def _raw(world: World, ticket_id: ObjectId) -> Document:
    doc: Document = _some(world.db.tickets.find_one({"_id": ticket_id}))
    return doc


def refused(call: Callable[[], Any]) -> None:
    """An account with a password is not linked by its address."""
    with pytest.raises(DomainError):
        call()


@pytest.fixture(scope="module")
def emptied(mongo: MongoServer) -> Iterator[Mongo]:
    """One database for all of them: making indexes takes longer than anything else here."""
    made = connect(mongo.uri_for(f"test-{uuid.uuid4().hex}"))
    ensure_indexes(made)
    yield made
    made.client.close()


@pytest.fixture
def world(emptied: Mongo) -> World:
    for name in emptied.list_collection_names():
        emptied[name].delete_many({})
    predecessor.load_into(emptied, team_id=TEAM_ID)
    return World(emptied)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_it_loses_nothing(world: World, name: str) -> None:
    before = predecessor.contents(world.db)
    TABLE[name].run(world)
    after = predecessor.contents(world.db)
    assert predecessor.lost(before, after, TABLE[name].may) == []


def methods() -> Iterator[str]:
    """Everything in the services that is given the database, by module, class and name."""
    for info in pkgutil.iter_modules(services.__path__):
        module = importlib.import_module(f"services.{info.name}")
        for name, made in vars(module).items():
            if name.startswith("_") or getattr(made, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(made) and "db" in inspect.signature(made).parameters:
                yield f"{info.name}.{name}"
            makes = getattr(made, "__init__", None) if inspect.isclass(made) else None
            if inspect.isfunction(makes) and "db" in inspect.signature(makes).parameters:
                own = [key for key, of in vars(made).items() if inspect.isfunction(of)]
                public = [key for key in own if not key.startswith("_")]
                yield from (f"{info.name}.{name}.{key}" for key in public)


def test_the_table_has_every_method() -> None:
    found = {name for name in methods() if name.partition(".")[0] not in ELSEWHERE}
    assert sorted(found - set(TABLE)) == []
    assert sorted(set(TABLE) - found) == []


@pytest.mark.parametrize("module", sorted(ELSEWHERE))
def test_the_others_touch_neither_accounts_nor_tickets(module: str) -> None:
    source = inspect.getsource(importlib.import_module(f"services.{module}"))
    written = re.findall(r"db\.(?:users|tickets)\.(?!find|count|distinct|aggregate)\w+", source)
    assert written == []
