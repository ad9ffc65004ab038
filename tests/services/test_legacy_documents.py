"""Every method of the services over the legacy app's documents: none loses what it did not come
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
from services.account_admin.account_admin import PersonFields
from services.accounts import account_search, users
from services.accounts.users import new_account_doc, store_account
from services.analysis import analysis_store
from services.analysis.model_exchange import Analysis
from services.assignment import feedback
from services.assignment.candidate_pool import CandidateLoader, CandidatePool, Shortlist
from services.audit import audit_log
from services.audit.audit_log import SYSTEM, AuditAction, AuditEntry
from services.auth.one_time_codes import CodeKind
from services.auth.passwords import PasswordHasher
from services.availability.availability_service import AvailabilityChange
from services.availability.handover_offers import HandoverOffer, OfferDecision
from services.availability.slack_status import MemberStatus, SlackStatus
from services.core import legacy_backend
from services.core.database import Document, Mongo, connect
from services.core.errors import DomainError, NotFound
from services.digest.digest_service import Digest, DigestCounts, Digests
from services.editing.bulk_changes import BulkAction, BulkChange, ReviewedTicket
from services.home.sessions import Screen
from services.linking import links
from services.linking.links import ExclusionReason
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ticket_list_page
from services.models import set_aside
from services.models.comment import MessageRef
from services.models.events import EventType, NewEvent
from services.models.message_source import checked_source
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember, link_id
from services.models.ticket import (
    AnalysisSource,
    AssigneeChoice,
    Card,
    ChoiceReason,
    Priority,
    Ticket,
)
from services.models.user import Role, User
from services.ops import job_health
from services.ops.ticket_counts import (
    cached_ticket_counts,
    count_tickets,
    record_status_counts,
)
from services.outbox import deliveries, pending
from services.outbox.deliveries import DeliveryRef, SentMessage
from services.outbox.delivery_migration import retry_operator_failures
from services.registry.indexes import ensure_indexes
from services.registry.services import Services
from services.routing import similar_tickets
from services.search.matching import Matcher
from services.search.similar_tickets import SimilarTickets
from services.search.word_sample import word_sample
from services.sla import recompute
from services.team_settings import private_tickets
from services.tickets import legacy, release, search_index, ticket_store
from services.tickets import queries as ticket_queries
from services.tickets.access import visible_to
from services.tickets.channel_messages import MessageWords
from services.tickets.emoji_actions import TicketEmoji
from services.tickets.filing import find_by_message
from services.tickets.lifecycle import TicketAction, state_token
from services.tickets.numbered_inserts import NumberedInserts
from services.tickets.queries import load_for_reminders, load_ticket
from services.tickets.transitions import Change
from tests.conftest import CHEAP, JWT_SECRET, NOBODY_LISTENS
from tests.support import legacy_app
from tests.support.legacy_app import ADMIN, MODERATOR, NEW, PASSWORD, SECOND, TICKETS, USER, USERS
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

NO_REDIS = NOBODY_LISTENS.replace("mongodb", "redis")
BOSS, MO, JO = Actor(ADMIN, Role.ADMIN), Actor(MODERATOR, Role.MODERATOR), Actor(USER, Role.USER)
SLACK_ID, PLACE = "U0MO", MessageRef("D0MO", "1.000001")
LINK = link_id(TEAM_ID, SLACK_ID)
SAID_WORDS, NO_WORDS = MessageWords("Mail", "It is down."), MessageWords("", "")
MO_ADDRESS = "mo.derator@example.com"
AL, AL_ADDRESS = legacy_app.number(6), "al@example.com"
# They touch neither accounts nor tickets.
ELSEWHERE = frozenset(
    {
        "auth.one_time_codes",
        "channels.request_channels",
        "core.sequences",
        "core.clock",
        "core.database",
        "ops.write_probe",
        "registry.index_builds",
        "registry.indexes",
        "registry.services",
        "core.leases",
        "core.processed_events",
        "tickets.direct_messages",
        "core.schema_version",
        "core.slack_scopes",
        "ops.event_arrivals",
        "registry.migrations",
        "outbox.replies",
        "ops.job_health.JobRuns",
        "outbox.emails",
        "routing.model_store",
        "outbox.reminders",
        "calendar.business_hours",
        "team_settings.app_name",
        "team_settings.settings_service",
        "team_settings.settings_store",
        "team_settings.slack_settings",
        "channels.channel_settings",
        "channels.slack_channel",
        "sla.policy",
        "availability.slack_status",
        "core.ttl_cache",
        "core.installation",
        "account_admin.users_command",
    }
)


class World(Services):
    """All services, an hour after the upgrade."""

    def __init__(self, db: Mongo) -> None:
        self.now = NEW + timedelta(hours=1)
        super().__init__(
            db, lambda: self.now, has_triage=True, jwt_secret=JWT_SECRET, redis_url=NO_REDIS
        )
        self.password_hasher = PasswordHasher(cost=CHEAP)
        self.staff = CandidateLoader(db, self.links)

    def ticket(self, ticket_id: ObjectId) -> Ticket:
        ticket = load_ticket(self.db, str(ticket_id))
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


def matcher(world: World) -> Matcher:
    sample = word_sample(world.db, now=world.now)
    return Matcher(world.db, sample, conditions=(), rest=(), since=None)


def action(name: str, *may: str, actor: Actor = BOSS, **fields: Any) -> Entry:
    def call(world: World, ticket_id: ObjectId) -> Any:
        step = getattr(world.ticket_actions, name)
        return step(actor=actor, ticket_id=str(ticket_id), **fields)

    return each(call, *may)


def withdraw_and_undo(world: World, ticket_id: ObjectId) -> None:
    this: dict[str, Any] = {"actor": BOSS, "ticket_id": str(ticket_id)}
    world.ticket_actions.withdraw(**this)
    world.ticket_actions.undo_withdrawal(**this)


def delivery(name: str, *args: Any, **fields: Any) -> Entry:
    def call(world: World, ticket_id: ObjectId) -> None:
        if name != "claim":
            deliveries.claim(world.db, ticket_id, "1:requester:x", now=world.now)
        getattr(deliveries, name)(world.db, ticket_id, *args, **fields)

    return each(call)


CARD = Card("requester", USER, "D0MO", "1.5", seq=1, digest="d")
SENT = SentMessage("1:requester:x", "D0MO", "1.5", CARD)
ON_HOLIDAY = MemberStatus(SlackStatus(text="On holiday", emoji=":palm_tree:"), "Asia/Tokyo")
ANALYSIS = Analysis(
    summary="No tunnel.",
    priority=Priority.LOW,
    related_skills=("VPN",),
    helpful_notes="Look.",
    confidence=0.9,
    source=AnalysisSource.ROUTER,
)
CHOICE = AssigneeChoice(MODERATOR, ChoiceReason.SKILLS, "knows VPN", 1.0, {})
GROUNDS = frozenset({"status", "assignedTo"})
FOUND = ("priority", "helpfulNotes", "relatedSkills")


def said(world: World, ticket_id: ObjectId) -> str:
    """A comment of the moderator's, in a thread."""
    world.comments.add(actor=MO, ticket_id=str(ticket_id), text="Hello", message=PLACE)
    return str(ticket_id)


def joined(world: World, ticket_id: ObjectId) -> str:
    world.participants.change(actor=BOSS, ticket_id=str(ticket_id), added=[MODERATOR])
    return str(ticket_id)


def without_a_line(world: World) -> None:
    for doc in TICKETS:
        with suppress(NotFound):
            world.home.conversation_line(
                actor=JO, team_id=TEAM_ID, ticket_id=str(doc["_id"]), line=PLACE
            )


