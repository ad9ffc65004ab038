"""Filing and resolving tickets over signed HTTP, with bot, worker and jobs processes."""

import socket

import pytest
import requests

from services.core.database import Mongo
from services.models.ticket import Status
from services.models.user import Role
from tests.conftest import People, at_once
from tests.support import payloads
from tests.support.block_text import without_facts
from tests.support.canary import FILED
from tests.support.http_bot import SECRET, HttpBot, opened_by
from tests.support.processes import Product, eventually, is_outbox_empty, run
from tests.support.recording_slack import TOKEN, RecordingSlack

pytest_plugins = ["tests.support.product"]

FOREIGN = "This app belongs to another workspace. Ask your contact there to file the ticket."
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."


def test_from_the_command_to_the_resolution(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    product.start("worker")
    product.start("jobs")
    slack.add_member("U0EMMA", email="emma@example.com", name="Emma")
    expert, other = people.add(Role.MODERATOR, "VPN"), people.add(Role.MODERATOR, "Printer")
    expert_slack = people.slack_id(expert)

    submission = http_bot.filled_in(
        slack, "U0EMMA", title="The VPN drops", description="Hourly since Monday."
    )
    filed = http_bot.answer(submission)
    assert filed["response_action"] == "update"
    assert filed["view"]["blocks"][0]["text"]["text"] == "Ticket 1 is filed"

    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    (card,) = slack.messages(expert_slack)
    assert without_facts(card["text"]) == "Ticket 1 “The VPN drops”: assigned to you"
    assert "Hourly since Monday." in str(card["blocks"])
    assert slack.messages(people.slack_id(other)) == []
    (own,) = slack.messages("U0EMMA")
    assert own["text"] == f"Ticket 1 “The VPN drops”: assigned to {expert.name}"

    press = payloads.menu_choice(card, "resolve", user=expert_slack)
    assert http_bot.answer(press) == {}
    note = "Updated the client."
    form = payloads.view_submission(
        opened_by(slack, press["trigger_id"]), {"resolution": note}, user=expert_slack
    )
    assert http_bot.answer(form) == {}

    resolved = f"Ticket 1 “The VPN drops”: resolved by {expert.name}"
    eventually(lambda: slack.messages("U0EMMA")[0]["text"] == resolved, what="the card says so")
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    assert note in str(slack.messages("U0EMMA")[1]["blocks"])
    assert len(slack.messages(expert_slack)) == 1
    (ticket,) = db.tickets.find(FILED)
    assert (ticket["status"], ticket["resolution"]) == (Status.COMPLETED, note)

    written = product.logs()
    for canary in (SECRET, TOKEN, "emma@example.com", "Hourly since Monday", note):
        assert canary not in written


def test_a_guest_is_told_so_in_the_form_and_on_sending_it(
    http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    submission = http_bot.filled_in(slack, "U0GUEST")
    eventually(lambda: GUEST in str(slack.last_view()), what="the form says it")
    answer = http_bot.answer(submission)
    assert answer == {"response_action": "errors", "errors": {"title": GUEST}}
    assert db.tickets.count_documents(FILED) == 0
    assert db.users.find_one({"email": "guest@example.com"}) is None


def test_another_workspace_is_told_so_and_gets_nothing(
    http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    submission = http_bot.filled_in(slack, people.slack_id(people.add()))
    slack.clear()
    command = payloads.slash_command(user="U0EVIL", team="T0OTHER")
    assert http_bot.answer(command)["text"] == FOREIGN
    foreign = {**submission, "team": {"id": "T0OTHER"}, "user": {"id": "U0EVIL"}}
    answer = http_bot.answer(foreign)
    assert answer == {"response_action": "errors", "errors": {"title": FOREIGN}}
    assert http_bot.answer(payloads.home_opened("U0EVIL", team="T0OTHER")) == {}
    assert [call.method for call in slack.calls] == ["users.info"]
    assert db.tickets.count_documents(FILED) == 0


def test_an_event_is_handled_once_whoever_gets_it(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People
) -> None:
    user = people.slack_id(people.add())
    second = HttpBot(product)
    first_try = payloads.home_opened(user)
    at_once(lambda: http_bot.answer(first_try), lambda: second.answer(first_try))
    retry = {"x-slack-retry-num": "1", "x-slack-retry-reason": "http_timeout"}
    assert second.answer(first_try, **retry) == {}
    assert http_bot.answer(first_try, **retry) == {}
    # The header alone is no proof: the first delivery of this event never arrived.
    assert http_bot.answer(payloads.home_opened(user), **retry) == {}
    slack.wait_for("views.publish", 2)
    for process in (http_bot.process, second.process):
        assert process.stop(grace=10)  # after it has finished its work
    assert len(slack.calls_to("views.publish")) == 2


def test_a_form_sent_twice_at_once_is_one_ticket(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    second = HttpBot(product)
    submission = http_bot.filled_in(slack, people.slack_id(people.add()))
    answers = at_once(
        *[lambda bot=bot: bot.answer(submission) for bot in (http_bot, second) for _ in range(3)]
    )
    (ticket,) = db.tickets.find(FILED)
    for answer in answers:
        heading = answer["view"]["blocks"][0]["text"]["text"]
        assert heading == f"Ticket {ticket['number']} is filed"


def test_two_bots_serve_one_help_desk_by_turns(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    bots = [http_bot, HttpBot(product)]
    employee, expert = people.add(), people.add(Role.MODERATOR, "VPN")
    user, expert_slack = people.slack_id(employee), people.slack_id(expert)
    product.start("worker")
    product.start("jobs")
    for number in (1, 2, 3, 4):
        opener, taker = bots[number % 2], bots[(number + 1) % 2]
        answer = taker.answer(opener.filled_in(slack, user, title=f"VPN problem {number}"))
        assert answer["view"]["blocks"][0]["text"]["text"] == f"Ticket {number} is filed"
    eventually(lambda: is_outbox_empty(db), what="everybody was told")
    # At nine on a working day, the digest arrives, too.
    cards = [m for m in slack.messages(expert_slack) if m["text"].startswith("Ticket")]
    assert sorted(without_facts(card["text"]) for card in cards) == [
        f"Ticket {number} “VPN problem {number}”: assigned to you" for number in (1, 2, 3, 4)
    ]
    press = payloads.menu_choice(cards[0], "resolve", user=expert_slack)
    assert bots[0].answer(press) == {}
    form = payloads.view_submission(
        opened_by(slack, press["trigger_id"]), {"resolution": "Done."}, user=expert_slack
    )
    assert bots[1].answer(form) == {}
    assert db.tickets.count_documents({"status": Status.COMPLETED, **FILED}) == 1


def test_two_bots_share_one_port_and_one_may_go(
    product: Product, http_bot: HttpBot, slack: RecordingSlack, people: People
) -> None:
    second_bot = HttpBot(product, port=http_bot.port)
    user = people.slack_id(people.add())
    for _ in range(8):
        assert http_bot.answer(payloads.slash_command("help", user=user))
    assert http_bot.process.stop(grace=10)
    for _ in range(8):
        assert second_bot.answer(payloads.slash_command("help", user=user))


def test_told_to_stop_it_answers_what_is_under_way(
    http_bot: HttpBot, slack: RecordingSlack, people: People
) -> None:
    command = payloads.slash_command(user=people.slack_id(people.add()))
    slack.delay("views.open", 1.5)

    def stop() -> bool:
        slack.wait_for("views.open")
        process = http_bot.process
        process.terminate()
        eventually(lambda: not process.running, what="it ended", seconds=10)
        return process.exit_code == 0

    answer, ended_well = at_once(lambda: http_bot.send(command), stop)
    assert answer.status_code == 200
    assert ended_well
    with pytest.raises(requests.ConnectionError):
        http_bot.send(command)


def test_what_slack_did_not_sign_reaches_nobody(
    http_bot: HttpBot, slack: RecordingSlack, people: People
) -> None:
    body, headers = payloads.signed(
        payloads.slash_command(user=people.slack_id(people.add())), "f" * 32
    )
    slack.clear()
    url = f"{http_bot.url}/slack/events"
    assert requests.post(url, data=body, headers=headers, timeout=10).status_code == 401
    assert slack.calls == []


def test_a_taken_port_ends_it_with_a_sentence(product: Product, slack: RecordingSlack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        own = {"SLACK_SIGNING_SECRET": SECRET, "PORT": str(port)}
        ended = run("bot", **product.settings | own)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == (
        f"The bot cannot listen on 127.0.0.1, port {port}: something else listens there, or it is "
        "no address of this machine. Set PORT or HOST to another."
    )
