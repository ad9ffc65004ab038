import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import IndexModel, MongoClient
from pymongo.errors import DuplicateKeyError

import services
from demo.servers import MongoServer
from services.account_admin.account_admin import PersonFields
from services.accounts.account_search import AccountCursor
from services.auth import password_reset
from services.auth.one_time_codes import CodeKind
from services.availability.availability_service import AvailabilityChange
from services.availability.slack_status import MemberStatus, SlackStatus
from services.channels.channel_settings import ChannelChoice
from services.channels.request_channels import ChannelMode, ChannelState
from services.channels.slack_channel import SlackChannel
from services.core.database import Mongo, connect
from services.core.errors import InvalidValue
from services.core.installation import claim_installation
from services.core.leases import BackoffLock, Lease, is_paused, pause
from services.digest.digest_service import DigestCounts
from services.lists.list_query import ListKind, ListQuery, skill_key
from services.models.comment import MessageRef as SlackPlace
from services.models.message_source import checked_source
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember
from services.models.ticket import AnalysisSource, AssigneeChoice, Card, ChoiceReason
from services.models.user import Role, User
from services.ops import job_health
from services.outbox import deliveries, pending
from services.outbox.deliveries import SentMessage
from services.outbox.emails import EmailKind
from services.registry.indexes import INDEXES, collect_indexes, ensure_indexes, missing_indexes
from services.registry.services import Services
from services.routing import similar_tickets
from services.sla import recompute
from services.tickets import legacy, release
from services.tickets.access import visible_to
from tests.conftest import FixedClock, at_once, build_services, file_ticket
from tests.support.query_rule import QueryRecorder, query_faults
from tests.support.slack_workspace import TEAM_ID, TEAM_URL


def declared_indexes() -> dict[str, set[tuple[str, str]]]:
    """(collection, name) of every index that a module of `services` declares, by module."""
    found = {}
    for info in pkgutil.walk_packages(services.__path__, "services."):
        declared = vars(importlib.import_module(info.name)).get("INDEXES")
        if declared is not None and info.name != "services.registry.indexes":
            found[info.name] = names(declared)
    return found


def names(indexes: Mapping[str, Sequence[IndexModel]]) -> set[tuple[str, str]]:
    return {(name, index.document["name"]) for name, those in indexes.items() for index in those}


def test_every_declared_index_is_collected() -> None:
    declared = declared_indexes()
    assert len(declared) > 10
    assert {module for module in declared if not module.endswith(".indexes")} == set()
    assert sorted(one for those in declared.values() for one in those) == sorted(names(INDEXES))


def test_an_index_is_declared_once() -> None:
    one = {"users": (IndexModel("a"), IndexModel("b")), "links": (IndexModel("a"),)}
    other = {"users": (IndexModel("c"),)}
    assert names(collect_indexes(one, other)) == names(one) | names(other)
    with pytest.raises(ValueError, match=r"users\.b_1 is declared twice"):
        collect_indexes(one, {"users": (IndexModel("b", sparse=True),)})


@pytest.fixture
def bare(mongo: MongoServer) -> Iterator[Mongo]:
    """A database without an index."""
    db = connect(mongo.uri_for(f"test-{ObjectId()}"))
    yield db
    db.client.close()


def test_every_index_is_made_once_whoever_asks_and_how_often(bare: Mongo) -> None:
    wanted = {
        f"{collection}.{index.document['name']}"
        for collection, indexes in INDEXES.items()
        for index in indexes
    }
    assert set(map(str, missing_indexes(bare))) == wanted
    assert at_once(*[lambda: ensure_indexes(bare)] * 4) == [None] * 4
    ensure_indexes(bare)
    assert missing_indexes(bare) == []
    made = {name: set(bare[name].index_information()) - {"_id_"} for name in INDEXES}
    assert {f"{name}.{index}" for name, indexes in made.items() for index in indexes} == wanted


def test_legacy_documents_do_not_stand_in_the_way(bare: Mongo) -> None:
    bare.users.insert_many([{"email": "jo@example.com"}, {"email": "jo@example.com"}])
    bare.tickets.insert_many([{"title": "a"}, {"title": "a"}, {"number": None}, {"number": None}])
    ensure_indexes(bare)
    bare.tickets.insert_many([{"title": "b"}, {"title": "b"}])


