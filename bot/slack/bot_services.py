"""The services behind the handlers and the Slack client, built once per process."""

from dataclasses import dataclass

from slack_sdk import WebClient

from services.account_admin.account_admin import AccountAdmin
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
from services.routing.model_store import ModelStore
from services.team_settings.settings_service import TeamSettings
from services.tickets.actions import TicketActions
from services.tickets.comments import CommentService
from services.tickets.filing import TicketService


@dataclass(frozen=True, slots=True)
class BotServices:
    """`team_url` ends in a slash, as Slack's answer to `auth.test` does."""

    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    tickets: TicketService
    ticket_actions: TicketActions
    reassignment: Reassignment
    comments: CommentService
    ticket_threads: TicketThreads
    ticket_edits: TicketEdits
    links: LinkService
    lists: ListService
    home: HomeService
    home_sessions: HomeSessions
    processed_events: ProcessedEvents
    account_admin: AccountAdmin
    team_settings: TeamSettings
    link_by_code: LinkByCode
    unlink_service: Unlink
    member_sync: MemberSync
    availability: AvailabilityService
    status_sync: StatusSync
    status_rules: StatusRulesStore
    handover_offers: HandoverOffers
    digest_preference: DigestPreference
    explanations: ExplainService
    is_ai_enabled: bool
    app_url: str | None
    ticket_emoji: str

    @classmethod
    def build(
        cls,
        db: Mongo,
        users: UserService,
        links: LinkService,
        codes: OneTimeCodes,
        emails: Emails,
        *,
        client: WebClient,
        publisher: Publisher,
        team_id: str,
        team_url: str,
        is_ai_enabled: bool = False,
        app_url: str | None = None,
        ticket_emoji: str = "ticket",
        clock: Clock = utcnow,
    ) -> "BotServices":
        """All services made here, on `db`."""
        models, ticket_actions = ModelStore(db, clock=clock), TicketActions(db, users, clock=clock)
        comments = CommentService(db, clock=clock)
        return cls(
            tickets=TicketService(db, clock=clock),
            ticket_actions=ticket_actions,
            reassignment=Reassignment(db, users, links, ticket_actions, models, clock=clock),
            comments=comments,
            ticket_threads=TicketThreads(db),
            ticket_edits=TicketEdits(db, users, links, clock=clock),
            links=links,
            lists=ListService(db, users, links, clock=clock),
            home=HomeService(db, users, links, clock=clock),
            home_sessions=HomeSessions(db, clock=clock),
            processed_events=ProcessedEvents(db),
            account_admin=AccountAdmin(db, clock=clock),
            team_settings=TeamSettings(db, clock=clock),
            link_by_code=LinkByCode(db, users, links, codes, emails, clock=clock),
            unlink_service=Unlink(db, users, links, emails, clock=clock),
            member_sync=MemberSync(db, users, codes, clock=clock),
            availability=AvailabilityService(db, clock=clock),
            status_sync=StatusSync(db, clock=clock),
            status_rules=StatusRulesStore(db, clock=clock),
            handover_offers=HandoverOffers(db, clock=clock),
            digest_preference=DigestPreference(db),
            explanations=ExplainService(db, users, links, models, clock=clock),
            client=client,
            publisher=publisher,
            team_id=team_id,
            team_url=team_url,
            is_ai_enabled=is_ai_enabled,
            app_url=app_url,
            ticket_emoji=ticket_emoji,
        )
