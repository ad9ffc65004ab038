"""Decline and reassign in the demo's Slack, with the whole product."""

from demo.screen_text import ScreenMessage
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser


def test_a_ticket_is_declined_and_reassigned(workspace: SlackPage) -> None:
    emma, nils, ada = (SlackUser(workspace, who) for who in ("U0EMMA", "U0NILS", "U0ADA"))
    emma.command("/ticket", "The VPN drops every hour")
    emma.fill(description="Since Monday")
    assert emma.submit().errors == {}
    emma.dismiss()
    (card,) = nils.wait_for_dm("The VPN drops every hour", "Why you:")
    assert card.labels == ("Accept", "Reassign", "Not mine")
    nils.click(card, "not_mine")
    nils.fill(why="No time right now", reason="In a training until Friday")
    handed = nils.submit()
    assert handed.errors == {}
    assert handed.modal is not None
    assert handed.modal.text == "Ticket 1 goes to Ada, who is told now."
    nils.dismiss()
    (hers,) = ada.wait_for_dm("The VPN drops every hour", "Why you:")
    emma.wait_for_dm("The VPN drops every hour", f"Assigned to @{ada.name}")

    ada.click(hers, "reassign")
    best = ada.wait_for_modal("Reassign ticket 1").fields["nextBest"]
    first, *_ = [option["text"]["text"] for option in best["options"]]
    lara, _, reason = first.partition(" · ")
    assert reason.endswith("of 8 open")
    ada.fill(nextBest=first)
    assert ada.submit().errors == {}
    emma.wait_for_dm("The VPN drops every hour", f"Assigned to @{lara}")

    def former() -> ScreenMessage | None:
        return next((c for c in nils.dm() if f"Assigned to @{lara}" in c.text), None)

    assert nils.wait_for(former, "the card to say who has it").labels == ("Details",)
