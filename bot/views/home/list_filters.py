"""What a list can be narrowed by, as menus above it."""

from collections.abc import Mapping, Sequence

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import actions, button
from bot.views.inputs import option
from bot.views.text import Block, display_person, plain_text
from services.home.sessions import Screen
from services.lists.list_query import FILTERS, NO_ASSIGNEE, STATUSES, Filter, ListKind, ListQuery
from services.lists.list_service import ListResult
from services.models.ticket import Priority, Status
from services.models.user import User

FILTER_ACTION_IDS = {
    Filter.STATUS: ids.LIST_STATUS,
    Filter.PRIORITY: ids.LIST_PRIORITY,
    Filter.ASSIGNEE: ids.LIST_ASSIGNEE,
    Filter.SKILL: ids.LIST_SKILL,
}
ANY_LABELS = {
    Filter.STATUS: "All that are open",
    Filter.PRIORITY: "Any priority",
    Filter.ASSIGNEE: "Anybody",
    Filter.SKILL: "Any skill",
}
ANY_VALUE = "any"
SEARCHABLE_FILTERS = (Filter.ASSIGNEE, Filter.SKILL)
CLOSED_LABEL = "Resolved or cancelled"


def filter_menus(listed: ListResult, max_options: int) -> Block:
    """A menu for each, holding up to `max_options` options itself; longer ones ask as the user
    types.

    What it is narrowed by stands in the block's id: a press on an element always brings that.

    And as it changes with the filters, Slack shows them as they are now, not as they were set.
    """
    list_query = listed.list_query.with_cursor(None)
    elements = [_filter_menu(by, listed, max_options) for by in FILTERS[list_query.kind]]
    if list_query.has_filters:
        everything = Screen(list_query=list_query.without_filters)
        elements.append(button("Clear filters", ids.LIST_CLEAR, everything.encode()))
    return {**actions(*elements), "block_id": f"filters|{Screen(list_query=list_query).encode()}"}


def _filter_menu(by: Filter, listed: ListResult, max_options: int) -> Block:
    options = _options(by, listed)
    chosen = str(getattr(listed.list_query, by) or ANY_VALUE)
    initial = next((option for option in options if option["value"] == chosen), None)
    if initial is None:  # of somebody who is no longer among those to choose from
        initial = option(display_person(listed.people, ObjectId(chosen)).name, chosen)
        options.append(initial)
    element: Block = {
        "action_id": FILTER_ACTION_IDS[by],
        "initial_option": initial,
        "placeholder": plain_text(ANY_LABELS[by]),
    }
    if by in SEARCHABLE_FILTERS and len(options) > max_options:
        return {**element, "type": "external_select", "min_query_length": 0}
    return {**element, "type": "static_select", "options": options}


def query_from_block_id(block_id: str) -> ListQuery:
    """What a list was narrowed by when its filters were drawn, from their block's id."""
    return Screen.decode(block_id.partition("|")[2]).list_query or ListQuery(ListKind.OWN)


def assignee_filter_options(users: Sequence[User]) -> list[Block]:
    named = [option(user.display_name, str(user.id)) for user in users]
    return [
        option(ANY_LABELS[Filter.ASSIGNEE], ANY_VALUE),
        option("Nobody yet", NO_ASSIGNEE),
        *named,
    ]


def skill_filter_options(skills: Mapping[str, str]) -> list[Block]:
    """`skills` by `skill_key`."""
    return [
        option(ANY_LABELS[Filter.SKILL], ANY_VALUE),
        *(option(skill, key) for key, skill in skills.items()),
    ]


def _options(by: Filter, listed: ListResult) -> list[Block]:
    if by is Filter.ASSIGNEE:
        return assignee_filter_options(listed.assignees)
    if by is Filter.SKILL:
        return skill_filter_options(listed.skills)
    every = option(ANY_LABELS[by], ANY_VALUE)
    if by is Filter.PRIORITY:
        priorities = reversed(Priority)
        return [every, *(option(labels.PRIORITY[value], value.value) for value in priorities)]
    kind = listed.list_query.kind
    named = labels.REQUESTER_STATUS if kind is ListKind.OWN else labels.STATUS
    named = {**named, Status.COMPLETED: CLOSED_LABEL}
    return [every, *(option(named[one], one.value) for one in STATUSES[kind])]
