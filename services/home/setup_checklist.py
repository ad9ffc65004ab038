"""What an admin sets up on the first day, and whether each step is done.

Home shows the steps until all are done, or until the admin hides them (`setupHidden` of the
account).
"""

from dataclasses import astuple, dataclass

from services.core.database import Mongo
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import Role
from services.team_settings.settings_service import TeamSettings
from services.team_settings.slack_settings import has_triage_channel


@dataclass(frozen=True, slots=True)
class SetupChecklist:
    """The steps in their order, each with whether it is done."""

    business_hours: bool
    moderator: bool
    triage_channel: bool
    ai_key: bool

    @property
    def done_count(self) -> int:
        return sum(astuple(self))


class SetupChecklists:
    def __init__(
        self, db: Mongo, settings: TeamSettings, *, has_triage: bool, is_ai_enabled: bool
    ) -> None:
        self._db = db
        self._settings = settings
        self._has_triage = has_triage
        self._is_ai_enabled = is_ai_enabled

    def get(self, *, actor: Actor) -> SetupChecklist | None:
        """Return the steps; None if all are done, the actor has hidden them, or is no admin."""
        if not actor.has_permission(Permission.MANAGE_USERS):
            return None
        if self._db.users.find_one({"_id": actor.user_id, "setupHidden": True}, ["_id"]):
            return None
        moderator = {"role": Role.MODERATOR, "active": {"$ne": False}}
        checklist = SetupChecklist(
            business_hours=self._settings.business_hours().is_configured,
            moderator=self._db.users.find_one(moderator, ["_id"]) is not None,
            triage_channel=has_triage_channel(self._db, is_variable_set=self._has_triage),
            ai_key=self._is_ai_enabled,
        )
        return None if all(astuple(checklist)) else checklist

    def hide(self, *, actor: Actor) -> None:
        """Show the steps to the actor no more."""
        require_permission(actor, Permission.MANAGE_USERS)
        self._db.users.update_one({"_id": actor.user_id}, {"$set": {"setupHidden": True}})
