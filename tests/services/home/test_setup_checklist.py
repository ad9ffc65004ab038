"""The steps of an admin's first day."""

import pytest

from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.home.setup_checklist import SetupChecklist
from services.models.permissions import Actor
from services.models.user import Role, User
from services.registry.services import Services
from tests.conftest import FixedClock, People, build_services


def test_each_step_is_done_once_it_is_set(
    db: Mongo, clock: FixedClock, admin: User, people: People
) -> None:
    ada = Actor.from_user(admin)
    bare = build_services(db, clock)
    assert bare.setup_checklists.get(actor=ada) == SetupChecklist(
        business_hours=False, moderator=False, triage_channel=False, ai_key=False
    )
    bare.team_settings.write_business_hours(
        actor=ada, zone="UTC", days=frozenset(range(5)), start="09:00", end="17:00"
    )
    people.add(Role.MODERATOR, active=False)
    assert bare.setup_checklists.get(actor=ada) == SetupChecklist(
        business_hours=True, moderator=False, triage_channel=False, ai_key=False
    )
    people.add(Role.MODERATOR)
    with_channel = build_services(db, clock, TRIAGE_CHANNEL="C0TRIAGE").setup_checklists
    assert with_channel.get(actor=ada) == SetupChecklist(
        business_hours=True, moderator=True, triage_channel=True, ai_key=False
    )
    bare.team_settings.set_slack_settings(actor=ada, triage_channel="C0TRIAGE")
    assert bare.setup_checklists.get(actor=ada) == SetupChecklist(
        business_hours=True, moderator=True, triage_channel=True, ai_key=False
    )
    complete = build_services(db, clock, TRIAGE_CHANNEL="C0TRIAGE", GEMINI_API_KEY="key")
    assert complete.setup_checklists.get(actor=ada) is None


def test_an_admin_hides_the_steps_for_themselves(
    services: Services, people: People, admin: User
) -> None:
    other = people.add(Role.ADMIN)
    services.setup_checklists.hide(actor=Actor.from_user(admin))
    assert services.setup_checklists.get(actor=Actor.from_user(admin)) is None
    assert services.setup_checklists.get(actor=Actor.from_user(other)) is not None


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_have_steps(services: Services, db: Mongo, people: People, role: Role) -> None:
    user = people.add(role)
    assert services.setup_checklists.get(actor=Actor.from_user(user)) is None
    with pytest.raises(PermissionDenied):
        services.setup_checklists.hide(actor=Actor.from_user(user))
    assert db.users.count_documents({"setupHidden": True}) == 0
