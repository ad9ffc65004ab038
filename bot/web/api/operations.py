"""The table of the API's operations: routes and OpenAPI document are generated from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from bot.web.api import accounts, request_bodies, response_bodies, tickets
from services.lists.api_pages import MAX_PAGE_SIZE
from services.search.search_query import MAX_QUERY_LENGTH, QUERY_FIELD

Json = dict[str, Any]

ACCOUNTS_TAG, TICKETS_TAG = "accounts", "tickets"


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `errors` are its own; those of all calls with a body or a token are added."""

    operation_id: str
    method: str
    path: str
    handler: Callable[..., BaseModel]
    summary: str
    response_model: type[BaseModel]
    status: int = 200
    request_model: type[request_bodies.RequestBody] | None = None
    requires_token: bool = True
    errors: tuple[int, ...] = ()
    parameters: tuple[Json, ...] = ()
    # Calls that compare a password need more: an old hash of a high cost takes seconds.
    timeout_seconds: float = 2.0

    @property
    def tag(self) -> str:
        return TICKETS_TAG if self.path.startswith("/api/tickets") else ACCOUNTS_TAG

    @property
    def flask_rule(self) -> str:
        """The path in Flask's syntax."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def error_statuses(self) -> list[int]:
        """The status of every error it may answer."""
        shared = [500, 503]
        if self.requires_token:
            shared += [401, 429]
        if self.request_model:
            shared += [400, 413, 415]
        return sorted({*self.errors, *shared})


_TICKET_ID: Json = {
    "name": "ticket_id",
    "in": "path",
    "required": True,
    "description": "A ticket's _id. What cannot be one is not found.",
    "schema": {"type": "string", "pattern": request_bodies.OBJECT_ID_PATTERN},
}
_USER_ID: Json = {
    "name": "user_id",
    "in": "path",
    "required": True,
    "description": "An account's _id, such as one of the ticket's participants.",
    "schema": {"type": "string", "pattern": request_bodies.OBJECT_ID_PATTERN},
}
_LIMIT: Json = {
    "name": "limit",
    "in": "query",
    "description": "How many tickets at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": MAX_PAGE_SIZE},
}
_CURSOR: Json = {
    "name": "cursor",
    "in": "query",
    "description": f"The page after an earlier answer. {tickets.BAD_CURSOR}",
    "schema": {"type": "string"},
}
_QUERY: Json = {
    "name": QUERY_FIELD,
    "in": "query",
    "description": "Only tickets that match: a number, or words, each of which has to occur, the "
    "last one as a beginning; and status:, priority:, assignee:, from: and since:. Those with the "
    "words in the title come first, then those with them in the description, then the newest.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_QUERY_LENGTH},
    "example": "printer status:open since:7d",
}
_IDEMPOTENCY_KEY: Json = {
    "name": tickets.IDEMPOTENCY_KEY_HEADER,
    "in": "header",
    "description": "Sent again with the same body, the call answers the same ticket; with another "
    "body it is a conflict. Without it every call files a new ticket.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "signUp",
        "POST",
        "/api/auth/signup",
        accounts.sign_up,
        "Create an account with the role user, and sign in.",
        response_bodies.Session,
        status=201,
        request_model=request_bodies.SignUp,
        requires_token=False,
        errors=(409, 429),
        timeout_seconds=5.0,
    ),
    Operation(
        "signIn",
        "POST",
        "/api/auth/login",
        accounts.sign_in,
        "Sign in. The answer is the same whatever is wrong.",
        response_bodies.Session,
        request_model=request_bodies.SignIn,
        requires_token=False,
        errors=(401, 429),
        timeout_seconds=5.0,
    ),
    Operation(
        "signOut",
        "POST",
        "/api/auth/logout",
        accounts.sign_out,
        "End all sessions of the account.",
        response_bodies.Done,
    ),
    Operation(
        "updateUser",
        "POST",
        "/api/auth/update-user",
        accounts.update_user,
        "Change your own name, skills and password; for admins, anyone's role and skills.",
        response_bodies.UserChanged,
        request_model=request_bodies.UserPatch,
        errors=(403, 404, 409),
        timeout_seconds=5.0,
    ),
    Operation(
        "listUsers",
        "GET",
        "/api/auth/users",
        accounts.list_users,
        "Every account, for admins.",
        response_bodies.Users,
        errors=(403,),
    ),
    Operation(
        "listTickets",
        "GET",
        "/api/tickets",
        tickets.list_tickets,
        "Your own tickets and those you take part in; everyone's for moderators and admins. The "
        "newest first.",
        response_bodies.Tickets,
        errors=(400,),
        parameters=(_QUERY, _LIMIT, _CURSOR),
    ),
    Operation(
        "createTicket",
        "POST",
        "/api/tickets",
        tickets.create_ticket,
        "File a ticket, at most 20 an hour. It is assigned in the background.",
        response_bodies.TicketChanged,
        status=201,
        request_model=request_bodies.NewTicket,
        errors=(403, 409, 429),
        parameters=(_IDEMPOTENCY_KEY,),
    ),
    Operation(
        "getTicket",
        "GET",
        "/api/tickets/{ticket_id}",
        tickets.get_ticket,
        "One ticket. Someone else's is not found, except by its participants and by moderators and "
        "admins.",
        response_bodies.OneTicket,
        errors=(404,),
        parameters=(_TICKET_ID,),
    ),
    Operation(
        "updateTicket",
        "PATCH",
        "/api/tickets/{ticket_id}",
        tickets.update_ticket,
        "Change what is given of a ticket, for moderators and admins.",
        response_bodies.TicketChanged,
        request_model=request_bodies.TicketPatch,
        errors=(403, 404, 409),
        parameters=(_TICKET_ID,),
    ),
    Operation(
        "addParticipants",
        "POST",
        "/api/tickets/{ticket_id}/participants",
        tickets.add_participants,
        "Add people who read and comment on a ticket, for its requester, moderators and admins.",
        response_bodies.TicketChanged,
        request_model=request_bodies.NewParticipants,
        errors=(403, 404),
        parameters=(_TICKET_ID,),
    ),
    Operation(
        "removeParticipant",
        "DELETE",
        "/api/tickets/{ticket_id}/participants/{user_id}",
        tickets.remove_participant,
        "Remove a participant; anyone may remove themselves. Who takes no part is no error, but "
        "your own _id then is a conflict.",
        response_bodies.Done,
        errors=(403, 404, 409),
        parameters=(_TICKET_ID, _USER_ID),
    ),
)
