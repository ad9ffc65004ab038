from datetime import UTC, datetime

import pytest
from bson import ObjectId

from bot.views.messages.handover_offer import (
    decision_message,
    offer_message,
    open_ticket_count,
    parse_offer_value,
)
from bot.views.text import Message
from services.availability.absence import AbsenceSource
from services.availability.handover_offers import HandoverOffer, OfferAnswer, OfferDecision
from services.availability.slack_status import NO_END
from services.models.user import Role, User
from tests.support.block_text import read
from tests.support.blockkit import check_message

FRIDAY = datetime(2026, 3, 6, 17, 0, tzinfo=UTC)
FRIDAY_TEXT = "<!date^1772816400^{date_short_pretty} at {time}|6 Mar 2026, 17:00 UTC>"
NILS = User(ObjectId("65f0c0ffee65f0c0ffee0001"), "nils@example.com", Role.MODERATOR, name="Nils")
ADA = ObjectId("65f0c0ffee65f0c0ffee0002")


def offered(
    *,
    user: User = NILS,
    to: ObjectId = NILS.id,
    number: int = 3,
    until: datetime = FRIDAY,
    source: AbsenceSource = AbsenceSource.SELF,
) -> Message:
    message = offer_message(HandoverOffer(user, "k3y", to, number, until, source, 1, until))
    assert check_message({"text": message.text, "blocks": message.blocks}) == []
    return message


def test_the_offer_to_oneself() -> None:
    message = offered()
    assert message.text == "You have 3 open tickets. Should someone else take them?"
    assert read({"blocks": message.blocks}) == [
        f"You are *away until {FRIDAY_TEXT}*, so no new tickets are assigned to you. "
        "You have 3 open tickets. Should someone else take them?",
        "Hand over my 3 open tickets",
        "Keep them",
    ]
    button = message.blocks[1]["elements"][0]
    assert parse_offer_value(button["value"]) == (str(NILS.id), "k3y")


def test_one_ticket_and_no_end() -> None:
    message = offered(number=1, until=NO_END, source=AbsenceSource.SLACK)
    assert read({"blocks": message.blocks}) == [
        "Your Slack status says that you are *away*, so no new tickets are assigned to you. "
        "You have 1 open ticket. Should someone else take it?",
        "Hand over my 1 open ticket",
        "Keep it",
    ]


def test_the_offer_to_an_admin() -> None:
    message = offered(to=ADA, source=AbsenceSource.ADMIN)
    assert message.text == "Nils has 3 open tickets. Should someone else take them?"
    assert read({"blocks": message.blocks}) == [
        f"*Nils* is *away until {FRIDAY_TEXT}*, so no new tickets are assigned to them. "
        "Nils has 3 open tickets. Should someone else take them?",
        "Hand over the 3 open tickets",
        "Leave them",
    ]


def test_a_name_never_becomes_markup() -> None:
    evil = User(NILS.id, "a@b.c", Role.MODERATOR, name="<!channel> & <https://evil|Sign in>" * 9)
    message = offered(user=evil, to=ADA)
    assert "<!channel>" not in str(message)
    assert "&lt;!channel&gt; &amp;" in message.text


@pytest.mark.parametrize(
    ("answer", "number", "own", "others"),
    [
        (
            OfferAnswer.HANDED_OVER,
            3,
            "Handed over: your 3 open tickets. The card of each says who has it now.",
            "Handed over: Nils's 3 open tickets. The page of each says who has it now.",
        ),
        (
            OfferAnswer.HANDED_OVER,
            1,
            "Handed over: your 1 open ticket. Its card says who has it now.",
            "Handed over: Nils's 1 open ticket. Its page says who has it now.",
        ),
        (
            OfferAnswer.HANDED_OVER,
            0,
            "There is nothing left to hand over.",
            "There is nothing left to hand over.",
        ),
        (
            OfferAnswer.KEPT,
            2,
            "You keep 2 open tickets. Each can still be reassigned on its card.",
            "Nils keeps 2 open tickets. Each can still be reassigned on its card.",
        ),
        (
            OfferAnswer.KEPT,
            1,
            "You keep 1 open ticket. It can still be reassigned on its card.",
            "Nils keeps 1 open ticket. It can still be reassigned on its card.",
        ),
        (
            OfferAnswer.EXPIRED,
            0,
            "This offer is out of date. Nothing was handed over.",
            "This offer is out of date. Nothing was handed over.",
        ),
    ],
)
def test_what_stands_there_afterwards(
    answer: OfferAnswer, number: int, own: str, others: str
) -> None:
    for is_own, words in ((True, own), (False, others)):
        message = decision_message(OfferDecision(answer, NILS, number), is_own=is_own)
        assert (message.text, read({"blocks": message.blocks})) == (words, [words])


def test_how_many() -> None:
    assert [open_ticket_count(number) for number in (0, 1, 2)] == [
        "0 open tickets", "1 open ticket", "2 open tickets"
    ]  # fmt: skip