def members_chosen(world: World, ticket_id: ObjectId) -> Any:
    if world.db.links.count_documents({}) == 0:
        linked(world)
    return world.participants.accounts_of_members(
        actor=BOSS,
        team_id=TEAM_ID,
        ticket_id=str(ticket_id),
        slack_user_ids=[SLACK_ID],
        look_up=lambda _, __: None,
    )


def addresses_chosen(world: World, ticket_id: ObjectId) -> Any:
    world.users.confirmation.record(world.user(MODERATOR), by=SYSTEM)
    return world.participants.accounts_of_addresses(
        actor=BOSS, ticket_id=str(ticket_id), emails=[MO_ADDRESS]
    )


def unlinked_and_recorded(world: World) -> None:
    linked(world)
    links.record_removal(world.db, world.link, by="self", now=world.now)


def linked(world: World) -> bool:
    return world.db.links.insert_one(dict(world.link)).acknowledged


def stopped(world: World) -> None:
    linked(world)
    links.suspend_link(world.db, world.link, ExclusionReason.GUEST, now=world.now)


def resumed(world: World) -> None:
    stopped(world)
    links.resume_link(world.db, world.link, now=world.now)


def watched(world: World) -> int:
    linked(world)
    return world.home_sessions.navigate(LINK, screen=Screen())


def forgotten(world: World) -> None:
    watched(world)
    world.home_sessions.request_refresh(LINK, within=timedelta(seconds=1))
    session = world.home_sessions.claim_refresh(LINK)
    assert session is not None
    world.home_sessions.clear_view_hash(session)


def abandoned(world: World) -> None:
    watched(world)
    world.home_sessions.request_refresh(LINK, within=timedelta(seconds=1))
    session = world.home_sessions.claim_refresh(LINK)
    assert session is not None
    world.home_sessions.give_up(session)


def saved(world: World, **fields: str) -> User:
    shown = PersonFields.from_user(world.user(MODERATOR))
    wanted = replace(shown, **fields)
    return world.account_admin.update(
        actor=BOSS, user_id=str(MODERATOR), shown=shown, wanted=wanted
    )


def reset(world: World) -> User:
    code = world.codes.issue(kind=CodeKind.RESET, user_id=MODERATOR)
    return world.password_resets.reset(code=code, password="another horse")


def offered(world: World) -> str:
    code = world.codes.issue(kind=CodeKind.LINK, user_id=MODERATOR)
    return world.account_linking.preview_code(member=world.member(), code=code).code_id


def claimed(world: World) -> User:
    """The account that a Slack member gets whose address Al's account has."""
    return world.links.get_or_create_user(world.member(email=AL_ADDRESS))


def disowned(world: World) -> None:
    actor, member = Actor.from_user(claimed(world)), world.member(email=AL_ADDRESS)
    world.address_claims.disown(actor=actor, member=member, user_id=str(AL))


def merged(world: World) -> User:
    own = claimed(world)
    world.address_claims.prepare_merge(own, into=world.user(AL))
    world.address_claims.merge(own, into=world.user(AL))
    return own


def confirmed(world: World) -> None:
    code = world.codes.issue(kind=CodeKind.CONFIRM, user_id=AL)
    world.address_confirmations.confirm(actor=Actor(AL, Role.USER), code=code)


def unlinked(world: World) -> None:
    linked(world)
    world.account_linking.unlink(actor=MO, team_id=TEAM_ID, slack_user_id=SLACK_ID)


def all_unlinked(world: World) -> None:
    linked(world)
    world.account_linking.unlink_all(actor=MO)


def corrected(world: World, ticket_id: ObjectId) -> None:
    moved = world.ticket_actions.reassign(
        actor=BOSS, ticket_id=str(ticket_id), assignee_id=str(SECOND)
    )
    feedback.record_corrections(world.db, moved, now=world.now)


def large(world: World) -> Shortlist:
    """As where there are more moderators than are all read for a ticket."""
    made = Shortlist(world.db)
    made.mark_large(world.now)
    return made


def kept(world: World) -> CandidateLoader:
    loader = CandidateLoader(world.db, world.links, cache_seconds=60)
    loader.keep(TEAM_ID, CandidatePool(loader.load_all(team_id=TEAM_ID, now=world.now)))
    assert loader.cached(TEAM_ID)
    return loader


def digest_service(world: World) -> Digests:
    """A Tuesday's, at nine."""
    world.now = datetime(2037, 3, 3, 9, tzinfo=UTC)
    return world.digests


def digest(world: World) -> Digest:
    filed(world)
    digests = digest_service(world)
    found = [digests.claim(account) for account in digests.due()]
    return next(digest for digest in found if digest)


def away(world: World) -> User:
    """The moderator is away long enough for a hand-over offer."""
    until = world.now + timedelta(days=9)
    return world.availability.update(
        actor=MO, change=AvailabilityChange(is_away=True, away_until=until)
    )


def offer(world: World) -> HandoverOffer:
    away(world)
    found = world.handover_offers.claim_next()
    assert found is not None
    return found


def decided(world: World) -> OfferDecision | None:
    key = offer(world).key
    return world.handover_offers.decide(actor=MO, user_id=str(MODERATOR), key=key, hand_over=True)


def edited(**fields: Any) -> OfTicket:
    def call(world: World, ticket_id: ObjectId) -> Ticket:
        seen = world.ticket(ticket_id).seq
        return world.ticket_edits.update(
            actor=BOSS, ticket_id=str(ticket_id), expected_seq=seen, changes=fields
        )

    return call


SAID = checked_source(team_url=TEAM_URL, channel="C0X", ts="1.000001")


def filed(world: World) -> None:
    world.tickets.create(
        actor=JO, team_id=TEAM_ID, request_id="V1", title="New", description="Words."
    )


def guard_last_admin(world: "World") -> None:
    with users.removing_admin(world.db, MODERATOR, now=world.now):
        pass


def audit_entry(world: "World") -> AuditEntry:
    return AuditEntry(world.now, SYSTEM, AuditAction.UNLINKED, MODERATOR)


