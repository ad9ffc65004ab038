"""People who talk about a ticket in the demo's Slack, with the whole product behind it."""

from collections.abc import Iterator

import pytest

from demo import seed
from demo.local_stack import Stack
from demo.screen import Message
from demo.slack_page import Workspace
from demo.slack_user import SlackPerson


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with Stack(staff=seed.staff()) as stack, Workspace(stack.slack.url) as made:
        yield made


@pytest.fixture
def emma(workspace: Workspace) -> SlackPerson:
    return SlackPerson(workspace, "U0EMMA")


@pytest.fixture
def nils(workspace: Workspace) -> SlackPerson:
    return SlackPerson(workspace, "U0NILS")


@pytest.fixture
def cards(emma: SlackPerson, nils: SlackPerson) -> tuple[Message, Message]:
    """Of a ticket that Nils has: Emma's and his."""
    emma.command("/ticket")
    emma.fill(title="VPN is down", description="Since Monday")
    assert emma.submit().errors == {}
    emma.dismiss()
    (his,) = nils.wait_for_dm("VPN is down", "Since Monday")
    (hers,) = emma.wait_for_dm("VPN is down", "Assigned to @Nils")
    return hers, his


def wait_for_replies(person: SlackPerson, card: Message, *texts: str) -> None:
    person.wait_for(
        lambda: [reply.text for reply in person.thread(card) if reply.by_bot] == [*texts],
        f"the thread to say {texts}",
    )


def test_they_talk_in_their_threads(
    emma: SlackPerson,
    nils: SlackPerson,
    cards: tuple[Message, Message],
) -> None:
    hers, his = cards
    nils.reply(his, "Which client? <5 or >5")
    wait_for_replies(emma, hers, "*Nils* wrote:\nWhich client? <5 or >5")
    answer = emma.reply(hers, "Version 5")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 5")
    emma.change(answer, "Version 4")
    wait_for_replies(nils, his, "*Emma (employee)* wrote:\nVersion 4")
    emma.remove(answer)
    wait_for_replies(nils, his, "This comment was deleted.")

    ada = SlackPerson(nils.workspace, "U0ADA", channel=seed.TRIAGE)
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
