"""The results of a search for tickets, in a message and in Home, and Home's search box."""

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise

from bson import ObjectId

from bot.views import ids
from bot.views.blocks import (
    actions,
    button,
    context,
    header,
    page_buttons,
    section,
    text_section,
)
from bot.views.home.ticket_list import MAX_NOTIFICATION_LENGTH, ticket_row, ticket_row_text
from bot.views.inputs import View
from bot.views.text import (
    Block,
    Message,
    escape,
    fit_to_limit,
    masked,
    mrkdwn,
    plain_text,
)
from services.core.text import truncate
from services.home.home_service import SearchResultsPage
from services.home.sessions import Screen
from services.lists.list_query import ListKind
from services.models.ticket import Ticket
from services.models.user import User
from services.search.match_excerpt import Excerpt, Place, Segment
from services.search.search_query import MAX_QUERY_LENGTH, SearchPage
from services.search.search_service import Hit, PersonChoice, SearchResult
from services.tickets.validation import MAX_TITLE_LENGTH

TITLE = "Search results"
BOX_LABEL = "Search tickets"
BOX_PLACEHOLDER = "Words or a number; Enter searches"
ORDER_NOTE = "First those with the words in the title, then in the description, then the newest."
NEWEST_FIRST = "The newest first."
NO_MATCH = (
    "No ticket that you may see matches. A ticket must have every word; the last may be the "
    "beginning of one. Try fewer words, or leave out a filter."
)
NO_MORE = "No more tickets match."
_PLACE_LABELS = {
    Place.TITLE: "Title",
    Place.DESCRIPTION: "Description",
    Place.COMMENT: "Comment",
    Place.NOTE: "Internal note",
}
# Slack's marks of bold, italic, struck and code, and characters that look like them.
_MARKS = str.maketrans({"*": "\u2217", "_": "\uff3f", "~": "\u223c", "`": "\u02cb"})
# Between a letter and a mark: without it Slack shows the mark.
_BOUNDARY = "\u200b"


