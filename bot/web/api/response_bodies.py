"""Responses of the API, built from domain objects; the models also describe them in OpenAPI."""

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any

from bson import ObjectId
from pydantic import BaseModel, ConfigDict, Field, RootModel, WithJsonSchema
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict

from bot.views.text import masked
from bot.web.api.request_bodies import OBJECT_ID_PATTERN
from services.models.ticket import Priority, Status
from services.models.ticket import Ticket as StoredTicket
from services.models.user import Role
from services.models.user import User as StoredUser
from services.tickets.access import hidden_from_requester


def _iso(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


Id = Annotated[str, Field(pattern=OBJECT_ID_PATTERN)]
# A text, because pydantic would call a function of ours for each date that it serializes.
Date = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


def _alias(name: str) -> str:
    return "_id" if name == "id" else to_camel(name)


_EXAMPLE: JsonDict = {
    "error": "title: Give it a title of at least 3 characters.",
    "code": "invalid",
    "field": "title",
}


class ResponseBody(BaseModel):
    """All fields are always present."""

    model_config = ConfigDict(
        frozen=True,
        alias_generator=_alias,
        validate_by_name=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,
    )


class Error(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    error: str = Field(description="A sentence for people.")
    code: str = Field(description="A word for programs.")
    field: str = Field("", description="The value it is about; left out if it is about none.")


class User(ResponseBody):
    id: Id
    email: str
    name: str | None
    role: Role
    skills: list[str]
    active: bool = Field(description="A deactivated account cannot sign in.")
    created_at: Date | None

    @classmethod
    def from_user(cls, user: StoredUser) -> "User":
        return cls(
            id=str(user.id),
            email=user.email,
            name=user.name,
            role=user.role,
            skills=list(user.skills),
            active=user.active,
            created_at=_iso(user.created_at),
        )


class _Ticket(ResponseBody):
    id: Id
    number: int | None
    title: str
    description: str
    status: Status
    priority: Priority | None
    deadline: Date | None = Field(description="Set by people; it never moves.")
    due_at: Date | None = Field(
        description="The earlier of the deadline and the priority's target; null while the ticket "
        "waits for its requester and has no deadline. A deadline that had passed when the ticket "
        "was reopened does not count."
    )
    created_at: Date | None
    private: bool = Field(
        description="Seen by its requester, assignee, participants and admins only."
    )
    resolution: str | None = Field(
        description='What was done; "cancelled" if not needed any more, "no_answer" if its '
        'requester did not answer, "not_a_request" if a moderator closed it as not a request.'
    )
    related_skills: list[str] = Field(description="For moderators and admins; others get none.")
    helpful_notes: str | None = Field(description="For moderators and admins; others get null.")
    summary: str | None = Field(description="For moderators and admins; others get null.")


class Person(ResponseBody):
    id: Id
    email: str

    @classmethod
    def from_user(cls, user: StoredUser | None) -> "Person | None":
        return cls(id=str(user.id), email=user.email) if user else None


_CREATED_BY = "The requester."
_FILED_BY = "Who filed it: the requester, or a colleague for them."


class Ticket(_Ticket):
    """A ticket; `createdBy`, `filedBy`, `assignedTo` and `participants` are accounts' ids."""

    created_by: Id | None = Field(description=_CREATED_BY)
    filed_by: Id | None = Field(description=_FILED_BY)
    assigned_to: Id | None
    participants: list[Id]

    @classmethod
    def from_ticket(
        cls, ticket: StoredTicket, *, is_staff: bool, is_listed: bool = False
    ) -> "Ticket":
        """Without secrets if it `is_listed`."""
        by, filer, to = ticket.created_by, ticket.filer, ticket.assigned_to
        return cls(
            created_by=str(by) if by else None,
            filed_by=str(filer) if filer else None,
            assigned_to=str(to) if to else None,
            participants=[str(user_id) for user_id in ticket.participants],
            **_values(ticket, is_staff=is_staff, is_listed=is_listed),
        )


class TicketWithPeople(_Ticket):
    """A ticket with the accounts of its people, null for one that is no more."""

    created_by: Person | None = Field(description=_CREATED_BY)
    filed_by: Person | None = Field(description=_FILED_BY)
    assigned_to: Person | None
    participants: list[Person] = Field(
        description="Added by the requester, a moderator or an admin: they read it, comment on it, "
        "and do not change it."
    )

    @classmethod
    def from_ticket(
        cls, ticket: StoredTicket, people: Mapping[ObjectId, StoredUser], *, is_staff: bool
    ) -> "TicketWithPeople":
        by, filer, to = ticket.created_by, ticket.filer, ticket.assigned_to
        return cls(
            created_by=Person.from_user(people.get(by) if by else None),
            filed_by=Person.from_user(people.get(filer) if filer else None),
            assigned_to=Person.from_user(people.get(to) if to else None),
            participants=[
                person
                for user_id in ticket.participants
                if (person := Person.from_user(people.get(user_id)))
            ],
            **_values(ticket, is_staff=is_staff),
        )


_TEXTS = ("title", "description", "resolution", "helpful_notes", "summary")
_DATES = ("deadline", "due_at", "created_at")
_ATTRIBUTES = tuple(_Ticket.model_fields)
_read_attributes = attrgetter(*_ATTRIBUTES)
_HIDDEN_FROM_REQUESTER = hidden_from_requester(_ATTRIBUTES)


def _values(ticket: StoredTicket, *, is_staff: bool, is_listed: bool = False) -> dict[str, Any]:
    """Return the fields of `_Ticket`, those for the staff empty unless `is_staff`."""
    values: dict[str, Any] = dict(zip(_ATTRIBUTES, _read_attributes(ticket), strict=True))
    if not is_staff:
        values |= _HIDDEN_FROM_REQUESTER
    if is_listed:
        for name in _TEXTS:
            if values[name]:
                values[name] = masked(values[name])
    for name in _DATES:
        values[name] = _iso(values[name])
    values["id"], values["related_skills"] = str(ticket.id), list(values["related_skills"])
    return values


class Session(ResponseBody):
    user: User
    token: str = Field(description="For the header `Authorization: Bearer TOKEN`; for seven days.")


class Done(ResponseBody):
    message: str


class UserChanged(ResponseBody):
    message: str
    user: User
    token: str | None = Field(
        description="A new one if the caller's password has changed, which ends all others."
    )


class Users(RootModel[list[User]]):
    """Every account, by address."""


class Tickets(ResponseBody):
    """The newest first. Passwords and keys in their texts are replaced by a label; the answer
    about one ticket has them."""

    tickets: list[Ticket]
    next_cursor: str | None = Field(description="The `cursor` of the next page; null at the end.")


class OneTicket(ResponseBody):
    ticket: TicketWithPeople


class TicketChanged(ResponseBody):
    message: str
    ticket: Ticket
