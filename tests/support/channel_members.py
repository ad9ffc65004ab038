"""A request channel, its members, and what the bot says there."""

from dataclasses import replace
from typing import Any

from bot.views import ids
from services.channels.request_channels import ChannelMode, RequestChannel
from services.core.ttl_cache import invalidate_caches
from services.models.message_source import MessageSource, checked_source
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import People
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import said
from tests.support.slack_workspace import TEAM_ID, TEAM_URL

IT_HELP, HR = "C0ITHELP", "C0HR"
Json = dict[str, Any]


class Channel:
    """A request channel in which members write, and whose messages become tickets."""

    def __init__(self, system: BotAndWorkers, channel: str, *, is_private: bool) -> None:
        self.system, self.id, self.is_private = system, channel, is_private
        system.slack.add_channel(channel, is_member=True, is_private=is_private, members=[])
        mode = ChannelMode.EVERY_MESSAGE
        stored = RequestChannel(
            TEAM_ID, channel, mode, is_private=is_private, is_channel_private=is_private
        )
        system.db.channels.insert_one(stored.to_doc())
        invalidate_caches()

    def file(
        self, requester: User, text: str = "VPN is down", *, is_private: bool = False
    ) -> Ticket:
        """Make a ticket of a new message, and let the workers act on it."""
        message = self.system.slack.say(self.id, text, user=People.slack_id(requester))
        ticket = self.make(requester, message, is_private=is_private)
        self.system.work(ticket)
        return self.system.now(ticket)

    def make(
        self,
        requester: User,
        message: Json,
        *,
        is_private: bool = False,
        filed_by: User | None = None,
    ) -> Ticket:
        return self.system.tickets.create(
            actor=Actor.from_user(filed_by or requester),
            requester=requester.id,
            team_id=TEAM_ID,
            request_id=f"message:{message['ts']}",
            title=message["text"],
            description="Since Monday.",
            private=self.is_private or is_private,
            source=self.source(requester, message),
        ).ticket

    def source(self, requester: User, message: Json) -> MessageSource:
        source = checked_source(
            team_url=TEAM_URL,
            channel=self.id,
            ts=message["ts"],
            thread_ts=message.get("thread_ts"),
            slack_user_id=People.slack_id(requester),
        )
        return replace(source, is_conversation=True)

    def posted(self) -> list[Json]:
        """Return what the bot has written there."""
        return [one for one in self.system.slack.messages(self.id) if "bot_id" in one]

    def line(self) -> Json:
        return self.posted()[0]

    def details(self, user: User) -> Json:
        """Press Details on the line, and return what the user is shown."""
        response_url = self.system.slack.response_url()
        body = payloads.block_actions(
            self.line(), ids.DETAILS, user=People.slack_id(user), response_url=response_url
        )
        assert self.system.bot.answer(body) == {}
        return self.system.slack.calls_to("response_url")[-1].args

    def answer(self, event: Json) -> None:
        """Send the event, twice as Slack does, and let the workers act."""
        for _ in range(2):
            self.system.bot.answer(event)
        self.system.deliver()

    def reply(self, user: User, text: str, **more: Any) -> Json:
        """Return the event of a reply in the thread."""
        thread = {"channel": self.id, "ts": self.line()["thread_ts"]}
        return said(self.system.slack, user, thread, text, is_im=False, **more)

    def copies(self) -> list[tuple[str | None, str]]:
        """Return the bot's posts below the line, as (name, text)."""
        return [(one.get("username"), one["text"]) for one in self.posted()[1:]]