def search_box(text: str = "") -> Block:
    """Return an input that searches when Enter is pressed."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": ids.SEARCH_BOX,
        "max_length": MAX_QUERY_LENGTH,
        "placeholder": plain_text(BOX_PLACEHOLDER),
        "dispatch_action_config": {"trigger_actions_on": ["on_enter_pressed"]},
    }
    if text:
        element["initial_value"] = truncate(text, MAX_QUERY_LENGTH)
    # Another id for another text: Slack keeps what was typed into an input of the same id.
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return {
        "type": "input",
        "block_id": f"{ids.SEARCH_BOX}:{digest}",
        "dispatch_action": True,
        "label": plain_text(BOX_LABEL),
        "element": element,
    }


def results_message(result: SearchResult) -> Message:
    def open_button(ticket: Ticket) -> Block:
        return button("Open", ids.LIST_OPEN, str(ticket.id))

    about = context(plain_text(f"For “{_shown_text(result)}”"))
    blocks = fit_to_limit([header(TITLE), about, *_results(result, open_button)])
    return Message(text=_notification_text(result), blocks=blocks)


def results_page(content: SearchResultsPage) -> View:
    result = content.result

    def open_button(ticket: Ticket) -> Block:
        to = Screen(search=content.screen.search, ticket_id=ticket.id)
        return button("Open", ids.HOME_OPEN, to.encode())

    blocks = [
        header(TITLE),
        actions(button("Back", ids.HOME_BACK, Screen().encode())),
        search_box(_shown_text(result)),
        *_results(result, open_button),
    ]
    return {"type": "home", "blocks": blocks}


def _shown_text(result: SearchResult) -> str:
    """Return what was typed, with names in place of the ids of chosen people."""
    text = result.query.text
    for typed in result.query.people.values():
        if ObjectId.is_valid(typed) and (user := result.people.users.get(ObjectId(typed))):
            text = text.replace(typed, f'"{user.display_name}"')
    return text


def _results(result: SearchResult, open_button: Callable[[Ticket], Block]) -> list[Block]:
    if result.choice:
        return _choice(result, result.choice)
    if not result.hits:
        title = truncate(masked(" ".join(result.query.text.split())), MAX_TITLE_LENGTH)
        return [
            text_section(NO_MORE if result.cursor else NO_MATCH),
            actions(button("File a ticket", ids.FILE_WITH_TITLE, title)),
        ]
    has_words = result.query.words or result.query.beginning
    blocks = [context(plain_text(ORDER_NOTE if has_words else NEWEST_FIRST))]
    for hit in result.hits:
        blocks += _row(hit, result, open_button(hit.ticket))
    text, following = result.query.text, result.next_cursor
    first = _page_value(SearchPage(text)) if result.cursor else None
    more = _page_value(SearchPage(text, following)) if following else None
    return blocks + page_buttons(
        ("First page", ids.SEARCH_FIRST, first), ("Next", ids.SEARCH_NEXT, more)
    )


def _row(hit: Hit, result: SearchResult, open_button: Block) -> list[Block]:
    row = ticket_row(
        hit.ticket,
        kind=_kind(hit),
        people=result.people,
        now=result.now,
        open_button=open_button,
    )
    if hit.excerpt is None or hit.excerpt.place is Place.TITLE:
        return row  # the title is above
    return [*row, context(mrkdwn(excerpt_text(hit.excerpt)))]


def _kind(hit: Hit) -> ListKind:
    if hit.is_staff:
        return ListKind.QUEUE
    return ListKind.OWN if hit.is_own else ListKind.PARTICIPATING


def excerpt_text(excerpt: Excerpt) -> str:
    """Return the excerpt as mrkdwn with the words in bold, whatever else its text contains."""
    texts = [_bold(segment) for segment in excerpt.segments]
    for at, (one, other) in enumerate(pairwise(excerpt.segments)):
        if one.text[-1:].isalnum() and other.text[:1].isalnum():
            texts[at] += _BOUNDARY
    before, after = ("…" if cut else "" for cut in (excerpt.is_cut_before, excerpt.is_cut_after))
    return f"{_PLACE_LABELS[excerpt.place]}: {before}{''.join(texts).strip()}{after}"


def _bold(segment: Segment) -> str:
    text = escape(segment.text).translate(_MARKS)
    return f"*{text.strip()}*" if segment.is_match and text.strip() else text


def _choice(result: SearchResult, choice: PersonChoice) -> list[Block]:
    question = f"Several people match {choice.by}:{choice.typed}. Who do you mean?"
    blocks = [text_section(question)]
    for user in choice.people:
        to = SearchPage(result.query.with_person(choice.by, user.id))
        choose = button("Choose", ids.SEARCH_PERSON, _page_value(to))
        name = _name(user, has_address=result.is_staff)
        spoken = truncate(f"Choose {name}", 75)
        blocks.append(
            section(plain_text(name), accessory={**choose, "accessibility_label": spoken})
        )
    return blocks


def _name(user: User, *, has_address: bool) -> str:
    name = truncate(user.display_name, 80)
    return f"{name} · {truncate(user.email, 100)}" if has_address and user.email else name


def _page_value(page: SearchPage) -> str:
    return Screen(search=page).encode()


def _notification_text(result: SearchResult) -> str:
    """Return the rows as escaped text, up to the length Slack recommends."""
    if result.choice:
        return escape(
            f"Several people match {result.choice.by}:{result.choice.typed}: "
            + ", ".join(user.display_name for user in result.choice.people)
        )
    if not result.hits:
        return NO_MORE if result.cursor else NO_MATCH
    return _lines(result, result.hits)


def _lines(result: SearchResult, hits: Sequence[Hit]) -> str:
    text = f"{TITLE}:"
    for hit in hits:
        line = ticket_row_text(hit.ticket, kind=_kind(hit), people=result.people, now=result.now)
        if len(text) + len(line) < MAX_NOTIFICATION_LENGTH:
            text += f"\n{line}"
    return text
