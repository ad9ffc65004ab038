"""Mutations of the product that the tests must catch: `python -m tests.mutations [NAME...]`.

Coverage shows which lines a test run executes, mutations whether it detects an error in them: each
mutation breaks one rule of the product in a copy, and the tests named for it must fail. So a faster
suite can prove that it still checks what the slower one checked.

`find` is in `file` exactly once. When a rename breaks that, adapt `find` to the new text; when a
mutation survives, a test was lost.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTEST = ("-m", "pytest", "-x", "-q", "-p", "no:xdist", "-p", "no:cacheprovider")
# What selects the short run, such as ("-m", "not long"): pytest refuses a marker it does not know.
SHORT_RUN: tuple[str, ...] = ("-m", "not long")
# Installed files that the tests start subprocesses from.
LINKED = (".venv", "node_modules")
# Limit of one pytest run; pytest's own timeout ends a single test earlier.
MAX_SECONDS = 1_800
TESTS_FAILED = 1  # https://docs.pytest.org/en/stable/reference/exit-codes.html
# Without parameters, which may be long.
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::[^\s\[]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutation:
    """`replace` takes the place of `find` in `file`; at least one of `tests` must then fail."""

    name: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...]


class Unusable(Exception):
    """The mutation or its tests cannot be evaluated."""


MUTATIONS = (
    # Permissions
    Mutation(
        "requester-gets-staff-permissions",
        "services/models/permissions.py",
        "Role.USER: _USER",
        "Role.USER: _MODERATOR",
        ("tests/services/models/test_permissions.py",),
    ),
    Mutation(
        "admin-cannot-manage-users",
        "services/models/permissions.py",
        "_MODERATOR | {Permission.SEE_PRIVATE_TICKET, Permission.MANAGE_USERS}",
        "_MODERATOR | {Permission.SEE_PRIVATE_TICKET}",
        ("tests/services/models/test_permissions.py",),
    ),
    Mutation(
        "any-requester-sees-any-ticket",
        "services/tickets/access.py",
        "return Sight(involved, ())",
        "return Sight(({},), ())",
        ("tests/services/tickets/test_access.py",),
    ),
    Mutation(
        "every-moderator-sees-private-tickets",
        "services/tickets/access.py",
        "as_staff: tuple[Document, ...] = (NOT_PRIVATE, ",
        "as_staff: tuple[Document, ...] = ({}, ",
        ("tests/services/tickets/test_access.py",),
    ),
    Mutation(
        "participant-adds-and-removes-others",
        "services/tickets/access.py",
        "return ticket.created_by == actor.user_id or visible_to(actor).covers_as_staff(ticket)",
        "return visible_to(actor).covers(ticket)",
        ("tests/services/tickets/test_access.py",),
    ),
    Mutation(
        "staff-cancel-for-the-requester",
        "services/tickets/lifecycle.py",
        "if not is_own:",
        "if is_own:",
        ("tests/services/tickets/test_lifecycle.py",),
    ),
    Mutation(
        "comment-edited-by-another-user",
        "services/tickets/comments.py",
        "if comment.by != ",
        "if not comment.by != ",
        ("tests/services/tickets/test_comments.py",),
    ),
    # Concurrent changes, and the outbox
    Mutation(
        "ticket-update-without-seq",
        "services/tickets/ticket_store.py",
        '"seq": ticket.seq or None, ',
        "",
        ("tests/services/tickets/test_ticket_store.py",),
    ),
    Mutation(
        "outbox-cleared-without-seq",
        "services/outbox/pending.py",
        "update_one(unchanged, DELIVERED)",
        'update_one({"_id": ticket_id}, DELIVERED)',
        ("tests/services/outbox/test_pending.py",),
    ),
    Mutation(
        "outbox-cleared-with-last-message-without-seq",
        "services/outbox/deliveries.py",
        'only_if={"seq": expected_seq}',
        'only_if={"_id": ticket_id}',
        ("tests/services/outbox/test_deliveries.py",),
    ),
    Mutation(
        "cached-candidate-not-read-again",
        "services/assignment/assignment_service.py",
        "if choice.user_id in reread",
        "if choice.user_id not in reread",
        ("tests/services/assignment/test_cached_choice.py",),
    ),
    Mutation(
        "outbox-mark-forgotten",
        "services/outbox/pending.py",
        'return {"outbox": True',
        'return {"outbox": False',
        ("tests/services/tickets/test_ticket_store.py", "tests/services/outbox/test_pending.py"),
    ),
    Mutation(
        "delivery-claimed-by-two-workers",
        "services/outbox/deliveries.py",
        '{"until": {"$not": ahead(now, longest=MAX_DELIVERY_DELAY)}}',
        "{}",
        ("tests/services/outbox/test_deliveries.py",),
    ),
    Mutation(
        "lease-held-by-two-processes",
        "services/core/leases.py",
        '{"until": {"$not": ahead(now, longest=LEASE_DURATION)}}',
        "{}",
        ("tests/services/core/test_leases.py",),
    ),
    Mutation(
        "unknown-account-fields-lost",
        "services/accounts/users.py",
        "find_one_and_update(query, update,",
        "find_one_and_replace(query, values,",
        ("tests/services/auth/test_profile.py",),
    ),
    Mutation(
        "account-change-without-audit-entry",
        "services/accounts/users.py",
        "audit_log.add_to_update(update, _audit",
        "audit_log.add_to_update({}, _audit",
        ("tests/services/audit/test_audit_log.py",),
    ),
    # Who is told, and of what
    Mutation(
        "requester-and-assignee-swapped",
        "tasks/recipients.py",
        "(kind, ticket.assigned_to,",
        "(kind, ticket.created_by,",
        ("tests/tasks/notifications/test_notify.py",),
    ),
    Mutation(
        "author-is-notified-of-own-comment",
        "tasks/notifications/comment_sync.py",
        "if user_id != comment.by:",
        "if user_id:",
        ("tests/scenarios/test_notifications.py",),
    ),
    Mutation(
        "taker-gets-a-card",
        "tasks/recipients.py",
        "if event.by != event.to:",
        "if event.to:",
        ("tests/scenarios/test_notifications.py",),
    ),
    Mutation(
        "requester-reads-internal-notes",
        "services/tickets/access.py",
        " if not comment.internal",
        "",
        ("tests/scenarios/test_internal_notes.py",),
    ),
    Mutation(
        "requester-is-sent-internal-notes",
        "tasks/notifications/comment_sync.py",
        "not comment.internal and event.seq in for_requester",
        "event.seq in for_requester",
        ("tests/bot/handlers/test_thread_replies.py", "tests/scenarios/test_internal_notes.py"),
    ),
    Mutation(
        "notes-are-copied-to-request-channels",
        "tasks/notifications/comment_sync.py",
        "        if not comment.internal\n        and event.seq not in announced",
        "        if event.seq not in announced",
        ("tests/scenarios/test_internal_notes.py",),
    ),
    Mutation(
        "others-see-details-of-a-ticket-by-its-id",
        "services/home/home_service.py",
        "ticket is None or not is_line or",
        "ticket is None or",
        ("tests/scenarios/test_request_channels.py",),
    ),
    Mutation(
        "authors-pass-for-slack",
        "tasks/notifications/message_author.py",
        "not _letters(name) or _letters(name) in reserved",
        "not _letters(name)",
        ("tests/scenarios/test_request_channels.py",),
    ),
    Mutation(
        "requester-is-sent-replies-to-notes",
        "services/outbox/deliveries.py",
        "(TRIAGE_CARD_KIND, NOTES_KIND)",
        "(TRIAGE_CARD_KIND,)",
        ("tests/scenarios/test_internal_notes.py",),
    ),
    Mutation(
        "direct-message-of-another-member-is-read",
        "services/tickets/direct_messages.py",
        '"_id": _key(first), "user": slack_user_id}',
        '"_id": _key(first)}',
        ("tests/services/tickets/test_direct_messages.py",),
    ),
    Mutation(
        "requester-reads-the-summary",
        "services/tickets/fields.py",
        '"summary", STAFF',
        '"summary", ALL',
        ("tests/bot/views/home/test_ticket_page.py",),
    ),
    Mutation(
        "api-shows-notes-to-the-requester",
        "bot/web/api/response_bodies.py",
        "if not is_staff:",
        "if is_staff:",
        ("tests/bot/web/api/test_tickets.py",),
    ),
    Mutation(
        "digest-sent-twice",
        "services/digest/digest_service.py",
        'account.get("digestOn") != ',
        "None != ",
        ("tests/services/digest/test_digest_service.py",),
    ),
    Mutation(
        "reminder-sent-twice",
        "services/outbox/reminders.py",
        '"_id": key,',
        "",
        ("tests/services/outbox/test_reminders.py",),
    ),
    Mutation(
        "slack-event-handled-twice",
        "services/core/processed_events.py",
        "return False",
        "return True",
        ("tests/services/core/test_processed_events.py",),
    ),
    # Slack's text and payloads, and the model's
    Mutation(
        "mrkdwn-not-escaped",
        "bot/views/text.py",
        '.replace("<", "&lt;")',
        "",
        ("tests/bot/views/test_text.py",),
    ),
    Mutation(
        "another-workspace-let-in",
        "bot/middleware.py",
        "if bot.team_id in team_ids",
        "if True or bot.team_id in team_ids",
        ("tests/bot/test_app.py",),
    ),
    Mutation(
        "an-attackers-slack-member-kept",
        "bot/web/pages/password_reset.py",
        "notice=_unlink_members(req, user)",
        'notice="password"',
        ("tests/bot/web/pages/test_password_reset.py",),
    ),
    Mutation(
        "another-workspaces-member-let-in",
        "bot/middleware.py",
        "if team_ids != {bot.team_id} and ",
        "if not team_ids and ",
        ("tests/bot/test_grid_members.py",),
    ),
    Mutation(
        "secrets-sent-to-the-model",
        "services/analysis/model_exchange.py",
        '_clean(f"Title',
        'str(f"Title',
        ("tests/services/analysis/test_model_exchange.py",),
    ),
    Mutation(
        "urgent-on-a-requesters-word",
        "services/analysis/urgency.py",
        "else Priority.HIGH",
        "else Priority.URGENT",
        ("tests/services/analysis/test_urgency.py",),
    ),
    # Assignment
    Mutation(
        "capacity-off-by-one",
        "services/assignment/candidate.py",
        ".open_tickets >= ",
        ".open_tickets > ",
        ("tests/services/assignment/test_candidate.py",),
    ),
    Mutation(
        "requester-assigned-to-own-ticket",
        "services/assignment/candidate.py",
        "candidate.user_id == requester",
        "False",
        ("tests/services/assignment/test_candidate.py",),
    ),
    Mutation(
        "inactive-account-assigned",
        "services/assignment/candidate.py",
        "not candidate.active",
        "False",
        ("tests/services/assignment/test_candidate.py",),
    ),
    # Due dates and pages
    Mutation(
        "time-worked-added-to-the-target",
        "services/models/sla_clock.py",
        "left -= worked",
        "left += worked",
        ("tests/services/sla/test_timing.py",),
    ),
    Mutation(
        "urgent-queued-as-low",
        "services/sla/queue_key.py",
        "Priority.URGENT: 0",
        "Priority.URGENT: 3",
        ("tests/services/sla/test_queue_key.py",),
    ),
    Mutation(
        "page-repeats-its-edge",
        "services/lists/list_service.py",
        '("lte", "lt")',
        '("lte", "lte")',
        ("tests/services/lists/test_list_service.py",),
    ),
    # Accounts
    Mutation(
        "any-password-signs-in",
        "services/auth/passwords.py",
        "if bcrypt.checkpw(",
        "if not bcrypt.checkpw(",
        ("tests/services/auth/test_passwords.py",),
    ),
    Mutation(
        "session-outlives-sign-out",
        "services/auth/sign_in.py",
        " or user.token_version != claims.token_version",
        "",
        ("tests/services/auth/test_sign_in.py",),
    ),
    Mutation(
        "attempts-never-counted",
        "services/core/rate_limiter.py",
        "[bool(answer) for answer in answers",
        "[True for answer in answers",
        ("tests/services/core/test_rate_limiter.py",),
    ),
    Mutation(
        "known-browser-of-any-account",
        "services/auth/device_tokens.py",
        ' or claims["sub"] != self._subject(account)',
        "",
        ("tests/services/auth/test_device_tokens.py",),
    ),
    Mutation(
        "form-without-csrf-token-taken",
        "bot/web/pages/csrf.py",
        "if not hmac.compare_digest(",
        "if False and not hmac.compare_digest(",
        ("tests/bot/web/pages/test_security.py",),
    ),
    Mutation(
        "code-used-twice",
        "services/auth/one_time_codes.py",
        "find_one_and_delete(",
        "find_one(",
        ("tests/services/auth/test_one_time_codes.py",),
    ),
)


def main(names: Sequence[str] = ()) -> int:
    """Run the named mutations, or all. The exit status is 1 if one of them was not caught."""
    known = {mutation.name: mutation for mutation in MUTATIONS}
    if unknown := sorted(set(names) - known.keys()):
        _say(f"No such mutation: {', '.join(unknown)}. There are: {', '.join(known)}")
        return 1
    wanted = [known[name] for name in dict.fromkeys(names)] or list(MUTATIONS)
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        copy = Path(folder)
        _copy_tree(copy)
        problems = list(not_applicable(copy, wanted)) or list(_failing_before(copy, wanted))
        for problem in problems:
            _say(problem)
        if problems:
            return 1
        survived = [mutation for mutation in wanted if not _report(copy, mutation)]
        return int(bool(survived))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _copy_tree(copy: Path) -> None:
    """Copy the tracked files of the work tree, including uncommitted changes."""
    listed = subprocess.run(
        ("git", "ls-files", "-z"),  # noqa: S607  the developer's git
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    for name in LINKED:
        if (ROOT / name).exists():
            (copy / name).symlink_to(ROOT / name)


def not_applicable(copy: Path, mutations: Sequence[Mutation]) -> Iterator[str]:
    """Yield what to correct in the table before a run."""
    for mutation in mutations:
        missing = [name for name in (mutation.file, *mutation.tests) if not (copy / name).is_file()]
        if missing:
            yield f"{mutation.name}: not found: {', '.join(missing)}. Give the new path."
            continue
        text = (copy / mutation.file).read_text()
        if (count := text.count(mutation.find)) != 1:
            yield (
                f"{mutation.name}: {mutation.find!r} is in {mutation.file} {count} times, not once."
                f" It was to become {mutation.replace!r}. Adapt `find` to the file's new text."
            )
            continue
        if undefined := _undefined_names(text.replace(mutation.find, mutation.replace)):
            yield (
                f"{mutation.name}: {mutation.file} does not run with {mutation.replace!r}, so any "
                f"test would catch it. Adapt `replace`:\n{undefined}"
            )


def _undefined_names(text: str) -> str:
    """Return undefined names and syntax errors as ruff prints them, "" if there are none."""
    rules = ("--isolated", "--quiet", "--output-format", "concise", "--select", "F821")
    found = subprocess.run(  # noqa: S603  ruff on a text of this repository
        (sys.executable, "-m", "ruff", "check", *rules, "-"),
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout + found.stderr if found.returncode else ""


def _failing_before(copy: Path, mutations: Sequence[Mutation]) -> Iterator[str]:
    tests = tuple(dict.fromkeys(name for mutation in mutations for name in mutation.tests))
    status, output = _run_tests(copy, tests)
    if status:
        yield f"{output}\nThe tests fail without a mutation (pytest's exit status is {status})."


def _report(copy: Path, mutation: Mutation) -> bool:
    """Print the mutation's row, and return whether a test caught it."""
    started = time.monotonic()
    try:
        caught_by = _caught_by(copy, mutation)
    except Unusable as error:
        _say(f"{mutation.name} | {mutation.file} | UNUSABLE: {error}")
        return False
    seconds = time.monotonic() - started
    _say(f"{mutation.name} | {mutation.file} | {caught_by or 'SURVIVED'} | {seconds:.0f} s")
    return caught_by is not None


def _caught_by(copy: Path, mutation: Mutation) -> str | None:
    """Return the first test that fails with the mutation, None if all pass. Raises `Unusable`."""
    file = copy / mutation.file
    original = file.read_text()
    try:
        _write(file, original.replace(mutation.find, mutation.replace))
        status, output = _run_tests(copy, mutation.tests)
    finally:
        _write(file, original)
    if status == 0:
        return None
    failed = FAILED.search(output)
    if status != TESTS_FAILED or failed is None:
        raise Unusable(f"pytest's exit status is {status}\n{output}")
    return failed[1]


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    # Python detects an outdated .pyc by size and second, which may both be unchanged.
    Path(cache_from_source(str(file))).unlink(missing_ok=True)


def _run_tests(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603  this repository's own tests
        (sys.executable, *PYTEST, *SHORT_RUN, *tests),
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=MAX_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
