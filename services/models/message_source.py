"""The Slack message a ticket was filed from: its ids, and the permalink built from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.core.coerce import as_string_list
from services.core.database import Document
from services.core.errors import Conflict

_ID = re.compile(r"[A-Z][A-Z0-9]{1,29}")
_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}")
_TEAM_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/")
# What an author writes in a request channel so soon belongs to the ticket of their message.
ADDING_SECONDS = 120
# An author who wrote this lately reads the channel still.
RECENT_SECONDS = 60

MESSAGE_LOST = (
    "This form has lost the message it belongs to. Close it, then use “File as a ticket” again."
)


@dataclass(frozen=True, slots=True)
class MessageSource:
    """`channel` and `ts` name the message within the workspace; `thread_ts` is the thread of a
    reply; `slack_user_id` is the author, if known. `is_conversation`: its thread, in a request
    channel, is the conversation about the ticket. `added` are the `ts` of the author's further
    messages whose words were added to the description. `is_out_of_reach`, which is not stored: the
    bot cannot write there now."""

    channel: str
    ts: str
    permalink: str
    thread_ts: str | None = None
    slack_user_id: str | None = None
    is_conversation: bool = False
    is_out_of_reach: bool = False
    added: tuple[str, ...] = ()

    @property
    def reply_thread_ts(self) -> str:
        """Return the `thread_ts` for a reply to the message."""
        return self.thread_ts or self.ts

    @property
    def is_direct_message(self) -> bool:
        """Return whether it is a direct message to the bot, which only its author can open. Ids of
        such conversations begin with D; used for display only."""
        return self.channel.startswith("D")

    @classmethod
    def from_doc(cls, doc: Any) -> "MessageSource | None":
        """Return None if `to_doc` did not write it."""
        if not isinstance(doc, Mapping):
            return None
        team_url = str(doc.get("permalink")).partition("archives/")[0]
        try:
            source = checked_source(
                team_url=team_url,
                channel=doc.get("channel"),
                ts=doc.get("ts"),
                thread_ts=doc.get("threadTs"),
                slack_user_id=doc.get("slackUserId"),
            )
        except Conflict:
            return None
        return replace(
            source,
            is_conversation=doc.get("conversation") is True,
            added=as_string_list(doc.get("added")),
        )

    def to_doc(self) -> dict[str, str | bool | list[str] | None]:
        """Only the source of a conversation has these fields, as older releases stored none."""
        conversation = {"conversation": True} if self.is_conversation else {}
        added = {"added": list(self.added)} if self.added else {}
        return {
            "channel": self.channel,
            "ts": self.ts,
            "permalink": self.permalink,
            "threadTs": self.thread_ts,
            "slackUserId": self.slack_user_id,
            **conversation,
            **added,
        }


def checked_source(
    *, team_url: str, channel: Any, ts: Any, thread_ts: Any = None, slack_user_id: Any = None
) -> MessageSource:
    """Return the source from untrusted ids. Raises `Conflict` if one is not an id.

    `team_url` is the workspace's URL from `auth.test`, ending in a slash, so that the permalink
    cannot lead to another workspace.
    """
    required = ((_TEAM_URL, team_url), (_ID, channel), (_TS, ts))
    optional = ((_TS, thread_ts), (_ID, slack_user_id))
    given = (*required, *((shape, value) for shape, value in optional if value is not None))
    if not all(isinstance(value, str) and shape.fullmatch(value) for shape, value in given):
        raise Conflict(MESSAGE_LOST)
    reply_to = thread_ts if thread_ts != ts else None  # a thread's first message names itself
    permalink = f"{team_url}archives/{channel}/p{ts.replace('.', '')}"  # as chat.getPermalink does
    if reply_to:
        permalink += f"?thread_ts={reply_to}&cid={channel}"
    return MessageSource(
        channel=channel,
        ts=ts,
        permalink=permalink,
        thread_ts=reply_to,
        slack_user_id=slack_user_id,
    )


def talked_about_in(*, team_id: str, channel: str, thread_ts: str) -> tuple[Document, Document]:
    """Return the conditions for a ticket that the thread in a request channel is the conversation
    about: that of its first message, and that of a reply in it."""
    is_there: Document = {
        "teamId": team_id,
        "source.channel": {"$eq": channel},
        "source.conversation": True,
    }
    return is_there | {"source.ts": thread_ts}, is_there | {"source.threadTs": thread_ts}


def filed_from(*, team_id: str, channel: str, ts: str) -> Document:
    """Return the condition for the ticket that was filed from that message."""
    # `$eq`, because SecantusDB scans all tickets if a partial index has values for all fields.
    return {"teamId": team_id, "source.ts": ts, "source.channel": {"$eq": channel}}


def filed_near(*, team_id: str, channel: str, ts: str) -> Document:
    """Return the condition for the tickets that were filed from messages of the channel, written
    within two minutes of that one."""
    seconds, _, rest = ts.partition(".")
    first, last = (
        f"{max(int(seconds) + shift, 0)}.{rest}" for shift in (-ADDING_SECONDS, ADDING_SECONDS)
    )
    times = {"$gte": first, "$lte": last}
    return {"teamId": team_id, "source.ts": times, "source.channel": {"$eq": channel}}
