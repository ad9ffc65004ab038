"""Request bodies of the API: models that validate a body and describe it in the OpenAPI document.

Types are strict, so `{"email": {"$gt": ""}}` is refused. All other rules are in the services.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from flask import Request
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict, JsonValue
from pydantic_core import PydanticCustomError
from werkzeug.exceptions import UnsupportedMediaType

from bot.web.http_errors import MalformedBody
from services.core.errors import InvalidValue
from services.core.text import EMAIL_PATTERN
from services.models.ticket import Priority, Status
from services.models.user import Role
from services.tickets.transitions import MAX_PARTICIPANTS

OBJECT_ID_PATTERN = "^[0-9a-f]{24}$"
NOT_AN_OBJECT = "Send a JSON object as the body, such as {}."
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})"
)
_INVALID_DATETIME = (
    "Give a date and a time with its zone, such as 2026-12-24T18:00:00Z or "
    "2026-12-24T18:00:00+01:00."
)

# Documented limits: a value outside them is refused, but the services may refuse more, because they
# count visible characters only.
_AT_LEAST_3: JsonDict = {"minLength": 3}
_NOT_EMPTY: JsonDict = {"minLength": 1}
_ADDRESS: JsonDict = {"pattern": rf"^\s*{EMAIL_PATTERN.pattern}\s*$"}
_PASSWORD_LENGTHS: JsonDict = {"minLength": 10, "maxLength": 72}
_STRENGTH_RULE = "At least 10 characters, at most 72 bytes of UTF-8, and hard to guess."
# The account of the document's examples, as in docs/accounts.md.
EXAMPLE_EMAIL, EXAMPLE_PASSWORD = "ann@example.com", "correct horse battery"


def _parse_datetime(value: object) -> datetime:
    """Return the time in UTC, truncated to milliseconds as in the database."""
    text = value.upper() if isinstance(value, str) else ""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC) if _DATETIME.fullmatch(text) else None
    except (ValueError, OverflowError):  # 31 February, or before the year 1
        at = None
    if at is None:
        raise PydanticCustomError("moment", _INVALID_DATETIME)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


DateTime = Annotated[
    datetime,
    PlainValidator(_parse_datetime),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


def _example(**fields: JsonValue) -> JsonDict:
    """Return the example of a body."""
    return {"examples": [fields]}


class RequestBody(BaseModel):
    """A body; unknown fields are refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, alias_generator=to_camel)

    def sent_fields(self) -> dict[str, Any]:
        """Return the fields that were sent, null ones too, by their names in JSON."""
        return {to_camel(name): getattr(self, name) for name in self.model_fields_set}


class SignUp(RequestBody):
    """A new account. Fields that are not listed are ignored, a `role` too."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra=_example(email=EXAMPLE_EMAIL, password=EXAMPLE_PASSWORD, skills=["DNS"]),
    )

    email: str = Field(json_schema_extra=_ADDRESS)
    password: str = Field(description=_STRENGTH_RULE, json_schema_extra=_PASSWORD_LENGTHS)
    skills: list[str] = Field([], description="At most 20, of 50 characters each.")
    name: str | None = Field(None, description="At most 80 characters.")


class SignIn(RequestBody):
    """An account's address and password. Fields that are not listed are ignored."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra=_example(email=EXAMPLE_EMAIL, password=EXAMPLE_PASSWORD)
    )

    email: str
    password: str


class UserPatch(RequestBody):
    """Changes to one's own account; for an admin, with `email`, to another one."""

    model_config = ConfigDict(json_schema_extra=_example(name="Ann", skills=["DNS", "VPN"]))

    email: str | None = Field(None, description="Whose account. Only admins change others'.")
    role: Role | None = Field(None, description="Only admins give one.")
    skills: list[str] | None = Field(None, description="At most 20, of 50 characters each.")
    name: str | None = Field(None, description='Your own. At most 80 characters; "" removes it.')
    password: str | None = Field(None, description=f"Your own. {_STRENGTH_RULE}")
    current_password: str | None = Field(None, description="Needed with `password`.")


_REQUESTER = (
    "The confirmed address of the account whose ticket it is. For moderators and admins; left out, "
    "it is the caller's."
)
_PRIVATE = "Seen by its requester, assignee, participants and admins only."


