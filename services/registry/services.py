"""All domain services, composed in one place for the bot, workers, jobs, command line and tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from services.account_admin.account_admin import AccountAdmin
from services.account_admin.audit_trail import AuditTrail
from services.account_admin.private_ticket_settings import PrivateTicketSettingsService
from services.accounts.confirmation import EmailConfirmation, MemberLookup
from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.availability.availability_service import AvailabilityService
from services.availability.handover_offers import HandoverOffers
from services.availability.slack_status import StatusRulesStore
from services.availability.status_sync import StatusSync
from services.channels.channel_settings import ChannelSettings
from services.channels.request_channels import find_request_channel
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.processed_events import ProcessedEvents
from services.core.settings import DEFAULT_TICKET_EMOJI, Settings
from services.digest.digest_service import Digests
from services.home.home_service import HomeService
from services.home.sessions import HomeSessions
from services.home.setup_checklist import SetupChecklists
from services.linking.account_linking import AccountLinking
from services.linking.address_claims import AddressClaims
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.linking.requesters import Requesters
from services.linking.staff_invitations import StaffInvitations
from services.lists.api_pages import TicketPager
from services.lists.list_service import ListService
from services.outbox.deliveries import TicketThreads
from services.outbox.emails import Emails
from services.outbox.reminders import Reminders
from services.outbox.replies import Replies
from services.privacy.erasure import Erasure
from services.privacy.export import DataExport
from services.search.search_service import TicketSearch
from services.team_settings.app_name import app_name
from services.team_settings.settings_service import TeamSettings
from services.tickets.actions import TicketActions
from services.tickets.channel_messages import ChannelMessages
from services.tickets.comments import CommentService
from services.tickets.direct_messages import DirectMessages
from services.tickets.emoji_actions import EmojiActions
from services.tickets.filing import TicketService

if TYPE_CHECKING:
    from services.assignment.assignment_service import AssignmentService
    from services.assignment.explanation import ExplainService
    from services.assignment.reassign import Reassignment
    from services.auth.address_confirmation import AddressConfirmationService
    from services.auth.password_reset import PasswordResetService
    from services.auth.passwords import PasswordHasher
    from services.auth.profile import ProfileService
    from services.auth.sign_in import AuthDependencies, SignInService
    from services.core.rate_limiter import RateLimiter
    from services.editing.bulk_changes import BulkChanges
    from services.editing.participants import Participants
    from services.editing.ticket_edits import TicketEdits
    from services.escalation.escalation_steps import EscalationSteps
    from services.routing.model_store import ModelStore
    from services.routing.training import Training

T = TypeVar("T")


def _lazy(build: Callable[["Services"], T]) -> cached_property[T]:
    return cached_property(build)


@dataclass
class Services:
    """Each service is built at its first use, so that a command pays for those it needs only.

    Building connects to nothing: `db` connects at its first query. Modules that load redis, jwt or
    rapidfuzz are imported at first use, too, so that a command starts fast. `triage_channel`,
    `ticket_emoji` and `has_triage` are what the variables say; `is_ai_enabled` says if Gemini has a
    key; `look_up_member` asks Slack.
    For `cache_seconds` a worker uses the names, skills and hours that it has read.
    """

    db: Mongo
    clock: Clock = utcnow
    admin_emails: frozenset[str] = frozenset()
    is_linking_strict: bool = False
    has_triage: bool = False
    triage_channel: str = ""
    ticket_emoji: str = DEFAULT_TICKET_EMOJI
    is_ai_enabled: bool = False
    audit_retention: timedelta = timedelta(days=400)
    look_up_member: MemberLookup | None = None
    cache_seconds: float = 0.0
    jwt_secret: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)

    @classmethod
    def build(
        cls,
        db: Mongo,
        config: Settings,
        clock: Clock = utcnow,
        *,
        look_up_member: MemberLookup | None = None,
        cache_seconds: float = 0.0,
    ) -> "Services":
        return cls(
            db,
            clock,
            admin_emails=config.admin_emails,
            is_linking_strict=config.is_linking_strict,
            has_triage=bool(config.triage_channel),
            triage_channel=config.triage_channel,
            ticket_emoji=config.ticket_emoji,
            is_ai_enabled=config.is_ai_enabled,
            audit_retention=timedelta(days=config.audit_retention_days),
            look_up_member=look_up_member,
            cache_seconds=cache_seconds,
            jwt_secret=config.jwt_secret,
            redis_url=config.redis_url,
        )

    users = _lazy(
        lambda s: UserService(
            s.db,
            confirmation=EmailConfirmation(s.db, s.look_up_member, clock=s.clock),
            cache_seconds=s.cache_seconds,
            clock=s.clock,
        )
    )
    links = _lazy(
        lambda s: LinkService(
            s.db,
            s.users,
            admin_emails=s.admin_emails,
            is_strict=s.is_linking_strict,
            look_up_member=s.look_up_member,
            clock=s.clock,
        )
    )
    requesters = _lazy(lambda s: Requesters(s.db, s.users, s.links))
    codes = _lazy(lambda s: OneTimeCodes(s.db, s.jwt_secret, s.clock))
    emails = _lazy(lambda s: Emails(s.db, clock=s.clock))
    address_claims = _lazy(lambda s: AddressClaims(s.db, s.users, s.codes, s.emails, clock=s.clock))
    account_linking = _lazy(
        lambda s: AccountLinking(
            s.db,
            s.users,
            s.links,
            s.codes,
            s.emails,
            s.rate_limiter,
            s.address_claims,
            clock=s.clock,
        )
    )
    staff_invitations = _lazy(lambda s: StaffInvitations(s.db, s.users, s.links, clock=s.clock))
    member_sync = _lazy(lambda s: MemberSync(s.db, s.users, s.codes, clock=s.clock))
    account_admin = _lazy(lambda s: AccountAdmin(s.db, s.users, clock=s.clock))
    private_ticket_settings = _lazy(
        lambda s: PrivateTicketSettingsService(s.db, s.users, clock=s.clock)
    )
    audit_trail = _lazy(lambda s: AuditTrail(s.db, s.users))
    erasure = _lazy(lambda s: Erasure(s.db, s.users, clock=s.clock))
    data_export = _lazy(lambda s: DataExport(s.db, s.users))

    tickets = _lazy(lambda s: TicketService(s.db, s.rate_limiter, clock=s.clock))
    ticket_actions = _lazy(lambda s: TicketActions(s.db, s.users, clock=s.clock))
    emoji_actions = _lazy(lambda s: EmojiActions(s.db, s.ticket_actions))
    comments = _lazy(
        lambda s: CommentService(
            s.db,
            clock=s.clock,
            is_for_private=lambda team_id, channel: (
                find_request_channel(s.db, team_id=team_id, channel=channel, for_private=True)
                is not None
            ),
        )
    )
    lists = _lazy(lambda s: ListService(s.db, s.links, clock=s.clock))
    search = _lazy(lambda s: TicketSearch(s.db, s.links, clock=s.clock))
    ticket_pager = _lazy(lambda s: TicketPager(s.db, clock=s.clock))
    channel_settings = _lazy(
        lambda s: ChannelSettings(s.db, triage_channel=s.triage_channel, clock=s.clock)
    )
    team_settings = _lazy(
        lambda s: TeamSettings(
            s.db,
            clock=s.clock,
            triage_channel=s.triage_channel,
            ticket_emoji=s.ticket_emoji,
            is_request_channel=s.channel_settings.is_listed,
        )
    )
    setup_checklists = _lazy(
        lambda s: SetupChecklists(
            s.db, s.team_settings, has_triage=s.has_triage, is_ai_enabled=s.is_ai_enabled
        )
    )
    status_rules = _lazy(lambda s: StatusRulesStore(s.db, clock=s.clock))
    home = _lazy(
        lambda s: HomeService(
            s.db,
            s.links,
            s.account_admin,
            s.team_settings,
            s.status_rules,
            s.setup_checklists,
            s.private_ticket_settings,
            s.channel_settings,
            clock=s.clock,
        )
    )
    home_sessions = _lazy(lambda s: HomeSessions(s.db, clock=s.clock))

    availability = _lazy(lambda s: AvailabilityService(s.db, clock=s.clock))
    status_sync = _lazy(lambda s: StatusSync(s.db, clock=s.clock))
    handover_offers = _lazy(lambda s: HandoverOffers(s.db, clock=s.clock))

    reminders = _lazy(lambda s: Reminders(s.db, clock=s.clock))
    replies = _lazy(lambda s: Replies(s.db, clock=s.clock))
    ticket_threads = _lazy(lambda s: TicketThreads(s.db, clock=s.clock))
    # Their index expires them by MongoDB's clock.
    processed_events = _lazy(lambda s: ProcessedEvents(s.db))
    direct_messages = _lazy(lambda s: DirectMessages(s.db))
    channel_messages = _lazy(lambda s: ChannelMessages(s.db, clock=s.clock))

    @property
    def app_name(self) -> str:
        """The name of the product for people."""
        return app_name(self.db)

    @property
    def digests(self) -> Digests:
        """A new service for each round, because it caches what the accounts of a round share."""
        return Digests(self.db, clock=self.clock)

    @cached_property
    def ticket_edits(self) -> "TicketEdits":
        from services.editing.ticket_edits import TicketEdits

        return TicketEdits(self.db, self.users, self.links, clock=self.clock)

    @cached_property
    def bulk_changes(self) -> "BulkChanges":
        from services.editing.bulk_changes import BulkChanges

        return BulkChanges(
            self.db, self.links, self.ticket_actions, self.ticket_edits, clock=self.clock
        )

    @cached_property
    def participants(self) -> "Participants":
        from services.editing.participants import Participants

        return Participants(self.db, self.users, self.links, clock=self.clock)

    @cached_property
    def models(self) -> "ModelStore":
        from services.routing.model_store import ModelStore

        return ModelStore(self.db, clock=self.clock)

    @cached_property
    def training(self) -> "Training":
        from services.routing.training import Training

        return Training(self.db, clock=self.clock)

    @cached_property
    def assignments(self) -> "AssignmentService":
        from services.assignment.assignment_service import AssignmentService

        return AssignmentService(self.db, self.links, cache_seconds=self.cache_seconds)

    @cached_property
    def reassignment(self) -> "Reassignment":
        from services.assignment.reassign import Reassignment

        return Reassignment(
            self.db, self.users, self.links, self.ticket_actions, self.models, clock=self.clock
        )

    @cached_property
    def explanations(self) -> "ExplainService":
        from services.assignment.explanation import ExplainService

        return ExplainService(self.db, self.users, self.links, self.models, clock=self.clock)

    @cached_property
    def escalation_steps(self) -> "EscalationSteps":
        from services.escalation.escalation_steps import EscalationSteps

        return EscalationSteps(
            self.db,
            self.assignments,
            self.models.resolver_scores,
            has_triage=self.has_triage,
            clock=self.clock,
        )

    @cached_property
    def sign_in(self) -> "SignInService":
        from services.auth.sign_in import SignInService

        return SignInService(self._auth)

    @cached_property
    def profiles(self) -> "ProfileService":
        from services.auth.profile import ProfileService

        return ProfileService(self._auth)

    @cached_property
    def password_resets(self) -> "PasswordResetService":
        from services.auth.password_reset import PasswordResetService

        return PasswordResetService(self._auth)

    @cached_property
    def address_confirmations(self) -> "AddressConfirmationService":
        from services.auth.address_confirmation import AddressConfirmationService

        return AddressConfirmationService(self._auth)

    @cached_property
    def password_hasher(self) -> "PasswordHasher":
        from services.auth.passwords import PasswordHasher

        return PasswordHasher()

    @cached_property
    def rate_limiter(self) -> "RateLimiter":
        from services.core.rate_limiter import RateLimiter

        return RateLimiter(self.redis_url, namespace=self.db.name, clock=self.clock)

    @cached_property
    def _auth(self) -> "AuthDependencies":
        from services.auth.device_tokens import DeviceTokens
        from services.auth.session_tokens import SessionTokens
        from services.auth.sign_in import AuthDependencies

        return AuthDependencies(
            self.db,
            self.users,
            self.password_hasher,
            SessionTokens(self.jwt_secret, clock=self.clock),
            DeviceTokens(self.jwt_secret, clock=self.clock),
            self.rate_limiter,
            self.codes,
            self.emails,
            self.clock,
        )
