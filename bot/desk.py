"""What is behind the handlers, put together once a process."""

from dataclasses import dataclass

from slack_sdk import WebClient

from services.answering import Answering
from services.availability import AvailabilityService
from services.clock import Clock, utcnow
from services.codes import Codes
from services.comments import CommentService
from services.database import Mongo
from services.digests import DigestSwitch
from services.dry_run import ExplainService
from services.edits import TicketEdits
from services.following import Following
from services.handing_on import HandingOn
from services.handover import HandOvers
from services.home import HomeService
from services.inbox import Inbox
from services.letters import Letters
from services.linking import Linking
from services.links import LinkService
from services.lists import ListService
from services.model_store import ModelStore
from services.moves import TicketMoves
from services.outbox import Publisher
from services.people import PeopleService
from services.presence_rules import RulesStore
from services.presences import Presences
from services.team_settings import TeamSettings
from services.threads import Threads
from services.tickets import TicketService
from services.unlinking import Unlinking
from services.users import UserService
from services.visits import VisitService


@dataclass(frozen=True, slots=True)
class Desk:
    """`team_url` ends in a slash, as Slack's answer to `auth.test` does."""

    client: WebClient
    publisher: Publisher
    team_id: str
    team_url: str
    tickets: TicketService
    moves: TicketMoves
    handing_on: HandingOn
    comments: CommentService
    threads: Threads
    edits: TicketEdits
    links: LinkService
    lists: ListService
    home: HomeService
    visits: VisitService
    inbox: Inbox
    people: PeopleService
    settings: TeamSettings
    linking: Linking
    unlinking: Unlinking
    following: Following
    availability: AvailabilityService
    presences: Presences
    presence_rules: RulesStore
    hand_overs: HandOvers
    digest: DigestSwitch
    answering: Answering
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
        codes: Codes,
        letters: Letters,
        *,
        client: WebClient,
        publisher: Publisher,
        team_id: str,
        team_url: str,
        reads_with_ai: bool = False,
        app_url: str | None = None,
        ticket_emoji: str = "ticket",
        clock: Clock = utcnow,
    ) -> "Desk":
        """All services made here, on `db`."""
        models, moves = ModelStore(db, clock=clock), TicketMoves(db, users, clock=clock)
        comments = CommentService(db, clock=clock)
        return cls(
            tickets=TicketService(db, clock=clock),
            moves=moves,
            handing_on=HandingOn(db, users, links, moves, models, clock=clock),
            comments=comments,
            threads=Threads(db),
            edits=TicketEdits(db, users, links, clock=clock),
            links=links,
            lists=ListService(db, users, links, clock=clock),
            home=HomeService(db, users, links, clock=clock),
            visits=VisitService(db, clock=clock),
            inbox=Inbox(db),
            people=PeopleService(db, clock=clock),
            settings=TeamSettings(db, clock=clock),
            linking=Linking(db, users, links, codes, letters, clock=clock),
            unlinking=Unlinking(db, users, links, letters, clock=clock),
            following=Following(db, users, codes, clock=clock),
            availability=AvailabilityService(db, clock=clock),
            presences=Presences(db, clock=clock),
            presence_rules=RulesStore(db, clock=clock),
            hand_overs=HandOvers(db, clock=clock),
            digest=DigestSwitch(db),
            answering=Answering(db, moves, comments, clock=clock),
            explaining=ExplainService(db, users, links, models, clock=clock),
            client=client,
            publisher=publisher,
            team_id=team_id,
            team_url=team_url,
            reads_with_ai=reads_with_ai,
            app_url=app_url,
            ticket_emoji=ticket_emoji,
        )
