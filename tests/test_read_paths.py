"""Each path on which a ticket is read asks services/tickets/access.py, or has a reason here.

The paths are found in the source and in the registries of routes, operations, tasks, jobs and
commands, so a new one fails until it is decided.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.routes import ROUTES
from bot.web.api.operations import OPERATIONS
from tasks.processes.jobs import ALL_JOBS
from tasks.queue.celery_app import (
    ASSIGN_TASK,
    CHANNELS_TASK,
    DIGEST_TASK,
    EMAIL_TASK,
    HOME_TASK,
    NOTIFY_TASK,
    REMINDER_TASK,
    REPLY_TASK,
    STATUS_SYNC_TASK,
    celery,
)

ROOT = Path(__file__).resolve().parents[1]
# The names of the database, and what is done to a collection that shows nothing of it.
DATABASES = {"db", "database"}
WRITES = {
    *("update_one", "update_many", "insert_one", "insert_many", "delete_one", "delete_many"),
    *("bulk_write", "replace_one", "create_index", "create_indexes", "drop_index", "drop_indexes"),
    *("index_information", "estimated_document_count", "list_indexes"),
}
LOADERS = {
    "load_ticket",
    "load_several",
    "load_for_reminders",
    "find_processable",
    "iter_tickets",
    "count_open_tickets",
}
# A function that reads tickets asks by one of these.
RULES = {
    "visible_to",
    "require_visible",
    "may_show",
    "_may_get",
    "is_for_other_tickets",
    "sight",
}
OWN_CHANGE = "a change that the program has decided on; nothing of the ticket is shown"
COUNT = "counts; nothing of a ticket is shown"
ID_ONLY = "returns an id; what is done with it asks"
OF_ITS_READER = "the reader is the requester or the assignee, by the query"
QUEUE = "finds what is due; what is sent of it asks"
LOADER = "loads for callers that ask"
ADMINS = "for admins and operators only, who see every ticket"
EXEMPT = {
    "services/outbox/deliveries.py _by_added": ID_ONLY,
    "services/tickets/channel_messages.py _change": OWN_CHANGE,
    "services/tickets/channel_messages.py find_to_add_to": OF_ITS_READER,
    "services/tickets/filing.py find_by_message": LOADER,
    "services/assignment/assignment_service.py assign": OWN_CHANGE,
    "services/assignment/assignment_service.py claim": OWN_CHANGE,
    "services/assignment/candidate_pool.py _count_by": COUNT,
    "services/assignment/candidate_pool.py learn": COUNT,
    "services/assignment/explanation.py _by_id": ADMINS,
    "services/assignment/explanation.py _by_number": ADMINS,
    "services/availability/availability_service.py get": COUNT,
    "services/availability/handover_offers.py _offer": COUNT,
    "services/availability/handover_offers.py decide": COUNT,
    "services/core/legacy_backend.py record_earlier_writes": COUNT,
    "services/core/sequences.py raise_counter": COUNT,
    "services/digest/digest_service.py for_assignee": OF_ITS_READER,
    "services/escalation/escalation_steps.py due": QUEUE,
    "services/home/home_service.py conversation_line": "shows what a line in the channel shows",
    "services/linking/account_linking.py preview_code": COUNT,
    "services/linking/account_linking.py preview_unlink": COUNT,
    "services/linking/address_claims.py _tickets_left": OWN_CHANGE,
    "services/models/set_aside.py _describe_fault": "names the field that is malformed",
    "services/models/set_aside.py find_processable": LOADER,
    "services/models/set_aside.py recheck": OWN_CHANGE,
    "services/models/set_aside.py set_aside": OWN_CHANGE,
    "services/ops/database_checks.py count_failed_analyses": COUNT,
    "services/ops/job_health.py count_failing": COUNT,
    "services/ops/job_health.py find_failing": "numbers, for operators",
    "services/ops/ticket_counts.py count_tickets": COUNT,
    "services/ops/ticket_counts.py record_status_counts": COUNT,
    "services/outbox/deliveries.py _by_conversation": ID_ONLY,
    "services/outbox/deliveries.py _by_delivery": ID_ONLY,
    "services/tickets/numbered_inserts.py _is_stored": OWN_CHANGE,
    "services/outbox/deliveries.py _by_source": ID_ONLY,
    "services/outbox/deliveries.py _is_note": ID_ONLY,
    "services/outbox/deliveries.py check_all_recorded": ID_ONLY,
    "services/outbox/deliveries.py claim": OWN_CHANGE,
    "services/outbox/deliveries.py find_by_comment": ID_ONLY,
    "services/outbox/deliveries.py find_marked": ID_ONLY,
    "services/outbox/deliveries.py find_direct_channel": "returns a channel",
    "services/outbox/deliveries.py find_operator_failures": "numbers, for operators",
    "services/outbox/deliveries.py find_ticket_of_copy": ID_ONLY,
    "services/outbox/pending.py _queue": QUEUE,
    "services/outbox/pending.py count_unassigned": COUNT,
    "services/outbox/pending.py is_unchanged": COUNT,
    "services/outbox/pending.py outbox_ages": COUNT,
    "services/outbox/pending.py retry_due_unassigned": QUEUE,
    "services/outbox/pending.py retry_unassigned": QUEUE,
    "services/privacy/erasure.py _erase": OWN_CHANGE,
    "services/privacy/export.py _add_tickets": "what concerns the person, for an operator",
    "services/routing/training.py _is_due": COUNT,
    "services/search/matching.py _read": "the caller's filters have the condition of its reader",
    "services/search/search_service.py _people_in_tickets": OF_ITS_READER,
    "services/search/word_sample.py word_sample": COUNT,
    "services/sla/recompute.py recompute_stale": OWN_CHANGE,
    "services/tickets/comments.py _sync_with_message": "asks in the change of a comment's author",
    "services/tickets/filing.py _by_request": OF_ITS_READER,
    "services/tickets/filing.py _check_not_similar": OF_ITS_READER,
    "services/tickets/filing.py _check_same_content": OF_ITS_READER,
    "services/tickets/filing.py _check_stored_tickets": COUNT,
    "services/tickets/filing.py _is_talked_about": ID_ONLY,
    "services/tickets/filing.py follow_message": OF_ITS_READER,
    "services/tickets/filing.py list_for_message": OF_ITS_READER,
    "services/tickets/legacy.py adopt": LOADER,
    "services/tickets/legacy.py adopt_batch": OWN_CHANGE,
    "services/tickets/legacy.py reconcile": OWN_CHANGE,
    "services/tickets/queries.py count_open_tickets": COUNT,
    "services/tickets/queries.py iter_tickets": LOADER,
    "services/tickets/queries.py load_for_reminders": LOADER,
    "services/tickets/queries.py load_ticket": LOADER,
    "services/tickets/queries.py load_several": LOADER,
    "services/tickets/release.py release_tickets": OWN_CHANGE,
    "services/tickets/search_index.py _add_words": OWN_CHANGE,
    "services/tickets/search_index.py refresh": OWN_CHANGE,
    "services/tickets/ticket_store.py apply": OWN_CHANGE,
    "tasks/assignment/assign_ticket.py _has_waited": QUEUE,
    "tasks/assignment/assign_ticket.py assign_new": QUEUE,
    "tasks/assignment/assign_ticket.py run": QUEUE,
    "tasks/notifications/notify.py _assign_new": QUEUE,
    "tasks/notifications/notify.py _deliver": "the sender asks for each reader",
    "tasks/notifications/notify.py run": QUEUE,
    "tasks/notifications/reminder_updates.py request_updates_since": QUEUE,
    "tasks/notifications/reminders.py _pairs": "the message asks for its reader",
    "tasks/notifications/reminders.py _triage_threads": "of tickets that the channel may show",
    "tasks/notifications/unassigned_alert.py _still_relevant": "the caller asks for its reader",
}
# What each of these shows of tickets, and to whom; the stories and tests/scenarios/
# test_private_tickets.py let them work with private tickets.
ASKS, NOTHING = "asks for each reader", "shows nothing of a ticket"
TASKS = {
    NOTIFY_TASK: ASKS,
    ASSIGN_TASK: "shows nothing; the prompt has no other private ticket",
    HOME_TASK: ASKS,
    REMINDER_TASK: ASKS,
    EMAIL_TASK: "the number only",
    REPLY_TASK: "what a handler has answered",
    DIGEST_TASK: ASKS,
    STATUS_SYNC_TASK: NOTHING,
    CHANNELS_TASK: NOTHING,
}
JOBS = {
    "alarms": NOTHING,
    "availability": NOTHING,
    "channels": NOTHING,
    "closing": NOTHING,
    "counts": NOTHING,
    "digest": NOTHING,
    "handing_back": NOTHING,
    "indexes": NOTHING,
    "learn": "learns from no private ticket",
    "migrations": NOTHING,
    "search": NOTHING,
    "sweep": NOTHING,
    "upkeep": NOTHING,
    "waiting": NOTHING,
}
COMMANDS = {
    "bot": "routes and operations",
    "worker": "tasks",
    "jobs": "jobs",
    "explain": ADMINS,
    "doctor": "numbers and counts, for operators",
    "manifest": NOTHING,
    "init": NOTHING,
    "demo": "its own data",
    "users": "the export of a person, for an operator",
    "audit": NOTHING,
}


def _functions(path: Path) -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions of a module and of its classes, and what is outside of them."""
    place, outside = path.relative_to(ROOT), ast.Module(body=[], type_ignores=[])
    for node in ast.parse(path.read_text()).body:
        for one in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{place} {one.name}", one
            else:
                outside.body.append(one)
    yield f"{place} outside of functions", outside


