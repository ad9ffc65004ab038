"""Who gets private tickets that have no assignee, and whether there can be private tickets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from services.accounts.users import UserService, load_account_doc, update_account
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import InvalidValue
from services.core.ttl_cache import invalidate_caches
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import PRIVATE_TICKET_STAFF, User, can_work_on_tickets
from services.team_settings import private_tickets
from services.team_settings.private_tickets import PrivateTicketState
from services.team_settings.settings_store import store_settings

MAX_PEOPLE = 20


@dataclass(frozen=True, slots=True)
class PrivateTicketSettings:
    """`people` get private tickets that have no assignee; if there are none, the admins do."""

    people: Sequence[User]
    state: PrivateTicketState
    now: datetime

    @property
    def is_legacy_in_use(self) -> bool:
        return self.state.is_legacy_in_use(self.now)


class PrivateTicketSettingsService:
    def __init__(self, db: Mongo, users: UserService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._users = users
        self._clock = clock

    def get(self, *, actor: Actor) -> PrivateTicketSettings:
        require_permission(actor, Permission.MANAGE_USERS)
        found = [User.from_doc(doc) for doc in self._db.users.find(PRIVATE_TICKET_STAFF)]
        people = sorted(found, key=lambda user: (user.display_name.casefold(), user.id))
        return PrivateTicketSettings(people, private_tickets.load_state(self._db), self._clock())

    def save(
        self, *, actor: Actor, people: Collection[str], accepts_legacy: bool | None = None
    ) -> None:
        """Store who gets them, as ids of accounts, and with `accepts_legacy` whether there can be
        private tickets although the legacy backend shows them to moderators.

        Raises `InvalidValue` for a person who does not work on tickets.
        """
        require_permission(actor, Permission.MANAGE_USERS)
        wanted = {ObjectId(one) for one in people if ObjectId.is_valid(one)}
        users = self._users.get_many(wanted)
        if len(wanted) > MAX_PEOPLE:
            raise InvalidValue("privateTicketPeople", f"Choose at most {MAX_PEOPLE} people.")
        if any(one not in users or not can_work_on_tickets(users[one]) for one in wanted):
            raise InvalidValue(
                "privateTicketPeople", "Choose moderators or admins who are still active."
            )
        before = {doc["_id"] for doc in self._db.users.find({"privateTickets": True}, ["_id"])}
        for user_id in sorted(before ^ wanted):
            self._set(actor, user_id, gets_them=user_id in wanted)
        if accepts_legacy is not None:
            store_settings(
                self._db,
                private_tickets.SETTINGS_ID,
                {"accepted": accepts_legacy},
                actor=actor,
                now=self._clock(),
                defaults={"accepted": False},
            )
        invalidate_caches()

    def _set(self, actor: Actor, user_id: ObjectId, *, gets_them: bool) -> None:
        values: Document = {"privateTickets": gets_them}
        update_account(
            self._db,
            lambda: load_account_doc(self._db, str(user_id)),
            lambda _: values,
            actor=actor,
            now=self._clock(),
        )
