"""The messages to admins about unassigned tickets."""

import pytest
from bson import ObjectId

from bot.views.messages import unassigned
from services.lists.list_query import ListKind, ListQuery
from services.models.ticket import Ticket
from tests.conftest import sample_ticket
from tests.support.blockkit import check_message


def tickets(count: int, title: str = "Leak") -> list[Ticket]:
    return [
        sample_ticket(id=ObjectId(), number=number, title=f"{title} {number}")
        for number in range(1, count + 1)
    ]


def test_several_are_listed_with_a_way_to_assign_each() -> None:
    message = unassigned.unassigned_summary(tickets(2), count=2)
    assert message.text == "Nobody is available for 2 tickets: Ticket 1, Ticket 2"
    heading, why, first, second, last = message.blocks
    assert heading["text"]["text"] == "Nobody is available for 2 tickets"
    assert why["text"]["text"] == (
        "Whoever could take these is away, at their capacity, not linked to Slack, their "
        "requester, or has had them before. They are tried again every few minutes and as soon as "
        "somebody is available."
    )
    assert (first["text"]["text"], first["accessory"]["text"]["text"]) == (
        "Ticket 1: Leak 1",
        "Assign",
    )
    assert second["accessory"]["accessibility_label"] == "Assign Ticket 2"
    (queue,) = last["elements"]
    assert (queue["text"]["text"], queue["action_id"]) == ("The queue", "show_list")
    assert ListQuery.decode(queue["value"]) == ListQuery(ListKind.QUEUE)


def test_of_many_the_first_ten_and_how_many_more() -> None:
    message = unassigned.unassigned_summary(tickets(unassigned.MAX_TICKETS), count=1_030)
    assert message.text.endswith("Ticket 9, Ticket 10 and 1,020 more")
    assert message.blocks[-2]["elements"][0]["text"] == "and 1,020 more"


@pytest.mark.parametrize("title", ["本" * 140, "<!channel> <https://evil|Sign in>", "*b* & _i_"])
def test_what_people_wrote_is_never_markup_and_always_fits(title: str) -> None:
    message = unassigned.unassigned_summary(tickets(unassigned.MAX_TICKETS, title), count=5_000)
    assert check_message(message.as_args()) == []
    assert title not in message.text
    assert {block["text"]["type"] for block in message.blocks if "text" in block} == {"plain_text"}