def _reads_tickets(function: ast.AST) -> bool:
    """Return whether it names the collection, but to write to it, or calls a loader."""
    written = {
        id(node.func.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WRITES
    }
    return any(
        id(node) not in written and (_is_collection(node) or _calls_loader(node))
        for node in ast.walk(function)
    )


def _is_collection(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr="tickets"):
            return name.lstrip("_") in DATABASES
        case ast.Subscript(value=base, slice=ast.Constant("tickets")):
            return ast.unparse(base).rpartition(".")[2].lstrip("_") in DATABASES
        case ast.Call(
            func=ast.Attribute(attr="get_collection"), args=[ast.Constant("tickets"), *_]
        ):
            return True
        case ast.Dict(keys=keys, values=values):  # of an aggregation
            pairs = zip(keys, values, strict=True)
            return any(
                isinstance(key, ast.Constant)
                and key.value in ("from", "coll")
                and isinstance(value, ast.Constant)
                and value.value == "tickets"
                for key, value in pairs
            )
    return False


def _calls_loader(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in LOADERS
    )


def _asks(function: ast.AST) -> bool:
    """Return whether it calls a rule, or hands one on; or uses the `sight` that it was given."""
    used: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            handed_on = [*node.args, *(keyword.value for keyword in node.keywords)]
            for one in (node.func, *handed_on):
                used |= {_name(one)}
        elif isinstance(node, ast.Attribute):
            used |= {_name(node), _name(node.value)} & {"sight"}
        elif isinstance(node, ast.Starred | ast.comprehension | ast.If | ast.IfExp | ast.BoolOp):
            used |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} & {"sight"}
    return bool(used & RULES)


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_each_function_that_reads_tickets_asks_who_may_see_them() -> None:
    paths = [path for name in ("services", "bot", "tasks") for path in (ROOT / name).rglob("*.py")]
    paths.append(ROOT / "app.py")
    readers = [pair for path in paths for pair in _functions(path) if _reads_tickets(pair[1])]
    assert len(readers) > 60
    unasked = {place for place, function in readers if not _asks(function)}
    assert unasked - EXEMPT.keys() == set(), "they read tickets without services/tickets/access.py"
    assert EXEMPT.keys() - unasked == set(), "they ask now, or are gone"


