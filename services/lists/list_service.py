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
from services.lists.list_pages import NEEDED, PAGE_SIZE, Page, TicketLists
from services.lists.list_query import FILTERS, NOBODY, Filter, ListQuery, skill_key
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import ACTIVE_STAFF, User


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of a list. `assignees` and `skills` (by `skill_key`) are what its filters can be set
    to; empty where it has no such filter."""

    selection: ListQuery
    page: Page
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

    def look(
        self, *, actor: Actor, team_id: str, selection: ListQuery, size: int = PAGE_SIZE
    ) -> Listed:
        """The page of that list. A skill that nobody has is as if none was chosen.

        Raises `Denied` where the list is not for the actor's role.
        """
        require_permission(actor, NEEDED[selection.kind])
        by = FILTERS[selection.kind]
        skills = self.skills(actor=actor) if Filter.SKILL in by else {}
        assignees = self.assignees(actor=actor) if Filter.ASSIGNEE in by else ()
        if selection.skill not in skills:
            selection = replace(selection, skill="")
        page = self._lists.page(
            actor=actor, selection=selection, skills=skills.get(selection.skill, ()), size=size
        )
        named = {user_id for ticket in page.tickets for user_id in referenced_user_ids(ticket)}
        if selection.assignee not in ("", NOBODY):
            named.add(ObjectId(selection.assignee))
        return Listed(
            # The first page is the top of the list, whichever way it was come to.
            selection=selection if page.before else selection.at(None),
            page=page,
            people=resolve_people(self._users, self._links, team_id=team_id, user_ids=named),
            assignees=assignees,
            skills={key: spellings[0] for key, spellings in skills.items()},
            now=self._clock(),
        )

    def assignees(self, *, actor: Actor, like: str = "") -> tuple[User, ...]:
        """Who can have tickets and whose name has those letters, by name."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = like.casefold().strip()
        found = [User.from_doc(doc) for doc in self._db.users.find(ACTIVE_STAFF)]
        named = [user for user in found if wanted in user.display_name.casefold()]
        return tuple(sorted(named, key=lambda user: (user.display_name.casefold(), user.id)))

    def skills(self, *, actor: Actor, like: str = "") -> dict[str, tuple[str, ...]]:
        """The team's skills that have those letters, by `skill_key`, each in all its spellings."""
        require_permission(actor, Permission.SEE_ANY_TICKET)
        wanted = like.casefold().strip()
        found = as_string_list(self._db.users.distinct("skills", ACTIVE_STAFF))
        spelled: dict[str, tuple[str, ...]] = {}
        for skill in sorted(found, key=lambda skill: (skill.casefold(), skill)):
            if wanted in skill.casefold():
                spelled[skill_key(skill)] = (*spelled.get(skill_key(skill), ()), skill)
        return spelled
