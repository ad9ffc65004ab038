import pytest
from bson import ObjectId

from services.core.errors import NotFound, PermissionDenied
from services.models.permissions import (
    OPERATOR,
    Actor,
    Permission,
    require_permission,
    require_visible,
)
from services.models.ticket import Status, Ticket
from services.models.user import Role

ME, SOMEBODY = ObjectId(), ObjectId()
U, M, A = Role.USER, Role.MODERATOR, Role.ADMIN
MAY = {
    Permission.FILE_TICKET: {U, M, A},
    Permission.SEE_OWN_TICKET: {U, M, A},
    Permission.SEE_ANY_TICKET: {M, A},
    Permission.WORK_ON_TICKETS: {M, A},
    Permission.RESOLVE_ANY_TICKET: {M, A},
    Permission.MANAGE_USERS: {A},
    Permission.EDIT_OWN_PROFILE: {U, M, A},
}


def ticket(created_by: ObjectId | None) -> Ticket:
    return Ticket(ObjectId(), "t", "d", Status.TODO, created_by, None, None)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_the_table(role: Role, permission: Permission) -> None:
    actor = Actor(ME, role)
    assert actor.has_permission(permission) == (role in MAY[permission])
    if role in MAY[permission]:
        require_permission(actor, permission)
    else:
        with pytest.raises(PermissionDenied) as denied:
            require_permission(actor, permission)
        assert str(denied.value) == (
            f"Your role does not allow you to {permission}. Ask an admin if it should."
        )


@pytest.mark.parametrize("permission", Permission)
def test_the_operator_may_do_what_an_admin_may(permission: Permission) -> None:
    require_permission(OPERATOR, permission)


@pytest.mark.parametrize(
    ("role", "created_by", "seen"),
    [
        (U, ME, True),
        (U, SOMEBODY, False),
        (U, None, False),
        (M, SOMEBODY, True),
        (M, None, True),
        (A, SOMEBODY, True),
    ],
)
def test_who_sees_a_ticket(role: Role, created_by: ObjectId | None, seen: bool) -> None:
    theirs = ticket(created_by)
    if seen:
        assert require_visible(Actor(ME, role), theirs) is theirs
    else:
        with pytest.raises(NotFound, match=r"^There is no such ticket, or you may not see it\.$"):
            require_visible(Actor(ME, role), theirs)


@pytest.mark.parametrize("role", Role)
def test_no_ticket_reads_like_a_foreign_one(role: Role) -> None:
    with pytest.raises(NotFound, match=r"^There is no such ticket, or you may not see it\.$"):
        require_visible(Actor(ME, role), None)
