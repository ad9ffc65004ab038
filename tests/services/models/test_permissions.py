import pytest
from bson import ObjectId

from services.core.errors import PermissionDenied
from services.models.permissions import (
    OPERATOR,
    Actor,
    Permission,
    require_permission,
)
from services.models.user import Role

ME = ObjectId()
U, M, A = Role.USER, Role.MODERATOR, Role.ADMIN
MAY = {
    Permission.FILE_TICKET: {U, M, A},
    Permission.FILE_FOR_OTHERS: {M, A},
    Permission.SEE_OWN_TICKET: {U, M, A},
    Permission.SEE_ANY_TICKET: {M, A},
    Permission.WORK_ON_TICKETS: {M, A},
    Permission.RESOLVE_ANY_TICKET: {M, A},
    Permission.SEE_PRIVATE_TICKET: {A},
    Permission.MANAGE_USERS: {A},
    Permission.EDIT_OWN_PROFILE: {U, M, A},
}


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