@pytest.mark.parametrize(
    "source",
    [
        "self._db.tickets.find_one({'number': 1})",
        "tickets = db.tickets",
        "show = lambda runtime: runtime.db.tickets.aggregate([])",
        "db['tickets'].find()",
        "db.get_collection('tickets').find()",
        "db.users.aggregate([{'$lookup': {'from': 'tickets'}}])",
        "db.tickets.find_one_and_update({}, {}), sight",
        "load_ticket(db, ticket_id)",
        "visible_to = db.tickets.find()",
    ],
)
def test_a_reader_without_the_rule_is_found(source: str) -> None:
    assert _reads_tickets(ast.parse(source))
    assert not _asks(ast.parse(source))


def test_a_writer_is_no_reader() -> None:
    assert not _reads_tickets(ast.parse("db.tickets.update_one({}, {'$set': {'status': 'TODO'}})"))


def test_what_each_task_job_and_command_shows_is_decided() -> None:
    own = {name for name in celery.tasks if not name.startswith("celery.")}
    assert own == TASKS.keys()
    assert {job.name for job in ALL_JOBS} == JOBS.keys()
    shown = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert set(re.findall(r"^    (\w+)  ", shown, re.MULTILINE)) == COMMANDS.keys()


def test_routes_and_operations_are_walked() -> None:
    """tests/bot/test_private_routes.py and tests/bot/web/api/test_private_tickets.py use each."""
    assert ROUTES
    assert OPERATIONS