@pytest.mark.parametrize(
    ("collection", "doc"),
    [
        ("tickets", {"teamId": "T1", "number": 1}),
        ("tickets", {"teamId": "T1", "requestId": "V1"}),
        ("tickets", {"teamId": "T1", "source": {"channel": "C1", "ts": "1.000001"}}),
        ("links", {"teamId": "T1", "userId": "u"}),
    ],
)
def test_what_must_be_unique_in_a_team_is(db: Mongo, collection: str, doc: dict[str, Any]) -> None:
    db[collection].insert_one(dict(doc))
    db[collection].insert_one(doc | {"teamId": "T2"})
    with pytest.raises(DuplicateKeyError):
        db[collection].insert_one(dict(doc))


def use_all(db: Mongo, clock: FixedClock) -> None:
    """Everything the services do for filing, assigning, notifying and resolving."""
    made = build_services(db, clock, REDIS_URL="redis://127.0.0.1:9/0", TRIAGE_CHANNEL="C0TRIAGE")
    users, tickets, links, store = made.users, made.tickets, made.links, made.assignments
    claim_installation(db, team_id=TEAM_ID)
    Lease(db, "jobs", clock=clock).acquire()
    _learn(made, clock)
    invited = users.create(actor=OPERATOR, email="jo@example.com", role=Role.MODERATOR)
    users.update(actor=OPERATOR, email="jo@example.com", skills=["VPN"])
    for number, email in enumerate(("jo@example.com", "al@example.com")):
        links.get_or_create_user(
            SlackMember(TEAM_ID, f"U{number}", TEAM_ID, email, email_confirmed=True)
        )
    users.team_skills()
    users.active_ids_with_role(Role.ADMIN)
    users.get_many({invited.id})
    links.slack_ids(team_id=TEAM_ID, user_ids={invited.id})
    ticket = file_ticket(tickets, invited)
    message = checked_source(team_url=TEAM_URL, channel="C1X", ts="1.000001")
    tickets.check_not_filed(actor=Actor.from_user(invited), team_id=TEAM_ID, source=message)
    store.claim(ticket, now=clock())
    for likely in ([], ["VPN"]):
        similar_tickets.find_precedents(db, text="VPN", likely=likely, team_skills=["VPN"])
    similar_tickets.count_reporters(db, ticket, now=clock())
    store.candidates(team_id=TEAM_ID, now=clock())
    store.queue_unassigned(ticket, now=clock())
    made.explanations.explain_reference(actor=OPERATOR, reference=str(ticket.number))
    pending.retry_due_unassigned(db, now=clock())
    pending.retry_unassigned(db, now=clock())
    job_health.find_failing(db, now=clock())
    ticket = tickets.get(actor=Actor.from_user(invited), ticket_id=str(ticket.id))
    store.assign(
        ticket,
        AssigneeChoice(invited.id, ChoiceReason.SKILLS, "knows VPN", 1.0, {}),
        source=AnalysisSource.ROUTER,
        now=clock(),
    )
    store.release_claim(ticket.id)
    for kind in ListKind:
        made.lists.get_page(
            actor=Actor.from_user(invited), team_id=TEAM_ID, list_query=ListQuery(kind)
        )
    for selection in (
        ListQuery(ListKind.QUEUE, assignee=str(invited.id)),
        ListQuery(ListKind.QUEUE, skill=skill_key("VPN")),
    ):
        made.lists.get_page(actor=Actor.from_user(invited), team_id=TEAM_ID, list_query=selection)
    recompute.recompute_stale(db)
    db.tickets.insert_one({"title": "The legacy backend's"})
    legacy.sync_legacy_tickets(db, now=clock())
    _go_by_the_clock(made, ticket.id, invited.id, clock)
    list(pending.due_tickets(db, now=clock(), limit=9))
    pending.back_off(db, ticket, now=clock())
    card = Card("requester", invited.id, "D1", "1.5", seq=1, digest="d")
    deliveries.claim(db, ticket.id, "k", now=clock())
    deliveries.mark_sent(db, ticket.id, SentMessage("k", "D1", "1.5", card))
    deliveries.record_card_update(db, ticket.id, card, seq=2, digest="d", now=clock())
    pending.mark_delivered(db, ticket.id, expected_seq=1)
    deliveries.invalidate_card(db, ticket.id, channel="D1", ts="1.5", now=clock())
    manage_people(made, invited.id)
    _manage_channels(made)
    made.ticket_actions.resolve(
        actor=Actor.from_user(invited), ticket_id=str(ticket.id), resolution="Done."
    )
    made.ticket_actions.refresh_message(
        actor=Actor.from_user(invited), ticket_id=str(ticket.id), channel="D1", ts="1.5"
    )
    _talk(made, Actor.from_user(invited), str(ticket.id))
    _claim_addresses(made, clock)
    _have_accounts(made)
    _send_emails(made, ticket.id, invited.id)
    _link(made, invited, clock)
    _be_away(made, Actor.from_user(invited), clock)
    _send_digests(made, Actor.from_user(invited))
    made.data_export.export(actor=OPERATOR, email="jo@example.com")
    made.erasure.erase(actor=OPERATOR, email="jo@example.com")


