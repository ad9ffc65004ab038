"""What a new moderator or admin reads."""

import pytest
from bson import ObjectId

from bot.views.messages.staff_welcome import welcome_message
from services.linking.staff_invitations import StaffInvitation
from services.models.user import Role, User
from tests.support.block_text import read
from tests.support.blockkit import check_message

OPEN_HOME = "Open this app's Home once, so that tickets can come to you."
LINK = "Type `/account` to link your account, so that tickets can come to you."
SKILLS = tuple("&" * 50 for _ in range(20))


@pytest.mark.parametrize(
    ("is_linked", "needs_code", "step"),
    [(True, False, None), (False, False, OPEN_HOME), (False, True, LINK)],
)
@pytest.mark.parametrize("role", [Role.MODERATOR, Role.ADMIN])
@pytest.mark.parametrize("skills", [(), ("VPN",), SKILLS])
def test_it_says_what_to_do_first_and_what_the_role_may_do(
    *, role: Role, skills: tuple[str, ...], is_linked: bool, needs_code: bool, step: str | None
) -> None:
    user = User(ObjectId(), "nora@example.com", role, skills)
    message = welcome_message(StaffInvitation(user, is_linked, needs_code), app_name="IT & help")
    assert check_message(message.as_args()) == []
    text, footer = read(message.as_args())
    assert [line for line in text.splitlines() if line in (OPEN_HOME, LINK)] == (
        [step] if step else []
    )
    assert ("manage people" in text) == (role is Role.ADMIN)
    assert ("Your skills: VPN." in footer) == (skills == ("VPN",))
