"""What a list can be narrowed by, as menus above it."""

from collections.abc import Mapping, Sequence

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import actions, button
from bot.views.inputs import option
from bot.views.text import Block, person, plain_text
from services.home.sessions import Screen
from services.lists.list_query import FILTERS, NO_ASSIGNEE, STATUSES, Filter, ListKind, ListQuery
from services.lists.list_service import ListResult
from services.models.ticket import Priority, Status
from services.models.user import User

FILTER_IDS = {
    Filter.STATUS: ids.LIST_STATUS,
    Filter.PRIORITY: ids.LIST_PRIORITY,
    Filter.ASSIGNEE: ids.LIST_ASSIGNEE,
    Filter.SKILL: ids.LIST_SKILL,
}
ANY = {
    Filter.STATUS: "All that are open",
    Filter.PRIORITY: "Any priority",
    Filter.ASSIGNEE: "Anybody",
    Filter.SKILL: "Any skill",
}
EVERY = "any"
TYPED = (Filter.ASSIGNEE, Filter.SKILL)
CLOSED = "Resolved or cancelled"


def filters(listed: ListResult, most: int) -> Block:
    """A menu for each, holding up to `most` options itself; longer ones ask as somebody types.

    What it is narrowed by stands in the block's id: a press on an element always brings that.

    And as it changes with the filters, Slack shows them as they are now, not as they were set.
    """
    selection = listed.list_query.with_cursor(None)
    elements = [_filter(by, listed, most) for by in FILTERS[selection.kind]]
    if selection.has_filters:
        everything = Screen(list_query=selection.without_filters)
        elements.append(button("Clear filters", ids.LIST_CLEAR, everything.encode()))
    return {**actions(*elements), "block_id": f"filters|{Screen(list_query=selection).encode()}"}


def _filter(by: Filter, listed: ListResult, most: int) -> Block:
    options = _options(by, listed)
    chosen = str(getattr(listed.list_query, by) or EVERY)
    initial = next((option for option in options if option["value"] == chosen), None)
    if initial is None:  # of somebody who is no longer among those to choose from
        initial = option(person(listed.people, ObjectId(chosen)).name, chosen)
        options.append(initial)
    element: Block = {
        "action_id": FILTER_IDS[by],
        "initial_option": initial,
        "placeholder": plain_text(ANY[by]),
    }
    if by in TYPED and len(options) > most:
        return {**element, "type": "external_select", "min_query_length": 0}
    return {**element, "type": "static_select", "options": options}


def selection_of(block_id: str) -> ListQuery:
    """What a list was narrowed by when its filters were drawn, from their block's id."""
    return Screen.decode(block_id.partition("|")[2]).list_query or ListQuery(ListKind.OWN)


def assignee_options(users: Sequence[User]) -> list[Block]:
    named = [option(user.display_name, str(user.id)) for user in users]
    return [option(ANY[Filter.ASSIGNEE], EVERY), option("Nobody yet", NO_ASSIGNEE), *named]


def skill_options(skills: Mapping[str, str]) -> list[Block]:
    """`skills` by `skill_key`."""
    return [
        option(ANY[Filter.SKILL], EVERY),
        *(option(skill, key) for key, skill in skills.items()),
    ]


def _options(by: Filter, listed: ListResult) -> list[Block]:
    if by is Filter.ASSIGNEE:
        return assignee_options(listed.assignees)
    if by is Filter.SKILL:
        return skill_options(listed.skills)
    every = option(ANY[by], EVERY)
    if by is Filter.PRIORITY:
        priorities = reversed(Priority)
        return [every, *(option(labels.PRIORITY[one], one.value) for one in priorities)]
    kind = listed.list_query.kind
    named = labels.OWN_STATUS if kind is ListKind.OWN else labels.STATUS
    named = {**named, Status.COMPLETED: CLOSED}
    return [every, *(option(named[one], one.value) for one in STATUSES[kind])]
