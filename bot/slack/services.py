"""What is behind the handlers, put together once a process."""

from dataclasses import dataclass

from slack_sdk import WebClient

from services.accounts.users import UserService
from services.assignment.dry_run import ExplainService
from services.assignment.reassign import Reassignment
from services.auth.one_time_codes import OneTimeCodes
from services.availability.availability_service import AvailabilityService
from services.availability.handover_offers import HandoverOffers
from services.availability.status_rules import StatusRulesStore
from services.availability.status_sync import StatusSync
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.processed_events import ProcessedEvents
from services.digest.digest_service import DigestPreference
from services.editing.ticket_edits import TicketEdits
from services.home.home_service import HomeService
from services.home.sessions import HomeSessions
from services.linking.link_by_code import LinkByCode
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.linking.unlink import Unlink
from services.lists.list_service import ListService
from services.outbox.deliveries import TicketThreads
from services.outbox.emails import Emails
from services.outbox.pending import Publisher
from services.people.account_admin import AccountAdmin
from services.routing.model_store import ModelStore
from services.team_settings.settings_service import TeamSettings
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService
from services.tickets.requester_actions import RequesterActions


@dataclass(frozen=True, slots=True)
class BotServices:
    """`team_url` ends in a slash, as Slack's answer to `auth.test` does."""

    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    tickets: TicketService
    moves: TicketActions
    handing_on: Reassignment
    comments: CommentService
    threads: TicketThreads
    edits: TicketEdits
    links: LinkService
    lists: ListService
    home: HomeService
    visits: HomeSessions
    inbox: ProcessedEvents
    people: AccountAdmin
    settings: TeamSettings
    linking: LinkByCode
    unlinking: Unlink
    following: MemberSync
    availability: AvailabilityService
    presences: StatusSync
    presence_rules: StatusRulesStore
    hand_overs: HandoverOffers
    digest: DigestPreference
    answering: RequesterActions
    explaining: ExplainService
    reads_with_ai: bool
    app_url: str | None
    ticket_emoji: str

    @classmethod
    def of(
        cls,
        db: Mongo,
        users: UserService,
        links: LinkService,
        codes: OneTimeCodes,
        letters: Emails,
        *,
        client: WebClient,
        publisher: Publisher,
        team_id: str,
        team_url: str,
        reads_with_ai: bool = False,
        app_url: str | None = None,
        ticket_emoji: str = "ticket",
        clock: Clock = utcnow,
    ) -> "BotServices":
        """All services made here, on `db`."""
        models, moves = ModelStore(db, clock=clock), TicketActions(db, users, clock=clock)
        comments = CommentService(db, clock=clock)
        return cls(
            tickets=TicketService(db, clock=clock),
            moves=moves,
            handing_on=Reassignment(db, users, links, moves, models, clock=clock),
            comments=comments,
            threads=TicketThreads(db),
            edits=TicketEdits(db, users, links, clock=clock),
            links=links,
            lists=ListService(db, users, links, clock=clock),
            home=HomeService(db, users, links, clock=clock),
            visits=HomeSessions(db, clock=clock),
            inbox=ProcessedEvents(db),
            people=AccountAdmin(db, clock=clock),
            settings=TeamSettings(db, clock=clock),
            linking=LinkByCode(db, users, links, codes, letters, clock=clock),
            unlinking=Unlink(db, users, links, letters, clock=clock),
            following=MemberSync(db, users, codes, clock=clock),
            availability=AvailabilityService(db, clock=clock),
            presences=StatusSync(db, clock=clock),
            presence_rules=StatusRulesStore(db, clock=clock),
            hand_overs=HandoverOffers(db, clock=clock),
            digest=DigestPreference(db),
            answering=RequesterActions(db, moves, comments, clock=clock),
            explaining=ExplainService(db, users, links, models, clock=clock),
            client=client,
            publisher=publisher,
            team_id=team_id,
            team_url=team_url,
            reads_with_ai=reads_with_ai,
            app_url=app_url,
            ticket_emoji=ticket_emoji,
        )