TABLE: Mapping[str, Entry] = {
    "accounts.users.removing_admin": once(guard_last_admin),
    "audit.audit_log.move_all_pending": once(
        lambda w: audit_log.move_all_pending(w.db, before=w.now)
    ),
    "audit.audit_log.record": once(lambda w: audit_log.record(w.db, audit_entry(w))),
    "audit.audit_log.delete_expired": once(lambda w: audit_log.delete_expired(w.db, before=w.now)),
    "audit.audit_log.replace_account": once(
        lambda w: audit_log.replace_account(w.db, MODERATOR, ObjectId(), now=w.now)
    ),
    "audit.audit_log.entries_of": once(lambda w: list(audit_log.entries_of(w.db, MODERATOR))),
    "audit.audit_log.entries_since": once(
        lambda w: list(audit_log.entries_since(w.db, w.now, [MODERATOR]))
    ),
    "account_admin.audit_trail.AuditTrail.of_person": once(
        lambda w: w.audit_trail.of_person(actor=BOSS, user_id=str(MODERATOR))
    ),
    "account_admin.audit_trail.AuditTrail.entries": once(
        lambda w: list(w.audit_trail.entries(actor=OPERATOR, email=MO_ADDRESS))
    ),
    "accounts.users.update_account": once(
        lambda w: users.update_account(
            w.db, lambda: w.doc(MODERATOR), lambda _: {"role": "user"}, actor=BOSS, now=w.now
        ),
        "role",
    ),
    "escalation.escalation_steps.EscalationSteps.due": once(lambda w: w.escalation_steps.due()),
    "escalation.escalation_steps.EscalationSteps.schedule_retry": each(
        lambda w, t: w.escalation_steps.schedule_retry(w.ticket(t), OverflowError())
    ),
    "escalation.escalation_steps.EscalationSteps.take": each(
        lambda w, t: w.escalation_steps.take(w.ticket(t)), *GROUNDS
    ),
    "analysis.analysis_store.store_analysis": each(
        lambda w, t: analysis_store.store_analysis(w.db, w.ticket(t), ANALYSIS, now=w.now), *FOUND
    ),
    "analysis.analysis_store.analysis_change": each(
        lambda w, t: analysis_store.analysis_change(w.db, w.ticket(t), ANALYSIS, now=w.now)
    ),
    "tickets.actions.TicketActions.confirm_solved": action("confirm_solved", *GROUNDS, actor=JO),
    "tickets.actions.TicketActions.report_unsolved": action(
        "report_unsolved", *GROUNDS, actor=JO, request_id="V1"
    ),
    "assignment.assignment_service.AssignmentService.claim": each(
        lambda w, t: w.assignments.claim(w.ticket(t), now=w.now)
    ),
    "assignment.assignment_service.AssignmentService.release_claim": each(
        lambda w, t: w.assignments.release_claim(t)
    ),
    "assignment.assignment_service.AssignmentService.candidates": once(
        lambda w: w.assignments.candidates(team_id=TEAM_ID, now=w.now)
    ),
    "assignment.assignment_service.AssignmentService.choose": each(
        lambda w, t: w.assignments.choose(w.ticket(t), now=w.now, history={MODERATOR: 1.0})
    ),
    "assignment.assignment_service.AssignmentService.evaluate": each(
        lambda w, t: w.assignments.evaluate(w.ticket(t), now=w.now, history={MODERATOR: 1.0})
    ),
    "assignment.assignment_service.AssignmentService.unavailable": each(
        lambda w, t: w.assignments.unavailable(w.ticket(t), now=w.now, history={MODERATOR: 1.0})
    ),
    "assignment.assignment_service.AssignmentService.unavailable_for_several": once(
        lambda w: w.assignments.unavailable_for_several(team_id=TEAM_ID, now=w.now)
    ),
    "assignment.assignment_service.AssignmentService.assign": each(
        lambda w, t: w.assignments.assign(
            w.ticket(t), CHOICE, source=AnalysisSource.ROUTER, now=w.now
        ),
        *GROUNDS,
    ),
    "assignment.assignment_service.AssignmentService.store_assignment": each(
        lambda w, t: w.assignments.store_assignment(
            w.ticket(t), CHOICE, source=AnalysisSource.ROUTER, now=w.now
        ),
        *GROUNDS,
    ),
    "assignment.assignment_service.AssignmentService.reread_likely": each(
        lambda w, t: w.assignments.reread_likely([(w.ticket(t), {MODERATOR: 1.0})], now=w.now)
    ),
    "assignment.assignment_service.AssignmentService.record_chosen": once(
        lambda w: w.assignments.record_chosen(CHOICE, now=w.now)
    ),
    "assignment.assignment_service.AssignmentService.queue_unassigned": each(
        lambda w, t: w.assignments.queue_unassigned(w.ticket(t), now=w.now)
    ),
    "availability.availability_service.AvailabilityService.get": once(
        lambda w: [w.availability.get(actor=BOSS, user_id=str(doc["_id"])) for doc in USERS]
    ),
    "availability.availability_service.AvailabilityService.update": once(away),
    "tickets.ticket_store.apply": each(
        lambda w, t: ticket_store.apply(
            w.db,
            w.ticket(t),
            Change(
                {"title": "Another"},
                (NewEvent(EventType.EDITED, by=ADMIN, field="title", to="Another"),),
            ),
            now=w.now,
        ),
        "title",
    ),
    "tickets.ticket_store.store": each(
        lambda w, t: ticket_store.store(
            w.db,
            w.ticket(t),
            Change(
                {"title": "Another"},
                (NewEvent(EventType.EDITED, by=ADMIN, field="title", to="Another"),),
            ),
            now=w.now,
        ),
        "title",
    ),
    "tickets.comments.CommentService.get_for_comment": each(
        lambda w, t: w.comments.get_for_comment(actor=JO, ticket_id=str(t), internal=False)
    ),
    "tickets.comments.CommentService.add": each(said),
    "tickets.comments.CommentService.edit": each(
        lambda w, t: w.comments.edit(
            actor=MO, ticket_id=said(w, t), message=PLACE, text="Hello again"
        )
    ),
    "tickets.comments.CommentService.delete": each(
        lambda w, t: w.comments.delete(ticket_id=said(w, t), message=PLACE)
    ),
    "assignment.feedback.record_corrections": each(corrected, *GROUNDS),
    "assignment.feedback.correction_scores": once(
        lambda w: feedback.correction_scores(w.db, skills=["VPN"], now=w.now)
    ),
    "assignment.feedback.ticket_corrections": each(
        lambda w, t: feedback.ticket_corrections(w.db, t)
    ),
    "assignment.explanation.ExplainService.explain": each(
        lambda w, t: w.explanations.explain(actor=BOSS, ticket_id=str(t), limit=1)
    ),
    "assignment.explanation.ExplainService.explain_reference": each(
        lambda w, t: w.explanations.explain_reference(actor=OPERATOR, reference=str(t))
    ),
    "digest.digest_service.DigestCounts.for_assignee": once(
        lambda w: [DigestCounts(w.db, now=w.now).for_assignee(doc["_id"]) for doc in USERS]
    ),
    "digest.digest_service.DigestCounts.queue": once(
        lambda w: DigestCounts(w.db, now=w.now).queue(visible_to(OPERATOR))
    ),
    "digest.digest_service.DigestCounts.activity": once(
        lambda w: DigestCounts(w.db, now=w.now).activity(
            w.now - timedelta(days=1), w.now, visible_to(OPERATOR)
        )
    ),
    "digest.digest_service.Digests.set_enabled": once(
        lambda w: w.digests.set_enabled(actor=MO, enabled=True)
    ),
    "digest.digest_service.Digests.has_due": once(lambda w: digest_service(w).has_due()),
    "digest.digest_service.Digests.due": once(lambda w: digest_service(w).due()),
    "digest.digest_service.Digests.claim": once(digest),
    "digest.digest_service.Digests.schedule_retry": once(
        lambda w: digest_service(w).schedule_retry(digest_service(w).due()[0], OverflowError())
    ),
    "digest.digest_service.Digests.mark_done": once(
        lambda w: digest_service(w).mark_done(digest(w))
    ),
    "digest.digest_service.Digests.retry_later": once(
        lambda w: digest_service(w).retry_later(digest(w), wait=timedelta(1))
    ),
    "editing.bulk_changes.BulkChanges.review": each(
        lambda w, t: w.bulk_changes.review(
            actor=BOSS, team_id=TEAM_ID, change=BulkChange(BulkAction.RESOLVE), ticket_ids=[str(t)]
        )
    ),
    "editing.bulk_changes.BulkChanges.apply": each(
        lambda w, t: w.bulk_changes.apply(
            actor=BOSS,
            change=BulkChange(BulkAction.SET_PRIORITY, "urgent"),
            reviewed=ReviewedTicket.of(w.ticket(t)),
        ),
        "priority",
    ),
    "editing.participants.Participants.get_form": each(
        lambda w, t: w.participants.get_form(actor=BOSS, ticket_id=str(t))
    ),
    "editing.participants.Participants.accounts_of_members": each(members_chosen),
    "editing.participants.Participants.accounts_of_addresses": each(addresses_chosen),
    "editing.participants.Participants.change": each(joined),
    "editing.participants.Participants.leave": each(
        lambda w, t: w.participants.leave(actor=MO, ticket_id=joined(w, t))
    ),
    "editing.ticket_edits.TicketEdits.get_form": each(
        lambda w, t: w.ticket_edits.get_form(actor=MO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "editing.ticket_edits.TicketEdits.assignee_options": each(
        lambda w, t: w.ticket_edits.assignee_options(actor=MO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "editing.ticket_edits.TicketEdits.team_skills": once(
        lambda w: w.ticket_edits.team_skills(actor=MO)
    ),
    "editing.ticket_edits.TicketEdits.update": each(
        edited(title="Another", priority="urgent", helpfulNotes=None),
        "title",
        "priority",
        "helpfulNotes",
    ),
    "linking.address_claims.AddressClaims.find": once(lambda w: w.address_claims.find(claimed(w))),
    "linking.address_claims.AddressClaims.get_other": once(
        lambda w: w.address_claims.get_other(actor=Actor.from_user(claimed(w)), user_id=str(AL))
    ),
    "linking.address_claims.AddressClaims.disown": once(disowned, "email", "password"),
    "linking.address_claims.AddressClaims.prepare_merge": once(merged),
    "linking.address_claims.AddressClaims.merge": once(merged),
    "linking.address_claims.AddressClaims.cancel_merge": once(
        lambda w: w.address_claims.cancel_merge(claimed(w), into=w.user(AL))
    ),
    "linking.links.record_removal": once(unlinked_and_recorded),
    "linking.address_claims.AddressClaims.accounts_to_close": once(
        lambda w: (merged(w), w.address_claims.accounts_to_close())
    ),
    "linking.address_claims.AddressClaims.continue_closing": once(
        lambda w: w.address_claims.continue_closing(merged(w).id)
    ),
    "linking.member_sync.MemberSync.has_changes": once(
        lambda w: (linked(w), w.member_sync.has_changes(member=w.member()))
    ),
    "linking.member_sync.MemberSync.sync": once(
        lambda w: (linked(w), w.member_sync.sync(member=w.member(is_deleted=True))), *GROUNDS
    ),
    "tickets.release.accounts_to_release": once(
        lambda w: release.accounts_to_release(w.db, now=w.now)
    ),
    "tickets.release.release_tickets": once(
        lambda w: (
            saved(w, active="deactivated"),
            release.release_tickets(w.db, MODERATOR, now=w.now),
        ),
        "active",
        *GROUNDS,
    ),
    "availability.handover_offers.HandoverOffers.has_due": once(
        lambda w: (away(w), w.handover_offers.has_due())
    ),
    "availability.handover_offers.HandoverOffers.claim_next": once(offer),
    "availability.handover_offers.HandoverOffers.mark_sent": once(
        lambda w: w.handover_offers.mark_sent(offer(w), channel="D0X", ts="1.5")
    ),
    "availability.handover_offers.HandoverOffers.mark_failed": once(
        lambda w: w.handover_offers.mark_failed(offer(w), error="is_bot")
    ),
    "availability.handover_offers.HandoverOffers.retry_later": once(
        lambda w: w.handover_offers.retry_later(offer(w))
    ),
    "availability.handover_offers.HandoverOffers.decide": once(decided, *GROUNDS),
    "assignment.reassign.Reassignment.assignee_options": each(
        lambda w, t: w.reassignment.assignee_options(actor=BOSS, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "assignment.reassign.Reassignment.decline": each(
        lambda w, t: w.reassignment.decline(actor=MO, ticket_id=str(t)), *GROUNDS, *FOUND
    ),
    "home.setup_checklist.SetupChecklists.get": once(lambda w: w.setup_checklists.get(actor=BOSS)),
    "home.setup_checklist.SetupChecklists.hide": once(
        lambda w: w.setup_checklists.hide(actor=BOSS), "setupHidden"
    ),
    "home.home_service.HomeService.get": each(
        lambda w, t: w.home.get(actor=BOSS, team_id=TEAM_ID, screen=Screen(ticket_id=t))
    ),
    "home.home_service.HomeService.page_of_ticket": each(
        lambda w, t: w.home.page_of_ticket(
            actor=BOSS, team_id=TEAM_ID, ticket=w.tickets.get(actor=BOSS, ticket_id=str(t))
        )
    ),
    "home.home_service.HomeService.ticket_page": each(
        lambda w, t: w.home.ticket_page(actor=JO, team_id=TEAM_ID, ticket_id=str(t))
    ),
    "home.home_service.HomeService.conversation_line": once(without_a_line),
    "home.home_service.HomeService.get_or_parent": once(
        lambda w: w.home.get_or_parent(actor=JO, team_id=TEAM_ID, screen=Screen())
    ),
    "privacy.erasure.Erasure.erase": once(
        lambda w: w.erasure.erase(actor=OPERATOR, email=MO_ADDRESS),
        *{name for doc in USERS for name in doc} - {"_id", "createdAt", "__v"},
        *GROUNDS,
    ),
    "tickets.legacy.adopt": each(lambda w, t: legacy.adopt(w.db, _raw(w, t), now=w.now)),
    "tickets.legacy.adopt_batch": once(lambda w: legacy.adopt_batch(w.db, now=w.now)),
    "linking.links.suspend_link": once(stopped),
    "linking.links.resume_link": once(resumed),
    "linking.links.lacks_name": once(lambda w: links.lacks_name(w.db, w.user(MODERATOR))),
    "linking.links.adopt_name": once(
        lambda w: links.adopt_name(w.db, w.user(MODERATOR), w.member(name="Mo"), now=w.now),
        "name",
    ),
    "linking.requesters.Requesters.of_message": once(
        lambda w: w.requesters.of_message(
            actor=MO, team_id=TEAM_ID, author=SLACK_ID, look_up=lambda *_: w.member()
        )
    ),
    "linking.requesters.Requesters.of_member": once(
        lambda w: refused(
            lambda: w.requesters.of_member(
                actor=MO, team_id=TEAM_ID, slack_user_id=SLACK_ID, look_up=lambda *_: w.member()
            )
        )
    ),
    "linking.requesters.Requesters.of_writer": once(
        lambda w: w.requesters.of_writer(
            actor=JO, team_id=TEAM_ID, slack_user_id=SLACK_ID, look_up=lambda *_: w.member()
        )
    ),
    "linking.requesters.Requesters.of_address": once(
        lambda w: w.requesters.of_address(actor=MO, address=MO_ADDRESS)
    ),
    "linking.staff_invitations.StaffInvitations.invite": once(
        lambda w: w.staff_invitations.invite(
            actor=BOSS, member=w.member(), role="admin", skills="VPN"
        ),
        "name",
        "role",
        "skills",
    ),
    "linking.links.cancel_release": once(lambda w: links.cancel_release(w.db, w.link, now=w.now)),
    "linking.account_linking.AccountLinking.can_link_by_email": once(
        lambda w: w.account_linking.can_link_by_email(team_id=TEAM_ID, slack_user_id=SLACK_ID)
    ),
    "linking.account_linking.AccountLinking.link_by_email": once(
        lambda w: refused(lambda: w.account_linking.link_by_email(member=w.member()))
    ),
    "linking.account_linking.AccountLinking.preview_code": once(offered),
    "linking.account_linking.AccountLinking.confirm_code": once(
        lambda w: w.account_linking.confirm_code(member=w.member(), code_id=offered(w))
    ),
    "linking.links.LinkService.find_user": once(
        lambda w: (linked(w), w.links.find_user(team_id=TEAM_ID, slack_user_id=SLACK_ID))
    ),
    "linking.links.LinkService.get_or_create_user": once(
        lambda w: refused(lambda: w.links.get_or_create_user(w.member()))
    ),
    "linking.links.LinkService.resolve_people": once(
        lambda w: w.links.resolve_people(team_id=TEAM_ID, user_ids={MODERATOR})
    ),
    "linking.links.LinkService.slack_ids": once(
        lambda w: w.links.slack_ids(team_id=TEAM_ID, user_ids={MODERATOR})
    ),
    "lists.list_service.ticket_list_page": once(
        lambda w: [
            ticket_list_page(w.db, actor=BOSS, list_query=ListQuery(kind)) for kind in ListKind
        ]
    ),
    "lists.list_service.ListService.get_page": once(
        lambda w: [
            w.lists.get_page(actor=BOSS, team_id=TEAM_ID, list_query=ListQuery(kind))
            for kind in ListKind
        ]
    ),
    "lists.list_service.ListService.assignees": once(lambda w: w.lists.assignees(actor=BOSS)),
    "lists.list_service.ListService.skills": once(lambda w: w.lists.skills(actor=BOSS)),
    "search.search_service.TicketSearch.parse": once(lambda w: w.search.parse("printer from:me")),
    "search.search_service.TicketSearch.search": once(
        lambda w: [
            w.search.search(actor=BOSS, team_id=TEAM_ID, text=text)
            for text in ("the pri", "12", "status:open from:me", "assignee:me")
        ]
    ),
    "search.similar_tickets.SimilarTickets.find": each(
        lambda w, ticket_id: SimilarTickets(w.db).find(
            actor=BOSS, ticket=w.tickets.get(actor=BOSS, ticket_id=str(ticket_id))
        ),
    ),
    "search.word_sample.word_sample": once(lambda w: word_sample(w.db, now=w.now)),
    "search.matching.Matcher.newest": once(lambda w: matcher(w).newest(10)),
    "search.matching.Matcher.older": once(lambda w: matcher(w).older((w.now, ObjectId()), 10)),
    "tickets.search_index.add_words": once(
        lambda w: search_index.add_words(w.db, limit=100, now=w.now), "search"
    ),
    "tickets.search_index.refresh": once(lambda w: search_index.refresh(w.db, limit=100), "search"),
    "tickets.actions.TicketActions.get_for_action": action(
        "get_for_action", action=TicketAction.RESOLVE
    ),
    "tickets.actions.TicketActions.check_action": each(
        lambda w, t: w.ticket_actions.check_action(
            BOSS, w.ticket(t), TicketAction.RESOLVE, expected_state=state_token(w.ticket(t))
        )
    ),
    "tickets.actions.TicketActions.accept": action("accept", actor=MO),
    "tickets.actions.TicketActions.assignable": once(
        lambda w: w.ticket_actions.assignable(str(SECOND))
    ),
    "tickets.actions.TicketActions.take": action("take", *GROUNDS),
    "tickets.actions.TicketActions.reassign": action("reassign", *GROUNDS, assignee_id=str(SECOND)),
    "tickets.actions.TicketActions.ask_requester": action(
        "ask_requester", "status", question="Which one?"
    ),
    "tickets.actions.TicketActions.resolve": action("resolve", "status", resolution="Done."),
    "tickets.actions.TicketActions.cancel": action("cancel", "status", actor=JO),
    "tickets.actions.TicketActions.withdraw": action("withdraw", "status"),
    "tickets.actions.TicketActions.undo_withdrawal": each(withdraw_and_undo, *GROUNDS),
    "tickets.emoji_actions.EmojiActions.apply": each(
        lambda w, t: w.emoji_actions.apply(
            actor=BOSS, ticket_id=str(t), emoji=TicketEmoji.WITHDRAW
        ),
        "status",
    ),
    "tickets.actions.TicketActions.reopen": action("reopen", *GROUNDS),
    "tickets.actions.TicketActions.refresh_message": action(
        "refresh_message", channel="D0MO", ts="1.5"
    ),
    "outbox.deliveries.claim": delivery("claim", "1:requester:x", now=NEW),
    "outbox.deliveries.mark_delegated": delivery("mark_delegated", "1:mail:x"),
    "outbox.deliveries.release_claim": delivery(
        "release_claim", "1:requester:x", until=NEW, is_unsent=True
    ),
    "outbox.deliveries.find_direct_channel": each(
        lambda w, t: deliveries.find_direct_channel(w.db, w.ticket(t), MO.user_id)
    ),
    "outbox.deliveries.mark_failed": delivery("mark_failed", "1:requester:x", error="is_archived"),
    "outbox.deliveries.mark_withdrawn": delivery("mark_withdrawn", "1:requester:x"),
    "outbox.deliveries.claim_first": delivery("claim_first", ["1:requester:x", "2:x:y"], now=NEW),
    "outbox.deliveries.mark_sent": delivery("mark_sent", SENT),
    "outbox.deliveries.mark_sent_and_claim": delivery(
        "mark_sent_and_claim", SENT, "2:x:y", now=NEW
    ),
    "outbox.deliveries.mark_last_sent": delivery("mark_last_sent", SENT, expected_seq=1),
    "outbox.deliveries.claim_card_update": delivery("claim_card_update", CARD, now=NEW),
    "outbox.deliveries.claim_message_update": delivery(
        "claim_message_update", "1:requester:x", shown_version="v", now=NEW
    ),
    "outbox.deliveries.release_card_update": delivery("release_card_update", CARD, until=NEW),
    "outbox.deliveries.release_message_update": delivery(
        "release_message_update", "1:requester:x", until=NEW
    ),
    "outbox.deliveries.replace_deleted": delivery(
        "replace_deleted", channel="D0MO", ts="1.5", now=NEW
    ),
    "outbox.deliveries.record_card_update": delivery(
        "record_card_update", CARD, seq=2, digest="e", now=NEW
    ),
    "outbox.deliveries.record_message_update": delivery(
        "record_message_update", "1:requester:x", seq=2, version="v", now=NEW
    ),
    "outbox.deliveries.invalidate_card": delivery(
        "invalidate_card", channel="D0MO", ts="1.5", now=NEW
    ),
    "outbox.deliveries.invalidate_message": delivery(
        "invalidate_message", channel="D0MO", ts="1.5", now=NEW
    ),
    "outbox.pending.mark_delivered": each(
        lambda w, t: pending.mark_delivered(w.db, t, expected_seq=1)
    ),
    "outbox.pending.is_unchanged": each(lambda w, t: pending.is_unchanged(w.db, t, expected_seq=1)),
    "outbox.pending.due_tickets": once(
        lambda w: list(pending.due_tickets(w.db, now=w.now, limit=9))
    ),
    "outbox.pending.outbox_ages": once(lambda w: pending.outbox_ages(w.db, now=w.now)),
    "outbox.pending.back_off": each(lambda w, t: pending.back_off(w.db, w.ticket(t), now=w.now)),
    "tickets.legacy.sync_legacy_tickets": once(
        lambda w: legacy.sync_legacy_tickets(w.db, now=w.now)
    ),
    "tickets.legacy.reconcile": once(lambda w: legacy.reconcile(w.db, now=w.now)),
    "editing.ticket_edits.TicketEdits.patch": each(
        lambda w, t: w.ticket_edits.patch(
            actor=BOSS, ticket_id=str(t), changes={"description": "Other words."}
        ),
        "description",
    ),
    "account_admin.account_admin.AccountAdmin.page": once(
        lambda w: w.account_admin.page(actor=BOSS, cursor=account_search.AccountCursor())
    ),
    "account_admin.account_admin.AccountAdmin.get": once(
        lambda w: [w.account_admin.get(actor=BOSS, user_id=str(doc["_id"])) for doc in USERS]
    ),
    "account_admin.account_admin.AccountAdmin.update": once(
        lambda w: saved(w, skills="VPN, DNS"), "skills"
    ),
    "account_admin.account_admin.AccountAdmin.release_tickets": once(
        lambda w: w.account_admin.release_tickets(actor=BOSS, user_id=MODERATOR)
    ),
    "account_admin.account_admin.AccountAdmin.get_own": once(
        lambda w: w.account_admin.get_own(actor=MO)
    ),
    "account_admin.account_admin.AccountAdmin.update_own": once(
        lambda w: w.account_admin.update_own(actor=MO, name="Mo")
    ),
    "accounts.users.load_account_doc": once(
        lambda w: [users.load_account_doc(w.db, str(doc["_id"])) for doc in USERS]
    ),
    "availability.status_sync.StatusSync.claim_due": once(
        lambda w: w.status_sync.claim_due(limit=9)
    ),
    "availability.status_sync.StatusSync.has_due": once(lambda w: w.status_sync.has_due()),
    "availability.status_sync.StatusSync.release_claims": once(
        lambda w: w.status_sync.release_claims([MODERATOR], due_at=w.now)
    ),
    "availability.status_sync.StatusSync.record_status": once(
        lambda w: [w.status_sync.record_status(doc["_id"], ON_HOLIDAY) for doc in USERS]
    ),
    "availability.status_sync.StatusSync.on_status_event": once(
        lambda w: (
            linked(w),
            w.status_sync.on_status_event(
                team_id=TEAM_ID, slack_user_id=SLACK_ID, member=ON_HOLIDAY
            ),
        )
    ),
    "availability.status_sync.StatusSync.end_absences": once(
        lambda w: (away(w), w.status_sync.end_absences())
    ),
    "auth.profile.ProfileService.update_own": once(
        lambda w: w.profiles.update_own(actor=MO, name="Mo", skills=["DNS"]), "skills"
    ),
    "sla.recompute.recompute_stale": once(lambda w: recompute.recompute_stale(w.db)),
    "auth.address_confirmation.AddressConfirmationService.request_link": once(
        lambda w: w.address_confirmations.request_link(actor=Actor(AL, Role.USER))
    ),
    "auth.address_confirmation.AddressConfirmationService.find_account": once(
        lambda w: w.address_confirmations.find_account(
            code=w.codes.issue(kind=CodeKind.CONFIRM, user_id=AL)
        )
    ),
    "auth.address_confirmation.AddressConfirmationService.confirm": once(confirmed),
    "auth.password_reset.PasswordResetService.request_link": once(
        lambda w: w.password_resets.request_link(email=MO_ADDRESS)
    ),
    "auth.password_reset.PasswordResetService.find_account": once(
        lambda w: w.password_resets.find_account(
            code=w.codes.issue(kind=CodeKind.RESET, user_id=MODERATOR)
        )
    ),
    "auth.password_reset.PasswordResetService.reset": once(reset, "password"),
    "accounts.account_search.index_new_accounts": once(
        lambda w: account_search.index_new_accounts(w.db)
    ),
    "accounts.account_search.account_page": once(
        lambda w: account_search.account_page(w.db, account_search.AccountCursor(search="mo"))
    ),
    "accounts.account_search.accounts_named": once(
        lambda w: [
            account_search.accounts_named(w.db, "mo", limit=10, within=within)
            for within in (None, [MODERATOR])
        ]
    ),
    "accounts.account_search.accounts_with_key": once(
        lambda w: account_search.accounts_with_key(w.db, "mo", limit=10)
    ),
    "assignment.candidate_pool.Shortlist.is_large": once(lambda w: Shortlist(w.db).is_large(w.now)),
    "assignment.candidate_pool.Shortlist.mark_large": once(
        lambda w: Shortlist(w.db).mark_large(w.now)
    ),
    "assignment.candidate_pool.Shortlist.record_chosen": once(
        lambda w: large(w).record_chosen(MODERATOR, now=w.now)
    ),
    "assignment.candidate_pool.Shortlist.find_by_skills": once(
        lambda w: large(w).find_by_skills(["VPN"], now=w.now)
    ),
    "assignment.candidate_pool.Shortlist.least_recently_assigned": once(
        lambda w: large(w).least_recently_assigned(now=w.now)
    ),
    "models.set_aside.find_processable": once(
        lambda w: set_aside.find_processable(w.db, {"number": None}, now=w.now, limit=100)
    ),
    "models.set_aside.isolated": each(
        lambda w, t: set_aside.isolated(w.db, t, now=w.now).__enter__()
    ),
    "models.set_aside.recheck": once(lambda w: set_aside.recheck(w.db, now=w.now)),
    "models.set_aside.set_aside": each(
        lambda w, t: set_aside.set_aside(w.db, t, reason="x", now=w.now)
    ),
    "models.set_aside.write_isolated": once(
        lambda w: set_aside.write_isolated(w.db, [], now=w.now)
    ),
    "ops.job_health.count_failing": once(lambda w: job_health.count_failing(w.db)),
    "ops.job_health.load_job_runs": once(lambda w: job_health.load_job_runs(w.db)),
    "ops.job_health.find_failing": once(lambda w: job_health.find_failing(w.db, now=w.now)),
    "auth.sign_in.SignInService.sign_up": once(
        lambda w: w.sign_in.sign_up(email="new@example.com", password=PASSWORD)
    ),
    "auth.sign_in.SignInService.sign_in": once(
        lambda w: w.sign_in.sign_in(email=MO_ADDRESS, password=PASSWORD), "password"
    ),
    "auth.sign_in.SignInService.authenticate": once(
        lambda w: w.sign_in.authenticate(w.sign_in.issue_token(w.user(MODERATOR)))
    ),
    "auth.sign_in.SignInService.issue_device_token": once(
        lambda w: w.sign_in.issue_device_token(w.user(USER))
    ),
    "auth.sign_in.SignInService.issue_token": once(lambda w: w.sign_in.issue_token(w.user(USER))),
    "auth.sign_in.SignInService.sign_out": once(
        lambda w: w.sign_in.sign_out(token=w.sign_in.issue_token(w.users.get_many({USER})[USER]))
    ),
    "auth.sign_in.SignInService.sign_out_everywhere": once(
        lambda w: w.sign_in.sign_out_everywhere(user_id=USER)
    ),
    "routing.similar_tickets.find_precedents": once(
        lambda w: similar_tickets.find_precedents(
            w.db, text="VPN", likely=["VPN"], team_skills=["VPN", "DNS"]
        )
    ),
    "routing.similar_tickets.count_reporters": each(
        lambda w, t: similar_tickets.count_reporters(w.db, w.ticket(t), now=w.now)
    ),
    "assignment.candidate_pool.CandidateLoader.keep": once(kept),
    "assignment.candidate_pool.CandidateLoader.cached": once(lambda w: kept(w).cached(TEAM_ID)),
    "assignment.candidate_pool.CandidateLoader.reread": once(
        lambda w: kept(w).reread(TEAM_ID, {MODERATOR}, requesters={USER}, now=w.now)
    ),
    "assignment.candidate_pool.CandidateLoader.count_assigned": each(
        lambda w, t: kept(w).count_assigned(w.ticket(t))
    ),
    "assignment.candidate_pool.CandidateLoader.count": once(lambda w: w.staff.count()),
    "assignment.candidate_pool.CandidateLoader.load": once(
        lambda w: w.staff.load(list(w.db.users.find()), team_id=TEAM_ID, now=w.now)
    ),
    "assignment.candidate_pool.CandidateLoader.load_all": once(
        lambda w: [
            w.staff.load_all(team_id=TEAM_ID, now=w.now, deactivated=deactivated)
            for deactivated in (False, True)
        ]
    ),
    "assignment.candidate_pool.CandidateLoader.load_pool": once(
        lambda w: w.staff.load_pool(
            team_id=TEAM_ID, skills=["VPN"], favoured=frozenset({MODERATOR}), now=w.now
        )
    ),
    "assignment.candidate_pool.CandidateLoader.record_chosen": once(
        lambda w: w.staff.record_chosen(MODERATOR, now=w.now)
    ),
    "privacy.export.DataExport.export": once(
        lambda w: w.data_export.export(actor=OPERATOR, email=MO_ADDRESS)
    ),
    "outbox.deliveries.TicketThreads.find_ticket": once(
        lambda w: w.ticket_threads.find_ticket(team_id=TEAM_ID, message=PLACE)
    ),
    "outbox.deliveries.TicketThreads.find_marked": once(
        lambda w: w.ticket_threads.find_marked(team_id=TEAM_ID, message=PLACE)
    ),
    "outbox.deliveries.TicketThreads.find_conversation": once(
        lambda w: w.ticket_threads.find_conversation(team_id=TEAM_ID, message=PLACE)
    ),
    "outbox.deliveries.TicketThreads.find_ticket_of_copy": each(
        lambda w, t: w.ticket_threads.find_ticket_of_copy(
            DeliveryRef(str(t), "1:requester:x"), team_id=TEAM_ID
        )
    ),
    "outbox.deliveries.TicketThreads.find_by_comment": once(
        lambda w: w.ticket_threads.find_by_comment(team_id=TEAM_ID, message=PLACE)
    ),
    "outbox.deliveries.TicketThreads.check_all_recorded": once(
        lambda w: w.ticket_threads.check_all_recorded(MO.user_id)
    ),
    "ops.ticket_counts.cached_ticket_counts": once(
        lambda w: cached_ticket_counts(w.db, clock=w.clock)()
    ),
    "ops.ticket_counts.record_status_counts": once(
        lambda w: record_status_counts(w.db, now=w.clock())
    ),
    "ops.ticket_counts.count_tickets": once(lambda w: count_tickets(w.db, clock=w.clock)),
    "lists.api_pages.TicketPager.newest_page": once(
        lambda w: [w.ticket_pager.newest_page(actor=actor) for actor in (BOSS, JO)]
    ),
    "tickets.filing.TicketService.create": once(filed),
    "tickets.numbered_inserts.NumberedInserts.insert": once(
        lambda w: NumberedInserts(w.db).insert({"_id": ObjectId(), "teamId": TEAM_ID})
    ),
    "tickets.filing.TicketService.check_not_filed": once(
        lambda w: w.tickets.check_not_filed(actor=JO, team_id=TEAM_ID, source=SAID)
    ),
    "tickets.filing.TicketService.list_for_message": once(
        lambda w: w.tickets.list_for_message(actor=JO, team_id=TEAM_ID)
    ),
    "tickets.filing.TicketService.follow_message": once(
        lambda w: w.tickets.follow_message(
            team_id=TEAM_ID,
            source=SAID,
            before=("Mail", "It is down."),
            after=("Mail", "It is up."),
        )
    ),
    "tickets.filing.find_by_message": once(
        lambda w: find_by_message(w.db, team_id=TEAM_ID, message=PLACE)
    ),
    "tickets.channel_messages.ChannelMessages.find": once(
        lambda w: w.channel_messages.find(team_id=TEAM_ID, message=PLACE)
    ),
    "tickets.channel_messages.ChannelMessages.find_to_add_to": once(
        lambda w: w.channel_messages.find_to_add_to(team_id=TEAM_ID, message=PLACE, author=USER)
    ),
    "tickets.channel_messages.ChannelMessages.add": each(
        lambda w, t: w.channel_messages.add(w.ticket(t), message=PLACE, words="Since Monday.")
    ),
    "tickets.channel_messages.ChannelMessages.follow": each(
        lambda w, t: w.channel_messages.follow(w.ticket(t), before=SAID_WORDS, after=NO_WORDS)
    ),
    "tickets.channel_messages.ChannelMessages.withdraw": each(
        lambda w, t: w.channel_messages.withdraw(
            w.ticket(t), written=SAID_WORDS, deleted=NO_WORDS, is_soon=True
        )
    ),
    "tickets.filing.TicketService.get": each(
        lambda w, t: w.tickets.get(actor=JO, ticket_id=str(t))
    ),
    "tickets.filing.TicketService.get_by_number": each(
        lambda w, t: w.tickets.get_by_number(
            actor=BOSS, team_id=TEAM_ID, number=w.ticket(t).number or 0
        )
    ),
    "tickets.queries.load_ticket": each(lambda w, t: load_ticket(w.db, str(t))),
    "routing.training.Training.run_if_due": once(lambda w: w.training.run_if_due()),
    "linking.account_linking.AccountLinking.preview_unlink": once(
        lambda w: w.account_linking.preview_unlink(actor=MO)
    ),
    "linking.account_linking.AccountLinking.unlink": once(unlinked),
    "linking.account_linking.AccountLinking.issue_code": once(
        lambda w: w.account_linking.issue_code(user=w.user(MODERATOR))
    ),
    "linking.account_linking.AccountLinking.unlink_all": once(all_unlinked),
    "linking.account_linking.AccountLinking.unlink_account": once(
        lambda w: (linked(w), w.account_linking.unlink_account(actor=OPERATOR, email=MO_ADDRESS))
    ),
    "linking.links.LinkService.may_replace": once(
        lambda w: (linked(w), w.links.may_replace(w.link, w.member()))
    ),
    "linking.account_linking.AccountLinking.linked_members": once(
        lambda w: w.account_linking.linked_members(actor=MO)
    ),
    "tickets.queries.load_several": each(lambda w, t: ticket_queries.load_several(w.db, [str(t)])),
    "tickets.queries.load_for_reminders": each(lambda w, t: load_for_reminders(w.db, [t])),
    "tickets.queries.count_open_tickets": once(
        lambda w: ticket_queries.count_open_tickets(w.db, MODERATOR)
    ),
    "accounts.confirmation.EmailConfirmation.is_confirmed": once(
        lambda w: [w.users.confirmation.is_confirmed(w.user(doc["_id"])) for doc in USERS]
    ),
    "accounts.confirmation.EmailConfirmation.find_unconfirmed": once(
        lambda w: w.users.confirmation.find_unconfirmed(w.user(doc["_id"]) for doc in USERS)
    ),
    "accounts.confirmation.EmailConfirmation.check_role_change": once(
        lambda w: w.users.confirmation.check_role_change(w.doc(MODERATOR), {"role": "admin"})
    ),
    "accounts.confirmation.EmailConfirmation.record": once(
        lambda w: w.users.confirmation.record(w.user(AL), by="self")
    ),
    "accounts.users.UserService.confirm_email": once(
        lambda w: w.users.confirm_email(actor=OPERATOR, email=AL_ADDRESS)
    ),
    "accounts.users.UserService.find_confirmed": once(
        lambda w: w.users.find_confirmed("jo@example.com")
    ),
    "accounts.users.UserService.find_docs_of_person": once(
        lambda w: w.users.find_docs_of_person("jo@example.com")
    ),
    "accounts.users.store_account": once(
        lambda w: store_account(w.db, new_account_doc(email=AL_ADDRESS, role=Role.USER, now=w.now))
    ),
    "accounts.users.UserService.get": once(lambda w: [w.users.get(doc["_id"]) for doc in USERS]),
    "accounts.users.UserService.can_work_on_tickets": once(
        lambda w: [w.users.can_work_on_tickets(doc["_id"]) for doc in USERS]
    ),
    "accounts.users.UserService.get_many": once(
        lambda w: w.users.get_many({doc["_id"] for doc in USERS})
    ),
    "accounts.users.UserService.active_ids_with_role": once(
        lambda w: w.users.active_ids_with_role(Role.ADMIN)
    ),
    "accounts.users.UserService.active_ids_for_private_tickets": once(
        lambda w: w.users.active_ids_for_private_tickets()
    ),
    "account_admin.private_ticket_settings.PrivateTicketSettingsService.get": once(
        lambda w: w.private_ticket_settings.get(actor=BOSS)
    ),
    "account_admin.private_ticket_settings.PrivateTicketSettingsService.save": once(
        lambda w: w.private_ticket_settings.save(actor=BOSS, people=[str(MODERATOR)])
    ),
    "team_settings.private_tickets.load_state": once(lambda w: private_tickets.load_state(w.db)),
    "team_settings.private_tickets.prepare_for_private_ticket": once(
        lambda w: (
            refused(lambda: private_tickets.prepare_for_private_ticket(w.db, now=w.now))
            if private_tickets.load_state(w.db).is_legacy_in_use(w.now)
            else private_tickets.prepare_for_private_ticket(w.db, now=w.now)
        )
    ),
    "core.legacy_backend.last_write": once(lambda w: legacy_backend.last_write(w.db)),
    "core.legacy_backend.record_write": once(lambda w: legacy_backend.record_write(w.db, w.now)),
    "core.legacy_backend.record_earlier_writes": once(
        lambda w: legacy_backend.record_earlier_writes(
            w.db, now=w.now, window=private_tickets.LEGACY_WINDOW
        )
    ),
    "accounts.users.UserService.list_all": once(lambda w: w.users.list_all(actor=OPERATOR)),
    "accounts.users.UserService.create": once(
        lambda w: w.users.create(actor=OPERATOR, email="new@example.com")
    ),
    "accounts.users.UserService.update": once(
        lambda w: [
            w.users.update(actor=OPERATOR, email=MO_ADDRESS, role=Role.USER),
            w.users.update(actor=OPERATOR, email="sec@example.com", skills=["DNS"]),
        ],
        "role",
        "skills",
    ),
    "accounts.users.UserService.find_by_email": once(
        lambda w: w.users.find_by_email("jo@example.com")
    ),
    "accounts.users.UserService.find_docs_by_email": once(
        lambda w: w.users.find_docs_by_email("jo@example.com")
    ),
    "accounts.users.UserService.team_skills": once(lambda w: w.users.team_skills()),
    "accounts.users.UserService.get_doc_by_email": once(
        lambda w: w.users.get_doc_by_email(MO_ADDRESS)
    ),
    "home.sessions.HomeSessions.last_screen": once(lambda w: w.home_sessions.last_screen(LINK)),
    "home.sessions.HomeSessions.navigate": once(watched),
    "home.sessions.HomeSessions.is_current": once(
        lambda w: w.home_sessions.is_current(LINK, sequence=watched(w))
    ),
    "home.sessions.HomeSessions.record_view_hash": once(
        lambda w: w.home_sessions.record_view_hash(
            LINK, sequence=watched(w), view_hash="1.5", content="x"
        )
    ),
    "home.sessions.HomeSessions.watchers": each(
        lambda w, t: w.home_sessions.watchers([w.ticket(t)], links=list(w.db.links.find()))
    ),
    "home.sessions.HomeSessions.request_refresh": once(
        lambda w: (watched(w), w.home_sessions.request_refresh(LINK, within=timedelta(seconds=1)))
    ),
    "home.sessions.HomeSessions.claim_refresh": once(
        lambda w: (watched(w), w.home_sessions.claim_refresh(LINK))
    ),
    "home.sessions.HomeSessions.clear_view_hash": once(forgotten),
    "home.sessions.HomeSessions.forget_content": once(
        lambda w: w.home_sessions.forget_content(LINK)
    ),
    "home.sessions.HomeSessions.give_up": once(abandoned),
    "home.sessions.HomeSessions.request_unconfirmed": once(
        lambda w: (watched(w), w.home_sessions.request_unconfirmed(limit=10))
    ),
    "outbox.pending.retry_unassigned": once(lambda w: pending.retry_unassigned(w.db, now=w.now)),
    "outbox.pending.retry_due_unassigned": once(
        lambda w: pending.retry_due_unassigned(w.db, now=w.now)
    ),
    "outbox.deliveries.find_operator_failures": once(
        lambda w: list(deliveries.find_operator_failures(w.db, created_after=w.now))
    ),
    "outbox.deliveries.find_given_up": once(
        lambda w: deliveries.find_given_up(w.db, created_after=w.now - timedelta(days=60), limit=5)
    ),
    "outbox.delivery_migration.retry_operator_failures": once(
        lambda w: retry_operator_failures(w.db, limit=500, now=w.now)
    ),
    "outbox.pending.count_unassigned": once(lambda w: pending.count_unassigned(w.db)),
    "tickets.queries.iter_tickets": once(
        lambda w: list(ticket_queries.iter_tickets(w.db, ["title"]))
    ),
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
    legacy_app.load_into(emptied, team_id=TEAM_ID)
    return World(emptied)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_it_loses_nothing(world: World, name: str) -> None:
    before = legacy_app.contents(world.db)
    TABLE[name].run(world)
    after = legacy_app.contents(world.db)
    assert legacy_app.lost(before, after, TABLE[name].may) == []


def methods() -> Iterator[str]:
    """Everything in the services that is given the database, by module, class and name."""
    for info in pkgutil.walk_packages(services.__path__, "services."):
        module = importlib.import_module(info.name)
        place = info.name.removeprefix("services.")
        for name, made in vars(module).items():
            if name.startswith("_") or getattr(made, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(made) and "db" in inspect.signature(made).parameters:
                yield f"{place}.{name}"
            makes = getattr(made, "__init__", None) if inspect.isclass(made) else None
            given = inspect.signature(makes).parameters if inspect.isfunction(makes) else {}
            if "db" in given or "dependencies" in given:
                own = [key for key, of in vars(made).items() if inspect.isfunction(of)]
                public = [key for key in own if not key.startswith("_")]
                yield from (f"{place}.{name}.{key}" for key in public)


def test_the_table_has_every_method() -> None:
    others = tuple(f"{module}." for module in ELSEWHERE)
    found = {name for name in methods() if not name.startswith(others)}
    assert sorted(found - set(TABLE)) == []
    assert sorted(set(TABLE) - found) == []


@pytest.mark.parametrize("module", sorted(ELSEWHERE))
def test_the_others_touch_neither_accounts_nor_tickets(module: str) -> None:
    source = inspect.getsource(pkgutil.resolve_name(f"services.{module}"))
    written = re.findall(r"db\.(?:users|tickets)\.(?!find|count|distinct|aggregate)\w+", source)
    assert written == []
