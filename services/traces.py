"""What of a ticket leads to a person in Slack, and the update that removes it. Pure.

Texts stay as people wrote them, and so do ids of accounts: those lead nowhere once the account is
anonymous.
"""

from collections.abc import Collection
from typing import Any

from bson import ObjectId

from services.comment import comments_of
from services.models import Document
from services.notices import NoticeState, notice_key, read_key
from services.stored import ours

# What `without` reads of a ticket.
READ = ("cards", "notices", "comments", "source", "createdBy")
ERASED = "erased"  # stands where Slack's own word for a failure would


def without(doc: Document, *, user_id: ObjectId, slack_ids: Collection[str]) -> Document:
    """The update that takes the person out of the ticket; {} where there is nothing to take.

    Places in `notices` and `comments` hold still: nothing is ever taken out of those.
    """
    source: Document = doc["source"] if isinstance(doc.get("source"), dict) else {}
    # A message that they wrote to the bot stands in their own conversation with it.
    is_direct = doc.get("createdBy") == user_id and _is_direct(source.get("channel"))
    theirs = {str(user_id), str(source["channel"])} if is_direct else {str(user_id)}
    values, gone = _told(doc, theirs)
    values |= _written(doc, user_id, slack_ids)
    if is_direct:
        gone.append("source")
    elif source.get("slackUserId") in slack_ids:
        values["source.slackUserId"] = None
    update: Document = {"$set": values} if values else {}
    if gone:
        update["$unset"] = dict.fromkeys(gone, "")
    if any(card.get("recipient") == user_id for card in ours(doc.get("cards"), "recipient")):
        update["$pull"] = {"cards": {"recipient": user_id}}
    return update


def _told(doc: Document, recipients: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """What to set and to remove, so that nobody can tell where they were sent a message."""
    values: dict[str, Any] = {}
    gone: list[str] = []
    listed = doc.get("notices")
    for place, notice in enumerate(listed if isinstance(listed, list) else []):
        seq, kind, recipient = read_key(str(notice.get("key")))
        if recipient not in recipients or notice.get("error") == ERASED:
            continue
        this = f"notices.{place}"
        values |= {f"{this}.state": NoticeState.FAILED.value, f"{this}.error": ERASED}
        gone += [f"{this}.channel", f"{this}.ts"]
        if not ObjectId.is_valid(recipient):  # a conversation: nobody else's key is like that
            values[f"{this}.key"] = notice_key(seq=int(seq), kind=kind, recipient=ERASED)
    return values, gone


def _written(doc: Document, user_id: ObjectId, slack_ids: Collection[str]) -> dict[str, Any]:
    """Where in Slack they wrote their comments, and addresses of files that name them."""
    values: dict[str, Any] = {}
    for comment in comments_of(doc.get("comments")):
        place = f"comments.{comment.position}"
        if comment.by == user_id and comment.slack and comment.slack.ts:
            # In a channel it still counts as written there, so that it is not sent there again.
            channel = comment.slack.channel
            values[f"{place}.slack"] = (
                None if _is_direct(channel) else {"channel": channel, "ts": ""}
            )
        kept = [file for file in comment.files if not any(i in file.url for i in slack_ids)]
        if len(kept) < len(comment.files):
            values[f"{place}.files"] = [file.to_doc() for file in kept]
    return values


def _is_direct(channel: object) -> bool:
    """Slack's ids of conversations with the bot alone begin with D."""
    return str(channel).startswith("D")
