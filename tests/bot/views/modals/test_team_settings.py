"""The modal for the words and emoji of a Slack status that mean away."""

import pytest

from bot.views.modals import team_settings
from services.availability.slack_status import StatusRules, StatusRulesStore
from services.core.database import Mongo
from services.models.user import Role
from tests.conftest import Bot, People
from tests.support.blockkit import check_view
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def ada(ticket_bot: Bot, slack: RecordingSlack, people: People) -> Visitor:
    visitor = Visitor(ticket_bot, slack, people.add(Role.ADMIN))
    visitor.open()
    visitor.press("Settings")
    return visitor


def test_words_are_added_and_taken_out_again(
    ada: Visitor, db: Mongo, slack: RecordingSlack
) -> None:
    rules = StatusRulesStore(db)
    ada.press("Change words")
    assert ada.submit(away="at the spa,\n:sailboat: ; ,", here=":palm_tree:") == {}
    assert rules.read() == StatusRules(
        away=("at the spa", ":sailboat:"), available=(":palm_tree:",)
    )
    shown_on_page = ["Also away: at the spa, :sailboat:", "Not away: :palm_tree:", "Change words"]
    assert _end_with(ada, "Change words", count=3) == shown_on_page
    ada.press("Change words")
    shown = [block["element"]["initial_value"] for block in slack.last_view()["blocks"]]
    assert shown == ["at the spa, :sailboat:", ":palm_tree:"]
    assert ada.submit(away="", here=None) == {}
    assert rules.read() == StatusRules()
    help_text = team_settings.STATUS_WORDS_HELP
    assert _end_with(ada, "Change words", count=2) == [help_text, "Change words"]


def _end_with(visitor: Visitor, last: str, *, count: int) -> list[str]:
    """Return `count` texts of the page, of which that one is the last."""
    page = visitor.see()
    end = page.index(last) + 1
    return page[end - count : end]


def test_what_is_too_long_is_said_beside_its_field(ada: Visitor, db: Mongo) -> None:
    ada.press("Change words")
    assert ada.submit(here="x" * 61) == {
        "response_action": "errors",
        "errors": {"here": "A phrase has at most 60 characters."},
    }
    assert StatusRulesStore(db).read() == StatusRules()


def test_the_longest_lists_fit_the_form() -> None:
    longest = tuple(f"{number:058}" for number in range(50))
    assert (
        check_view(team_settings.status_words_modal(StatusRules(away=longest, available=longest)))
        == []
    )
