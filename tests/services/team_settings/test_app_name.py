"""The app's name: changed in Settings, and shown wherever the app names itself."""

from typing import Any

import pytest
import requests
import yaml

from bot.slack.bot_process import BotProcess
from demo.servers import MongoServer
from services.core.database import Mongo, connect
from services.core.errors import InvalidValue, PermissionDenied
from services.core.ttl_cache import invalidate_caches
from services.models.permissions import Actor
from services.models.user import Role, User
from services.registry.services import Services
from services.team_settings.app_name import (
    app_name,
    app_name_from_doc,
    checked_app_name,
    load_app_name,
)
from tests.conftest import NOBODY_LISTENS, Bot, People
from tests.support.home_visitor import Visitor
from tests.support.page_client import Browser, Page, serving
from tests.support.processes import run
from tests.support.recording_slack import RecordingSlack
from tests.support.view_state import find_element

pytest_plugins = ["tests.support.pages"]

NAME = "IT & help"


@pytest.fixture
def ada(ticket_bot: Bot, slack: RecordingSlack, admin: User) -> Visitor:
    return Visitor(ticket_bot, slack, admin)


def rename(services: Services, admin: User, name: str = NAME) -> None:
    services.team_settings.set_app_name(actor=Actor.from_user(admin), name=name)


def test_an_admin_changes_it_and_the_change_is_in_the_audit_log(
    ada: Visitor, db: Mongo, slack: RecordingSlack, admin: User
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change name")
    element, _ = find_element(slack.last_view(), "name", None)
    assert element["initial_value"] == "Help desk"
    assert ada.submit(name=f"  {NAME}\u202e ") == {}
    assert ada.see()[3:6] == ["Name", NAME, "Change name"]
    entry = db.audit.find_one({"subject": "app"}, {"_id": False, "at": False})
    assert entry == {
        "by": admin.id, "action": "settings.name", "subject": "app", "from": "Help desk", "to": NAME
    }  # fmt: skip
    assert f"Set up {NAME}" in ada.press("Back")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("  ", "Type a name of 1 to 35 characters."),
        ("x" * 36, "Type a name of 1 to 35 characters."),
        ("<!channel>", "Leave out <, > and mentions such as @channel."),
        ("IT <@U0ANN>", "Leave out <, > and mentions such as @channel."),
        ("All @Here", "Leave out <, > and mentions such as @channel."),
    ],
)
def test_what_is_refused_stands_beside_the_field(
    ada: Visitor, db: Mongo, name: str, error: str
) -> None:
    ada.open()
    ada.press("Settings")
    ada.press("Change name")
    assert ada.submit(name=name) == {"response_action": "errors", "errors": {"name": error}}
    assert db.settings.find_one({"_id": "app"}) is None


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_it_is_for_admins(services: Services, people: People, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        rename(services, people.add(role))


def test_it_is_one_line_of_at_most_35_characters() -> None:
    assert checked_app_name("\tIT\r\nhelp\u2028desk\u200b ") == "IT help desk"
    assert checked_app_name("é" * 35) == "é" * 35
    with pytest.raises(InvalidValue):
        checked_app_name("é" * 36)


@pytest.mark.parametrize("stored", [None, {}, {"name": 7}, {"name": "x" * 40}, {"name": "<!here>"}])
def test_a_malformed_name_is_the_default(stored: dict[str, Any] | None) -> None:
    assert app_name_from_doc(stored) == "Help desk"


def test_it_is_read_through_the_cache_of_settings(services: Services, admin: User) -> None:
    invalidate_caches()
    assert services.app_name == "Help desk"
    services.db.settings.insert_one({"_id": "app", "name": "Behind the cache"})
    assert services.app_name == "Help desk"
    rename(services, admin)
    assert services.app_name == NAME


def test_without_mongodb_it_is_the_one_read_last(
    db: Mongo, services: Services, admin: User
) -> None:
    rename(services, admin)
    assert load_app_name(db) == NAME
    away = connect(NOBODY_LISTENS)
    with away.client:
        assert app_name(away.client[db.name]) == NAME
        assert app_name(away.client["another"]) == "Help desk"


def test_pages_have_it_in_title_and_heading(
    bot_process: BotProcess, services: Services, admin: User
) -> None:
    rename(services, admin)
    with serving(bot_process, has_mail=False) as url:
        browser = Browser(url)
        page = browser.open("/forgot")
        assert page.title == "Forgotten password – IT &amp; help"
        assert "IT &amp; help sends no mail." in page.html
        assert 'alt=""> IT &amp; help</a>' in page.html
        missing = Page(requests.get(f"{url}/nothing", timeout=20))
        assert missing.title == "Error: Page not found – IT &amp; help"


def test_a_member_without_an_account_reads_it(
    ticket_bot: Bot, slack: RecordingSlack, services: Services, admin: User, people: People
) -> None:
    rename(services, admin)
    gone = people.add(active=False)
    assert Visitor(ticket_bot, slack, gone).open()[0] == NAME


def manifest_names(*args: str, mongo_uri: str) -> tuple[str, str]:
    done = run("manifest", *args, MONGO_URI=mongo_uri)
    assert (done.returncode, done.stderr) == (0, "")
    made = yaml.safe_load(done.stdout)
    return made["display_information"]["name"], made["features"]["bot_user"]["display_name"]


def test_the_manifest_has_the_name_given_or_the_stored_one(
    elsewhere: None, db: Mongo, mongo: MongoServer, services: Services, admin: User
) -> None:
    rename(services, admin)
    here = mongo.uri_for(db.name)
    assert manifest_names(mongo_uri=here) == (NAME, NAME)
    assert manifest_names("--name", "Facilities", mongo_uri=here) == ("Facilities", "Facilities")
    assert manifest_names(mongo_uri=NOBODY_LISTENS) == ("Help desk", "Help desk")
    assert manifest_names(mongo_uri="mongodb://") == ("Help desk", "Help desk")


def test_the_manifest_takes_no_name_that_settings_refuses(elsewhere: None) -> None:
    done = run("manifest", "--name", "x" * 36)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "--name: Type a name of 1 to 35 characters.\n"
