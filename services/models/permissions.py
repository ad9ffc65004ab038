"""Permissions of each role, checked by every service method."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from bson import ObjectId

from services.core import security_events
from services.core.errors import PermissionDenied
from services.core.security_events import SecurityEvent
from services.models.user import Role, User


class Permission(StrEnum):
    # They end the sentence "Your role does not allow you to …".
    FILE_TICKET = "file tickets"
    FILE_FOR_OTHERS = "file tickets for other people"
    SEE_OWN_TICKET = "see your own tickets"
    SEE_ANY_TICKET = "see other people's tickets"
    SEE_PRIVATE_TICKET = "see other people's private tickets"
    WORK_ON_TICKETS = "work on tickets"
    RESOLVE_ANY_TICKET = "resolve tickets"
    MANAGE_USERS = "manage people"
    EDIT_OWN_PROFILE = "edit your own profile"


_USER = frozenset({Permission.FILE_TICKET, Permission.SEE_OWN_TICKET, Permission.EDIT_OWN_PROFILE})
_MODERATOR = _USER | {
    Permission.FILE_FOR_OTHERS,
    Permission.SEE_ANY_TICKET,
    Permission.WORK_ON_TICKETS,
    Permission.RESOLVE_ANY_TICKET,
}
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.USER: _USER,
    Role.MODERATOR: _MODERATOR,
    Role.ADMIN: _MODERATOR | {Permission.SEE_PRIVATE_TICKET, Permission.MANAGE_USERS},
}


@dataclass(frozen=True, slots=True)
class Actor:
    """The account that calls, with its current role. `gets_private_tickets`: see `User`."""

    user_id: ObjectId
    role: Role
    gets_private_tickets: bool = False

    @property
    def event_author(self) -> ObjectId:
        """The author of events caused by this actor."""
        return self.user_id

    @classmethod
    def from_user(cls, user: User) -> "Actor":
        return cls(user.id, user.role, user.gets_private_tickets)

    def has_permission(self, permission: Permission) -> bool:
        return permission in ROLE_PERMISSIONS[self.role]


@dataclass(frozen=True, slots=True)
class Operator:
    """A user with a shell on the server, with the permissions of an admin."""

    event_author: ClassVar[str] = "system"

    def has_permission(self, permission: Permission) -> bool:
        return permission in ROLE_PERMISSIONS[Role.ADMIN]


OPERATOR = Operator()


def require_permission(actor: Actor | Operator, permission: Permission) -> None:
    """Raise `PermissionDenied` unless the actor's role grants the permission."""
    if not actor.has_permission(permission):
        account = actor.user_id if isinstance(actor, Actor) else None
        record_denial(permission, account)
        raise PermissionDenied(
            f"Your role does not allow you to {permission}. Ask an admin if it should."
        )


def record_denial(permission: Permission, account: ObjectId | None) -> None:
    security_events.record(
        SecurityEvent.PERMISSION_DENIED, reason=permission.name.lower(), account=account
    )
