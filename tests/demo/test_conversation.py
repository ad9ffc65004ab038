"""A conversation about a ticket in the demo's Slack, with the whole product."""

import pytest

from demo import seed
from demo.screen_text import ScreenMessage
from demo.slack_user import SlackUser


@pytest.fixture
def cards(emma: SlackUser, nils: SlackUser) -> tuple[ScreenMessage, ScreenMessage]:
    """Emma's and Nils's messages of a ticket assigned to him."""
    emma.command("/ticket")
    emma.fill(title="VPN is down", description="Since Monday")
    assert emma.submit().errors == {}
    emma.dismiss()
    (his,) = nils.wait_for_dm("VPN is down", "Since Monday")
    (hers,) = emma.wait_for_dm("VPN is down", "Assigned to @Nils")
    return hers, his


def wait_for_replies(person: SlackUser, card: ScreenMessage, *texts: str) -> None:
    person.wait_for(
        lambda: [reply.text for reply in person.thread(card) if reply.by_bot] == [*texts],
        f"the thread to say {texts}",
    )


def test_they_talk_in_their_threads(
    emma: SlackUser,
    nils: SlackUser,
    cards: tuple[ScreenMessage, ScreenMessage],
) -> None:
    hers, his = cards
    nils.reply(his, "Which client? <5 or >5")
    wait_for_replies(emma, hers, "*Nils* wrote:\nWhich client? <5 or >5")
    answer = emma.reply(hers, "Version 5")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 5")
    emma.edit_message(answer, "Version 4")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 4")
    emma.delete_message(answer)
    wait_for_replies(nils, his, "This comment was deleted.")

    ada = SlackUser(nils.workspace, "U0ADA", channel=seed.TRIAGE)
    triage = ada.wait_for(ada.read, "the triage card")[-1]
    ada.reply(triage, "Known since Monday")
    kept = "Kept as an internal note: it is passed on to the help desk only. Whoever is in this "
    ada.wait_for(
        lambda: [m for m in ada.thread(triage) if m.text == f"{kept}channel reads it here, too."],
        "the confirmation",
    )
    nils.wait_for(
        lambda: [m for m in nils.thread(his) if "Known since Monday" in m.text], "the note"
    )
    assert not [m for m in emma.dm() if "Known since Monday" in m.text]