class NewTicket(RequestBody):
    model_config = ConfigDict(
        json_schema_extra=_example(title="The VPN drops", description="Every hour since Monday.")
    )

    title: str = Field(description="3 to 150 characters.", json_schema_extra=_AT_LEAST_3)
    description: str = Field(description="1 to 3,000 characters.", json_schema_extra=_NOT_EMPTY)
    priority: Priority | None = Field(None, description="Left out, the analysis sets it.")
    deadline: DateTime | None = Field(None, description="In the future, before 2100.")
    private: bool = Field(False, description=_PRIVATE)
    requester: str | None = Field(None, description=_REQUESTER, json_schema_extra=_ADDRESS)


class TicketPatch(RequestBody):
    """Changes to a ticket. null clears `priority`, `deadline`, `relatedSkills`, `helpfulNotes`
    and `assignedTo`."""

    model_config = ConfigDict(
        json_schema_extra=_example(
            status=Status.COMPLETED.value, message="Renewed the certificate.", priority="high"
        )
    )

    title: str = Field("", description="3 to 150 characters.", json_schema_extra=_AT_LEAST_3)
    description: str = Field("", description="1 to 3,000 characters.", json_schema_extra=_NOT_EMPTY)
    status: Status = Field(
        Status.TODO,
        description="IN_PROGRESS assigns an unassigned ticket to the caller.",
    )
    priority: Priority | None = None
    deadline: DateTime | None = Field(None, description="In the future, before 2100.")
    related_skills: list[str] | None = Field(None, description="Skills that the team has.")
    helpful_notes: str | None = Field(
        None, description="For moderators and admins. At most 3,000 characters."
    )
    assigned_to: Annotated[str, Field(pattern=OBJECT_ID_PATTERN)] | None = Field(
        None,
        description="The _id of a moderator or an admin; null returns the ticket to the queue.",
    )
    private: bool = Field(
        False, description=f"{_PRIVATE} true only: a private ticket stays private."
    )
    requester: str = Field(
        "",
        description="The confirmed address of the account whose ticket it becomes. If that is its "
        "assignee, it is assigned again.",
        json_schema_extra=_ADDRESS,
    )
    message: str = Field(
        "",
        description="With the status COMPLETED: what was done; may be empty. With WAITING: a "
        "question, also stored as a comment. The requester reads it. At most 1,000 characters.",
    )


class NewParticipants(RequestBody):
    model_config = ConfigDict(json_schema_extra=_example(people=["ben@example.com"]))

    people: list[str] = Field(
        description="Addresses of accounts, whose owners have confirmed them. A ticket has at "
        f"most {MAX_PARTICIPANTS} participants.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_PARTICIPANTS},
    )
    may_see_private: bool = Field(
        False, description="true is needed for a private ticket, which they see then."
    )


def parse_body(http_request: Request, model: type[RequestBody]) -> RequestBody:
    """Parse the request's body. Raises `InvalidValue` for a field, else an HTTP error."""
    data = http_request.get_data(cache=False)
    if data and not http_request.is_json:
        raise UnsupportedMediaType
    try:
        return model.model_validate_json(data or b"null")
    except ValidationError as error:
        raise _readable_error(error) from None


def _readable_error(error: ValidationError) -> Exception:
    first = error.errors(include_url=False)[0]
    kind, location = first["type"], first["loc"]
    if kind == "json_invalid":
        return MalformedBody(
            "This is not valid JSON. Check its quotes, commas, brackets and encoding."
        )
    if not location:
        return MalformedBody(NOT_AN_OBJECT)
    return InvalidValue(str(location[0])[:50], _error_message(kind, first.get("ctx", {}), location))


def _error_message(kind: str, context: dict[str, Any], location: tuple[int | str, ...]) -> str:
    if kind == "missing":
        return "This is missing."
    if kind == "extra_forbidden":
        return "There is no such field."
    if kind == "enum":
        return f"Choose one of {str(context['expected']).replace(chr(39), '')}."
    if kind == "list_type" or len(location) > 1:
        return "Give this as a list of texts."
    if kind == "string_pattern_mismatch":
        return "Give the _id of an account, or null."
    if kind == "moment":
        return _INVALID_DATETIME
    return "Give this as a text."
