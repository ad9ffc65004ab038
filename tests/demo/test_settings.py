"""Due times in the demo: an admin sets targets and business hours; a ticket has a deadline."""

from demo import seed
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser


def test_an_admin_sets_what_tickets_are_due_by(workspace: SlackPage) -> None:
    emma = SlackUser(workspace, seed.EMPLOYEE.slack_id)
    nils, *_ = (SlackUser(workspace, member.slack_id) for member in seed.staff())
    ada = SlackUser(workspace, seed.ADMIN.slack_id)

    def sees(text: str) -> None:
        ada.wait_for(lambda: ada.home and text in ada.home.text, text)

    ada.open_home()
    ada.press("Settings")
    sees("done within 24 h")
    ada.press("Change due times")
    ada.wait_for_modal("Due times")
    refused = ada.fill(hours_medium="a day").submit()
    assert refused.errors == {"hours_medium": "Write hours from 0.25 to 2,000, such as 8."}
    saved = ada.fill(hours_medium="30", clock="Around the clock").submit()
    assert (saved.errors, saved.modal) == ({}, None)
    sees("*Medium* · accepted within 4 h · done within 30 h")
    ada.press("Change office hours")
    ada.wait_for_modal("Office hours")
    assert ada.fill(zone="Europe/Berlin", country="Germany").submit().errors == {}
    sees("Monday, Tuesday, Wednesday, Thursday, Friday, 09:00 to 17:00, Europe/Berlin")
    sees("Public holidays of Germany are days off.")

    emma.command("/ticket", "VPN drops every hour")
    late = emma.fill(description="Since Monday.", deadline="2020-01-01 10:00").submit()
    assert late.errors == {
        "deadline": "The deadline has to lie in the future. Choose a later time."
    }
    emma.fill(description="Since Monday.", deadline="2098-12-31 17:00").submit()
    emma.dismiss()
    (card,) = nils.wait_for_dm("Ticket 1", "*Due*")
    assert "2098" not in card.text  # the target comes first
