"""What people wrote to each other about a ticket, on its page."""

from collections.abc import Sequence

from bot.views.blocks import context, header
from bot.views.people import person
from bot.views.text import Block, cut, escape, mrkdwn, plain
from bot.views.times import moment
from services.comment import Comment
from services.directory import Directory

FILES_SHOWN, FILE_NAME_MAX = 3, 60


def conversation(comments: Sequence[Comment], people: Directory, *, shown: int) -> list[Block]:
    """The newest, the last one last. Whoever may not read internal notes is given none."""
    if not comments or not shown:
        return []
    newest = comments[-shown:]
    blocks: list[Block] = [{"type": "divider"}, header("Conversation")]
    if older := len(comments) - len(newest):
        are = "comment is" if older == 1 else "comments are"
        blocks.append(context(plain(f"{older} older {are} not shown")))
    for comment in newest:
        blocks.append(context(mrkdwn(_heading(comment, people)), *_files(comment)))
        if comment.text and not comment.deleted:
            blocks.append({"type": "section", "text": plain(comment.text)})
    return blocks


def _heading(comment: Comment, people: Directory) -> str:
    name = person(people, comment.by).name
    told = [f"*{escape(f'{name[:1].upper()}{name[1:]}')}*", moment(comment.at)]
    if comment.internal:
        told.insert(0, "Internal note")
    if comment.deleted:
        return " · ".join([*told, "deleted"])
    if comment.edited_at:
        told.append("edited")
    return " · ".join(told)


def _files(comment: Comment) -> list[Block]:
    files = () if comment.deleted else comment.files
    links = [
        mrkdwn(f"<{escape(file.url)}|{escape(cut(file.name, FILE_NAME_MAX))}>")
        for file in files[:FILES_SHOWN]
    ]
    more = len(files) - len(links)
    return [*links, plain(f"{more} more {'file' if more == 1 else 'files'}")] if more else links
