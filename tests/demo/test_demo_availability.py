"""Away and back in the demo, whose Slack has neither time pickers nor external menus."""

from datetime import timedelta

from bot.views import ids
from demo import seed
from demo.block_translation import DATE
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser
from services.core.clock import utcnow


def test_a_moderator_goes_away_hands_over_and_is_back(workspace: SlackPage) -> None:
    emma = SlackUser(workspace, seed.EMPLOYEE.slack_id)
    nils, _, _, ada = (SlackUser(workspace, member.slack_id) for member in seed.staff())
    emma.command("/ticket", "VPN drops every hour")
    emma.fill(description="Since Monday.").submit()
    emma.dismiss()
    nils.wait_for_dm("Ticket 1", "VPN drops")

    nils.open_home()
    nils.press("My availability")
    form = nils.wait_for_modal("My availability")
    assert "1 open ticket, at most 8 are assigned automatically" in form.text
    countries = [option["text"]["text"] for option in form.fields["country"]["options"]]
    assert "Germany" in countries
    refused = nils.fill(awayUntil="yesterday").submit()
    assert refused.errors == {"awayUntil": "That is in the past. Choose a later time."}
    back = (utcnow() + timedelta(days=3)).astimezone().strftime(DATE)
    nils.fill(presence="Away until the time below", awayUntil=back, country="Germany")
    assert nils.submit().errors == {}

    (offer,) = nils.wait_for_dm("You have 1 open ticket. Shall somebody else take it?")
    nils.click(offer, ids.HAND_OVER)
    nils.wait_for_dm("Handed over: your 1 open ticket goes to somebody else.")
    # No other moderator knows VPN, so an admin gets it.
    ada.wait_for_dm("Ticket 1", "VPN drops")

    nils.press("My availability")
    form = nils.wait_for_modal("My availability")
    assert "away until" in form.text
    assert nils.fill(presence="Here").submit().errors == {}
    nils.press("My availability")
    assert "away until" not in nils.wait_for_modal("My availability").text