def _manage_channels(made: Services) -> None:
    """Everything admins do to request channels, and what Slack says about one."""
    settings, admin = made.channel_settings, Actor(ObjectId(), Role.ADMIN)
    hr = SlackChannel("C0HR", "hr", is_private=False, state=ChannelState.ACTIVE)
    choice = ChannelChoice(ChannelMode.EVERY_MESSAGE)
    settings.add(actor=admin, team_id=TEAM_ID, channel=hr, choice=choice)
    settings.change(actor=admin, team_id=TEAM_ID, channel="C0HR", mode=ChannelMode.ON_REQUEST)
    settings.list(actor=admin)
    settings.due()
    settings.check(TEAM_ID, "C0HR", lambda: hr)
    settings.change_id(TEAM_ID, "C0HR", "C0NEW")
    settings.remove(actor=admin, team_id=TEAM_ID, channel="C0NEW")
    settings.add(actor=admin, team_id=TEAM_ID, channel=hr, choice=choice)


def manage_people(made: Services, moderator: ObjectId) -> None:
    """Everything admins do to accounts."""
    service, admin = made.account_admin, Actor(ObjectId(), Role.ADMIN)
    first = service.page(actor=admin, cursor=AccountCursor(search="j jo"))
    service.page(actor=admin, cursor=AccountCursor(anchor_id=first.users[0].id))
    shown = PersonFields.from_user(service.get(actor=admin, user_id=str(moderator)))
    for fields in ({"active": "deactivated"}, {"active": "active", "role": "admin"}):
        wanted = replace(shown, **fields)
        service.update(actor=admin, user_id=str(moderator), shown=shown, wanted=wanted)
        service.release_tickets(actor=admin, user_id=moderator)
        release.accounts_to_release(made.db, now=made.clock())
        shown = wanted
    made.db.users.insert_one({"role": "admin"})
    wanted = replace(shown, role="moderator")
    service.update(actor=admin, user_id=str(moderator), shown=shown, wanted=wanted)
    service.update_own(actor=Actor(moderator, Role.MODERATOR), skills="VPN")


def _learn(made: Services, clock: FixedClock) -> None:
    made.db.tickets.insert_one({"status": "COMPLETED", "title": "old"})
    for _ in range(2):
        made.training.run_if_due()
        clock.advance(days=1)
    clock.advance(days=-2)
    made.models.resolver_scores("old")


