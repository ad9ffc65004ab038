"""Triage, intake and people in the demo's Slack, with the whole product."""

from demo import seed
from demo.slack_page import SlackPage
from demo.slack_user import SlackUser


def test_a_message_to_the_bot_is_filed_and_taken_in_triage(emma: SlackUser, ada: SlackUser) -> None:
    emma.command("/ticket", "The coffee machine leaks")
    emma.fill(description="All over the floor")
    assert emma.submit().errors == {}
    emma.dismiss()
    (first,) = emma.wait_for_dm("The coffee machine leaks", "Assigned to")
    emma.say("My chair squeaks & <wobbles>", channel=first.channel)
    (offer,) = emma.wait_for_dm("My chair squeaks", "Shall I file this as a ticket?")
    emma.click(offer, "file_this")
    emma.wait_for_modal("File a ticket")
    assert emma.submit().errors == {}
    emma.dismiss()
    emma.wait_for_dm("My chair squeaks & <wobbles>", "Assigned to")

    def card_says(*parts: str) -> list[str]:
        texts = [card.text for card in ada.read(seed.TRIAGE) if "My chair squeaks" in card.text]
        return [text for text in texts if all(part in text for part in parts)]

    ada.wait_for(lambda: card_says("In progress"), "the triage card")
    card = next(card for card in ada.read(seed.TRIAGE) if "My chair squeaks" in card.text)
    ada.click(card, "take")
    ada.wait_for(lambda: card_says("In progress", "Ada"), "the card to say who has it")


def test_a_marked_message_is_filed(workspace: SlackPage, emma: SlackUser, nils: SlackUser) -> None:
    emma.say("The projector shows nothing", channel=seed.GENERAL)
    message = emma.read(seed.GENERAL)[-1]
    place = {"channel": message.channel, "ts": message.ts}
    workspace.control("reaction", **place, user=nils.user_id, name="ticket")
    (offer,) = nils.wait_for_dm("You marked", "with :ticket:")
    nils.click(offer, "file_marked")
    form = nils.wait_for_modal("File a ticket")
    assert form.text.startswith("Filled in from the message.")
    assert nils.submit().errors == {}
    nils.dismiss()
    nils.wait_for_dm("The projector shows nothing", "Assigned to")


def test_an_admin_edits_a_person_in_home(ada: SlackUser, nils: SlackUser) -> None:
    ada.open_home()
    ada.press("People")
    ada.wait_for(lambda: ada.home and "nils@example.com" in ada.home.text, "the people")
    ada.press("Edit Nils")
    ada.wait_for_modal("Edit person")
    ada.fill(skills="VPN, DNS, Coffee", capacity="3")
    assert ada.submit().errors == {}
    ada.wait_for(lambda: ada.home and "capacity 3 · knows VPN, DNS, Coffee" in ada.home.text, "it")
    nils.open_home()
    nils.press("My profile")
    form = nils.wait_for_modal("My profile")
    assert form.fields["skills"]["initial_value"] == "VPN, DNS, Coffee"
    assert nils.submit().errors == {}
