"""A ticket's page and concurrent updates by two moderators, over signed HTTP."""

from typing import Any

from bot.views.modals.edit_ticket import FORM_KEPT_NOTICE
from services.core.database import Mongo
from services.models.user import Role, User
from tests.conftest import People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.http_bot import HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.product"]

Json = dict[str, Any]


class Moderator:
    """A user of the bot in Slack."""

    def __init__(self, bot: HttpBot, slack: RecordingSlack, user: User) -> None:
        self._bot, self._slack, self.user = bot, slack, user
        self.slack_id = People.slack_id(user)

    def types(self, text: str) -> Json:
        return self._bot.answer(payloads.slash_command(text, user=self.slack_id))

    def opens(self, text: str) -> Json:
        command = payloads.slash_command(text, user=self.slack_id)
        assert self._bot.answer(command) == {}
        return opened_by(self._slack, command["trigger_id"])

    def sends(self, view: Json, **values: Any) -> Json:
        return self._bot.answer(payloads.view_submission(view, values, user=self.slack_id))

    def is_offered(self, view: Json, query: str) -> list[Json]:
        asked = payloads.block_suggestion(view, "assignedTo", query, user=self.slack_id)
        return list(self._bot.answer(asked)["options"])


def test_two_moderators_update_a_ticket_and_both_see_what_became_of_it(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    bot = HttpBot(product)
    expert = people.add(Role.MODERATOR, "VPN")
    vera = Moderator(bot, slack, expert)
    otto = Moderator(bot, slack, people.add(Role.ADMIN))
    requester = people.slack_id(people.add())
    bot.answer(bot.filled_in(slack, requester, title="VPN drops"))
    eventually(lambda: is_outbox_empty(db), what="everybody was told")

    vera_s, otto_s = vera.opens("update 1"), otto.opens("update #1")
    (option,) = otto.is_offered(otto_s, "vpn")
    assert option["text"]["text"] == f"{expert.name} · knows VPN · 1 of 8 tickets with this one"

    assert vera.sends(vera_s, description="The gateway drops it.", priority="high") == {}
    answer = otto.sends(otto_s, description="Her laptop drops it.", title="VPN is down")
    assert read(answer["view"])[:3] == [
        f"Since you opened this form, {expert.name} changed the description.",
        "The gateway drops it.",
        FORM_KEPT_NOTICE,
    ]
    assert otto.sends({**otto_s, **answer["view"]}) == {}

    page = read(otto.types("view 1"))
    assert page[0] == "#1 VPN is down"
    assert "Her laptop drops it." in page
    assert f"{otto.user.name} changed the title and changed the description" in page[-1]
    assert f"{expert.name} changed the description and set the priority to High" in page[-1]

    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    (card,) = slack.messages(vera.slack_id)
    assert "Her laptop drops it." in str(card["blocks"])
    (own,) = slack.messages(requester)
    assert "VPN is down" in own["text"]
    assert bot.answer(payloads.slash_command("update 1", user=requester))["text"] == (
        "Your role does not allow you to work on tickets. Ask an admin if it should."
    )
