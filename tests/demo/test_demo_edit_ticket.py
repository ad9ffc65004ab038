"""View and update a ticket in the demo, where some menus are text inputs."""

from demo import seed
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser


def test_a_moderator_updates_a_ticket_looks_at_it_and_empties_it(workspace: SlackPage) -> None:
    emma = SlackUser(workspace, seed.EMPLOYEE.slack_id)
    nils, lara, *_ = (SlackUser(workspace, member.slack_id) for member in seed.staff())
    emma.command("/ticket", "VPN drops every hour")
    emma.fill(description="Since Monday.").submit()
    emma.dismiss()
    nils.wait_for_dm("Ticket 1", "VPN drops")

    nils.command("/ticket", "update 1")
    form = nils.wait_for_modal("Update ticket 1")
    offered = [option["text"]["text"] for option in form.fields["assignedTo"]["options"]]
    assert "Lara · 0 of 8 open" in offered
    assert form.fields["relatedSkills"]["initial_value"] == "VPN"

    refused = nils.fill(deadline="yesterday").submit()
    assert refused.errors == {
        "deadline": "The deadline has to lie in the future. Choose a later time."
    }
    nils.fill(
        title="VPN is down",
        priority="Urgent",
        deadline="2098-12-31 17:00",
        relatedSkills="vpn",
        assignedTo="Lara · 0 of 8 open",
        helpfulNotes="The gateway was changed on Sunday.",
    )
    saved = nils.submit()
    assert (saved.errors, saved.modal) == ({}, None)
    lara.wait_for_dm("Ticket 1", "VPN is down")

    lara.command("/ticket", "view #1")
    page = lara.read()[-1]
    assert page.only_for == lara.user_id
    for line in (
        "VPN is down",
        "*Priority*\nUrgent",
        "The gateway was changed on Sunday.",
        "Nils set the priority to Urgent",
        "Nils gave it to Lara",
    ):
        assert line in page.text
    assert "Deadline 31 Dec 2098" in page.text

    lara.command("/ticket", "update 1")
    lara.fill(priority="(none)", deadline="", relatedSkills="", assignedTo="(none)")
    assert lara.submit().errors == {}
    lara.command("/ticket", "view 1")
    emptied = lara.read()[-1].text
    assert "*Priority*\nNot set" in emptied
    assert "Lara took the deadline away" in emptied
    assert "Lara handed it back" in emptied