def _be_away(made: Services, actor: Actor, clock: FixedClock) -> None:
    status_sync, handover_offers = made.status_sync, made.handover_offers
    service, holiday = made.availability, SlackStatus("Vacation")
    status_sync.release_claims([user.id for user in status_sync.claim_due(limit=9)], due_at=clock())
    status_sync.claim_due(limit=9)
    status_sync.has_due()
    status_sync.on_status_event(team_id=TEAM_ID, slack_user_id="U0", member=MemberStatus(holiday))
    status_sync.record_status(actor.user_id, MemberStatus(holiday))
    service.get(actor=actor)
    service.update(actor=actor, change=AvailabilityChange(away_until=clock() + timedelta(days=9)))
    handover_offers.has_due()
    offer = handover_offers.claim_next()
    if offer:
        handover_offers.retry_later(offer)
        handover_offers.mark_sent(offer, channel="D1", ts="1.5")
        handover_offers.mark_failed(offer, error="is_bot")
    key = (made.db.users.find_one({"_id": actor.user_id}) or {}).get("handOver", {}).get("key", "")
    for hand_over in (False, True):
        handover_offers.decide(
            actor=actor, user_id=str(actor.user_id), key=key, hand_over=hand_over
        )
    clock.advance(days=10)
    status_sync.end_absences()
    clock.advance(days=-10)
    pause(made.db, "x", until=clock())
    is_paused(made.db, "x", now=clock())
    made.status_rules.write(actor=OPERATOR, away=["Kur"], available=[])


def _send_digests(made: Services, actor: Actor) -> None:
    digests = made.digests
    digests.set_enabled(actor=actor, enabled=True)
    digests.has_due()
    for account in digests.due():
        digests.claim(account)
    digests.due()
    clock = made.clock
    counts = DigestCounts(made.db, now=clock())
    counts.for_assignee(actor.user_id)
    counts.queue(visible_to(OPERATOR))
    counts.activity(clock() - timedelta(days=1), clock(), visible_to(OPERATOR))


def _talk(made: Services, actor: Actor, ticket_id: str) -> None:
    comments, place = made.comments, SlackPlace("D1", "1.6")
    made.ticket_threads.check_all_recorded(actor.user_id)
    assert made.ticket_threads.find_ticket(team_id=TEAM_ID, message=SlackPlace("D1", "1.5"))
    comments.add(actor=actor, ticket_id=ticket_id, text="Hello", message=place)
    comments.edit(actor=actor, ticket_id=ticket_id, text="Hello!", message=place)
    comments.delete(ticket_id=ticket_id, message=place)
    ticket = comments.get_for_comment(actor=actor, ticket_id=ticket_id, internal=False)
    deliveries.record_message_update(
        made.db, ticket.id, "k", seq=ticket.seq, version="v", now=made.clock()
    )


def _link(made: Services, user: User, clock: FixedClock) -> None:
    """Everything about who acts as whom in Slack."""
    codes, account_linking = made.codes, made.account_linking
    account_linking, following = made.account_linking, made.member_sync
    member = SlackMember(TEAM_ID, "U0", TEAM_ID, "jo@example.com", email_confirmed=True)
    account_linking.linked_members(actor=Actor.from_user(user))
    for _ in range(2):
        account_linking.preview_unlink(actor=Actor.from_user(user))
        account_linking.unlink(actor=Actor.from_user(user), team_id=TEAM_ID, slack_user_id="U0")
        with pytest.raises(InvalidValue):
            account_linking.preview_code(member=member, code="wrong")
        offer = account_linking.preview_code(
            member=member, code=codes.issue(kind=CodeKind.LINK, user_id=user.id)
        )
        account_linking.confirm_code(member=member, code_id=offer.code_id)
        clock.advance(minutes=15)
    for changed in (replace(member, is_deleted=True), replace(member, email="new@example.com")):
        following.has_changes(member=changed)
        following.sync(member=changed)
    codes.revoke(user_id=user.id)


def _claim_addresses(made: Services, clock: FixedClock) -> None:
    """Everything about unconfirmed accounts with a Slack member's address."""
    claims, tickets = made.address_claims, made.tickets
    for number in range(2):
        email = f"claim{number}@example.com"
        member = SlackMember(TEAM_ID, f"U1{number}", TEAM_ID, email, email_confirmed=True)
        claim = made.sign_in.sign_up(email=email, password="correct horse")
        own = made.links.get_or_create_user(member)
        for user in (claim, own):
            file_ticket(tickets, user)
        claims.find(own)
        claims.get_other(actor=Actor.from_user(own), user_id=str(claim.id))
        if number:
            claims.disown(actor=Actor.from_user(own), member=member, user_id=str(claim.id))
        else:
            code = made.codes.issue(kind=CodeKind.LINK, user_id=claim.id)
            offer = made.account_linking.preview_code(member=member, code=code)
            made.account_linking.confirm_code(member=member, code_id=offer.code_id)
        made.users.find_docs_of_person(email)
        if not number:
            made.account_linking.unlink_account(actor=OPERATOR, email=email)
    clock.advance(minutes=3)
    for user_id in claims.accounts_to_close():
        claims.continue_closing(user_id)


