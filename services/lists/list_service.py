"""The lists a member looks at, with the people in them and what they can be narrowed by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bson import ObjectId

from services.accounts.users import UserService
from services.core.clock import Clock, utcnow
from services.core.coerce import as_string_list
from services.core.database import Mongo
from services.linking.directory import Directory, referenced_user_ids, resolve_people
from services.linking.links import LinkService
from services.lists.list_pages import PAGE_SIZE, REQUIRED_PERMISSION, ListPage, TicketLists
from services.lists.list_query import FILTERS, NO_ASSIGNEE, Filter, ListQuery, skill_key
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import ACTIVE_STAFF, User


@dataclass(frozen=True, slots=True)
class ListResult:
    """A page of a list. `assignees` and `skills` (by `skill_key`) are what its filters can be set
    to; empty where it has no such filter."""

    list_query: ListQuery
    page: ListPage
    people: Directory
    assignees: tuple[User, ...]
    skills: Mapping[str, str]
    now: datetime


class ListService:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._lists = TicketLists(db)
        self._clock = clock

    def get_page(
        self, *, actor: Actor, team_id: str, list_query: ListQuery, size: int = PAGE_SIZE
    ) -> ListResult:
        """The page of that list. A skill that nobody has is as if none was chosen.

        Raises `PermissionDenied` where the list is not for the actor's role.
        """
        require_permission(actor, REQUIRED_PERMISSION[list_query.kind])
        by = FILTERS[list_query.kind]
        skills = self.skills(actor=actor) if Filter.SKILL in by else {}
        assignees = self.assignees(actor=actor) if Filter.ASSIGNEE in by else ()
        if list_query.skill not in skills:
            list_query = replace(list_query, skill="")
        page = self._lists.page(
            actor=actor, list_query=list_query, skills=skills.get(list_query.skill, ()), size=size
        )
        named = {user_id for ticket in page.tickets for user_id in referenced_user_ids(ticket)}
        if list_query.assignee not in ("", NO_ASSIGNEE):
            named.add(ObjectId(list_query.assignee))
        return ListResult(
            # The first page is the top of the list, whichever way it was come to.
            list_query=list_query if page.previous_cursor else list_query.with_cursor(None),
            page=page,
            people=resolve_people(self._users, self._links, team_id=team_id, user_ids=named),
            assignees=assignees,
            skills={key: spellings[0] for key, spellings in skills.items()},
            now=self._clock(),
        )

    def assignees(self, *, actor: Actor, query: str = "") -> tuple[User, ...]:
        """Who can have tickets and whose name has those letters, by name."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = query.casefold().strip()
        found = [User.from_doc(doc) for doc in self._db.users.find(ACTIVE_STAFF)]
        named = [user for user in found if wanted in user.display_name.casefold()]
        return tuple(sorted(named, key=lambda user: (user.display_name.casefold(), user.id)))

    def skills(self, *, actor: Actor, query: str = "") -> dict[str, tuple[str, ...]]:
        """The team's skills that have those letters, by `skill_key`, each in all its spellings."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = query.casefold().strip()
        found = as_string_list(self._db.users.distinct("skills", ACTIVE_STAFF))
        spelled: dict[str, tuple[str, ...]] = {}
        for skill in sorted(found, key=lambda skill: (skill.casefold(), skill)):
            if wanted in skill.casefold():
                spelled[skill_key(skill)] = (*spelled.get(skill_key(skill), ()), skill)
        return spelled
