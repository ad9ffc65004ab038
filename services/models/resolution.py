"""How a completed ticket ended: a text that says what was done, or one of these codes."""

from collections.abc import Mapping

from services.core.database import Document

CANCELLED_RESOLUTION = "cancelled"  # its requester no longer needs it
NO_ANSWER_RESOLUTION = "no_answer"  # its requester did not answer
NOT_A_REQUEST_RESOLUTION = "not_a_request"  # withdrawn by the staff; it counts in no figures
# What was done, according to a requester who pressed Solved.
SOLVED_BY_REQUESTER = "Its requester says that it is solved."
# With the end of a sentence about the ticket.
RESOLUTION_CODES: Mapping[str, str] = {
    CANCELLED_RESOLUTION: "cancelled",
    NO_ANSWER_RESOLUTION: "closed without an answer",
    NOT_A_REQUEST_RESOLUTION: "closed as not a request",
}
# For a query: without the tickets that were no requests.
IS_A_REQUEST: Document = {"resolution": {"$ne": NOT_A_REQUEST_RESOLUTION}}