def _have_accounts(made: Services) -> None:
    """Everything behind pages and API that is about accounts."""
    sign_in, password, email = made.sign_in, "correct horse", "eve@example.com"
    sign_in.sign_up(email=email, password=password)
    user = sign_in.sign_in(email=email, password=password)
    sign_in.authenticate(sign_in.issue_token(user))
    sign_in.sign_out_everywhere(user_id=user.id)
    made.profiles.update_own(actor=Actor.from_user(user), name="Eve", skills=["VPN"])
    made.profiles.update_own(
        actor=Actor.from_user(user), password="another horse", current_password=password
    )
    made.address_confirmations.request_link(actor=Actor.from_user(user))
    code = made.codes.issue(kind=CodeKind.CONFIRM, user_id=user.id)
    made.address_confirmations.confirm(actor=Actor.from_user(user), code=code)
    made.codes.issue(kind=CodeKind.CONFIRM, user_id=user.id)
    made.users.update(actor=OPERATOR, email=email, role="moderator", skills=[])
    made.password_resets.request_link(email=email)
    code = password_reset.issue_reset_code(made.users, made.codes, actor=OPERATOR, email=email)
    made.password_resets.reset(code=code, password=password)


def _go_by_the_clock(
    made: Services, ticket_id: ObjectId, user_id: ObjectId, clock: FixedClock
) -> None:
    db, steps = made.db, made.escalation_steps
    given = {"status": "IN_PROGRESS", "assignedTo": user_id, "assignment.at": clock()}
    began = {"accept": {"about": "a", "since": clock() - timedelta(days=9)}}
    was = db.tickets.find_one({"_id": ticket_id}) or {}
    for done in (None, "accept_reminder"):
        tracks = {"accept": {**began["accept"], **({"done": done} if done else {})}}
        values = {**given, "alarm": {"at": clock()}, "ladders": tracks}
        db.tickets.update_one({"_id": ticket_id}, {"$set": values})
        assert [steps.take(due) for due in steps.due()]
    reminder_queue = made.reminders
    for key in ("held", "dropped"):
        reminder_queue.queue(
            key=key, recipient=user_id, ticket_id=ticket_id, seq=1, kind="due_soon"
        )
        clock.advance(minutes=1)
        claim = reminder_queue.claim(*reminder_queue.due_recipients())
        assert claim
        if key == "held":
            reminder_queue.defer(claim, until=clock())
        else:
            reminder_queue.discard(claim, claim.reminders)
        reminder_queue.release_claim(claim, until=clock())
        reminder_queue.finish(claim, why="sent")
        clock.advance(minutes=-1)
    db.tickets.replace_one({"_id": ticket_id}, was)


def _send_emails(made: Services, ticket_id: ObjectId, user_id: ObjectId) -> None:
    emails = made.emails
    gate = BackoffLock(made.db, "mail", lock_timeout=timedelta(1), clock=made.clock)
    deliveries.mark_delegated(made.db, ticket_id, "1:mail:x")
    gate.acquire()
    for end in (emails.mark_sent, lambda letter: emails.retry_later(letter, error="450")):
        email_id = emails.queue(EmailKind.WELCOME, user_id=user_id, key=str(end))
        letter = emails.claim(email_id)
        assert letter
        end(letter)
    emails.next_due_id()
    emails.claim()
    emails.discard_all(why="off")
    gate.back_off()


def test_every_query_of_the_services_is_served_by_an_index(
    mongo: MongoServer, db: Mongo, clock: FixedClock
) -> None:
    watch = QueryRecorder()
    client: MongoClient[dict[str, Any]] = MongoClient(
        mongo.uri, tz_aware=True, event_listeners=[watch]
    )
    use_all(client[db.name], clock)
    client.close()
    assert {collection for _, collection in watch.places} >= {"users", "links", "tickets", "leases"}
    assert query_faults(watch.found) == []
