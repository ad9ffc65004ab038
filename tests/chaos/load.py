"""The users of a run: they file tickets, reply in threads and press buttons, and remember what was
acknowledged.

Slack waits three seconds for an acknowledgement. It sends an event again at once, after one minute
and after five. A press and a form are not sent again: the user repeats them.
https://docs.slack.dev/apis/events-api#retries
"""

import heapq
import itertools
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests

from services.models.user import User
from tests.chaos.unreliable import UnreliableSlack
from tests.conftest import People
from tests.support import payloads
from tests.support.http_bot import SECRET, SLACK_SECONDS, HttpBot
from tests.support.slack_workspace import BOT_USER_ID, TRIAGE
from tests.support.view_state import elements

Json = dict[str, Any]

EVENT_DELAYS = (0.0, 0.0, 60.0, 300.0)  # seconds after the attempt before
API_SECONDS = 10.0
PATIENCE = 120.0  # seconds after which a user gives up
API_SHARE = 0.2
CHANNEL_SHARE = 0.3  # of the tickets, half of them in each of the two request channels
IT_HELP, ASK_IT = "C0ITHELP", "C0ASKIT"  # every message, and on request
REPLIES_PER_TICKET, ACTIONS_PER_TICKET, CALLS_PER_TICKET = 1.5, 2.0, 1.0
THREADS = 48
FILED = re.compile(r"Ticket (\d+) is filed")

# What a user enters in the modal of a step, None if the step has no modal.
INPUTS: dict[str, Callable[[str, "User"], Json] | None] = {
    "accept": None,
    "take": None,
    "reopen": lambda text, _: {"reason": text},
    "solved": None,
    "still_a_problem": None,
    "reassign": lambda text, other: {"assignedTo": str(other.id), "reason": text},
    "not_mine": lambda text, _: {"reason": text},
    "wait": lambda text, _: {"question": text},
    "resolve": lambda text, _: {"resolution": text},
    "comment": lambda text, _: {"text": text},
    "note": lambda text, _: {"text": text},
    "update": lambda text, _: {"description": text},
}
# What was written in these is in the ticket for good.
KEPT = ("wait", "resolve", "reopen")
RESOLVES_SHARE = 0.2  # of the changes over the API
COMMENTS = ("comment", "note")


@dataclass(frozen=True, slots=True)
class Written:
    """A text with a unique word, and how it was written."""

    word: str
    how: str


@dataclass
class Ledger:
    """What users wrote, and what the product has acknowledged."""

    filed: dict[str, int] = field(default_factory=dict)  # the number by the word in the title
    # The words of messages in request channels whose events are acknowledged.
    asked: set[str] = field(default_factory=set)
    comments: list[Written] = field(default_factory=list)
    inputs: list[Written] = field(default_factory=list)
    given_up: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    failed_attempts: Counter[str] = field(default_factory=Counter)


class Load:
    def __init__(
        self,
        *,
        bots: Sequence[HttpBot],
        slack: UnreliableSlack,
        requesters: Sequence[User],
        staff: Sequence[User],
        skills: Sequence[str],
        token: Callable[[User], str],
        seed: int,
        channel_share: float = CHANNEL_SHARE,
    ) -> None:
        """`channel_share` is that of the tickets from request channels, and of replies there."""
        self._bots, self._slack, self._token = bots, slack, token
        self._channel_share = channel_share
        self._requesters, self._staff, self._skills = requesters, staff, skills
        self._random = Random(seed)  # noqa: S311  reproducible
        # In turn, because the product refuses more than a few tickets an hour of one person.
        self._filers = itertools.cycle(self._random.sample(requesters, len(requesters)))
        self._numbers = itertools.count(1)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._lock = threading.Lock()
        self.ledger = Ledger()

    def run(self, *, tickets: int, seconds: float) -> None:
        """Do everything within `seconds`; return when nothing is left to be sent again."""
        now = time.monotonic()
        for count, work in (
            (tickets, self._file),
            (round(tickets * REPLIES_PER_TICKET), self._reply),
            (round(tickets * ACTIONS_PER_TICKET), self._act),
            (round(tickets * CALLS_PER_TICKET), self._call_api),
        ):
            for number in range(count):
                random = Random(self._random.random())  # noqa: S311
                self._at(now + seconds * (number + random.random()) / count, work, random)
        running: set[Any] = set()
        with ThreadPoolExecutor(THREADS) as pool:
            while self._due or running:
                running = {future for future in running if not future.done()}
                with self._lock:
                    is_due = self._due and self._due[0][0] <= time.monotonic()
                    next_one = heapq.heappop(self._due)[2] if is_due else None
                if next_one:
                    running.add(pool.submit(self._guarded, next_one))
                else:
                    time.sleep(0.02)

    def _at(self, at: float, work: Callable[..., None], *args: Any) -> None:
        with self._lock:
            heapq.heappush(self._due, (at, next(self._numbers), lambda: work(*args)))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  reported
            self.ledger.faults.append(repr(error)[:300])

    def _send(self, payload: Json, random: Random, **headers: str) -> Json | None:
        """Return the acknowledgement, None if there was none in time."""
        kind = str(payload.get("type", "command"))
        self.ledger.attempts[kind] += 1
        answer = self._post(payload, random, **headers)
        if answer is None:
            self.ledger.failed_attempts[kind] += 1
        return answer

    def _post(self, payload: Json, random: Random, **headers: str) -> Json | None:
        body, signed = payloads.signed(payload, SECRET)
        for bot in random.sample(self._bots, len(self._bots)):
            try:
                response = requests.post(
                    f"{bot.url}/slack/events",
                    data=body,
                    headers={**signed, **headers, "Connection": "close"},
                    timeout=SLACK_SECONDS,
                )
            except requests.RequestException as error:
                if "refused" in str(error):  # a proxy then takes the other bot
                    continue
                return None
            if response.status_code != 200:
                return None
            answer: Json = json.loads(response.text) if response.text else {}
            return answer
        return None

    def _opened(self, press: Callable[[], Json], random: Random) -> Json | None:
        """Return the modal that a press opens, None if none opens."""
        payload = press()
        if self._send(payload, random) is None:
            return None
        return self._slack.opened_by(payload["trigger_id"], seconds=SLACK_SECONDS)

    def _until(self, attempt: Callable[[], bool], *, what: str) -> bool:
        """Attempt until it succeeds or the user gives up."""
        deadline = time.monotonic() + PATIENCE
        while not attempt():
            if time.monotonic() > deadline:
                self.ledger.given_up[what] += 1
                return False
            time.sleep(1)
        return True

    def _word(self) -> str:
        return f"w{next(self._numbers):06d}x"

    def _file(self, random: Random) -> None:
        word, user = self._word(), next(self._filers)
        values = {"title": f"{word} about {random.choice(self._skills)}", "description": "Help."}
        way = random.random()
        if way < API_SHARE:
            self._file_by_api(word, user, values, random)
            return
        if way < API_SHARE + self._channel_share:
            self._ask_in_channel(word, user, values["title"], random)
            return
        slack_id, view = People.slack_id(user), dict[str, Any]()

        def opens() -> bool:
            opened = self._opened(lambda: payloads.slash_command(user=slack_id), random)
            view.update(opened or {})
            return opened is not None

        if not self._until(opens, what="open the form"):
            return
        form = payloads.view_submission(view, values, user=slack_id)

        def submits() -> bool:
            found = FILED.search(str(self._send(form, random)))
            if found:
                self.ledger.filed[word] = int(found[1])
            return bool(found)

        self._until(submits, what="file")

    def _ask_in_channel(self, word: str, user: User, text: str, random: Random) -> None:
        """Write in a request channel: where every message is a ticket, or with a mention or the
        emoji."""
        channel, slack_id = random.choice((IT_HELP, ASK_IT)), People.slack_id(user)
        is_mention = channel == ASK_IT and random.random() < 0.5
        if is_mention:
            text = f"<@{BOT_USER_ID}> {text}"
        said = self._slack.say(channel, text, user=slack_id)
        events = [{**said, "channel_type": "channel"}]
        if is_mention:
            events.append({**said, "type": "app_mention"})
        elif channel == ASK_IT:
            item = {"type": "message", "channel": channel, "ts": said["ts"]}
            reaction = {"type": "reaction_added", "reaction": "ticket", "item": item}
            events.append({**reaction, "user": slack_id, "item_user": slack_id})
        random.shuffle(events)  # Slack keeps no order

        def is_asked() -> None:
            self.ledger.asked.add(word)

        for event in events:
            is_asking = channel == IT_HELP or event["type"] != "message"
            self._send_event(payloads.event(event), 0, random, is_asked if is_asking else None)

    def _reply_in_channel(self, user: User, random: Random) -> None:
        """Reply in the thread of a message that is a ticket."""
        channel = random.choice((IT_HELP, ASK_IT))
        line = self._slack.pick_reply(channel, random, lambda m: "Ticket " in m["text"])
        if line:
            said = self._say(channel, user, line["thread_ts"])
            self._send_event(payloads.event({**said, "channel_type": "channel"}), 0, random)

    def _say(self, channel: str, user: User, thread_ts: str) -> Json:
        """Write a reply with a word that the comment has to have."""
        word = self._word()
        said = self._slack.say(
            channel, f"A reply: {word}", user=People.slack_id(user), thread_ts=thread_ts
        )
        self.ledger.comments.append(Written(word, f"reply in the thread of {channel}"))
        return said

    def _file_by_api(self, word: str, user: User, values: Json, random: Random) -> None:
        key = {"Idempotency-Key": word}

        def posts() -> bool:
            answer = self._api("POST", "", user, random, json=values, headers=key)
            if not answer or "ticket" not in answer:
                return False
            self.ledger.filed[word] = int(answer["ticket"]["number"])
            return True

        self._until(posts, what="file over the API")

    def _api(
        self, method: str, path: str, user: User, random: Random, **options: Any
    ) -> Json | None:
        """Return the answer, which may be a refusal; None if there was none."""
        headers = {"Authorization": f"Bearer {self._token(user)}", **options.pop("headers", {})}
        self.ledger.attempts["API"] += 1
        for bot in random.sample(self._bots, len(self._bots)):
            url = f"{bot.url}/api/tickets{path}"
            try:
                response = requests.request(
                    method, url, headers=headers, timeout=API_SECONDS, **options
                )
            except requests.RequestException as error:
                if "refused" in str(error):
                    continue
                break
            if response.status_code < 500:
                answer: Json = response.json()
                return answer
            break
        self.ledger.failed_attempts["API"] += 1
        return None

    def _call_api(self, random: Random) -> None:
        """List the tickets and read one, as a program does; a moderator's program changes it."""
        user = random.choice(self._staff if random.random() < 0.5 else self._requesters)
        listed = self._api("GET", "?limit=20", user, random) or {}
        if not listed.get("tickets"):
            return
        self.ledger.done["API list"] += 1
        ticket = random.choice(listed["tickets"])
        path = f"/{ticket['_id']}"
        if user not in self._staff:
            self.ledger.done["API get"] += self._api("GET", path, user, random) is not None
            return
        word = self._word()
        is_resolved = random.random() < RESOLVES_SHARE
        change = {"helpfulNotes": f"Noted: {word}"}
        if is_resolved:
            change = {"status": "COMPLETED", "message": f"Said: {word}"}
        answer = self._api("PATCH", path, user, random, json=change)
        if answer and word in str(answer.get("ticket")):
            self.ledger.done["API change"] += 1
            if is_resolved:
                self.ledger.inputs.append(Written(word, "resolved over the API"))

    def _reply(self, random: Random) -> None:
        """Reply in the thread of a message about a ticket."""
        user = random.choice((random.choice(self._requesters), random.choice(self._staff)))
        if random.random() < self._channel_share:
            self._reply_in_channel(user, random)
            return
        place = TRIAGE if user in self._staff and random.random() < 0.2 else People.slack_id(user)
        message = self._slack.pick(place, random, lambda m: m["text"].startswith("Ticket "))
        if not message:
            return
        word, in_channel = self._word(), place == TRIAGE
        said = self._slack.say(
            message["channel"],
            f"A reply: {word}",
            user=People.slack_id(user),
            thread_ts=message["ts"],
        )
        event = payloads.event({**said, "channel_type": "channel" if in_channel else "im"})
        age = self._slack.seconds_since_post(message["ts"])
        how = f"reply in {said['channel']} {age:.1f} s after “{message['text'][:60]}”"
        self.ledger.comments.append(Written(word, how))
        self._send_event(event, 0, random)

    def _send_event(
        self,
        event: Json,
        attempt: int,
        random: Random,
        on_acknowledged: Callable[[], None] | None = None,
    ) -> None:
        headers = {"X-Slack-Retry-Num": str(attempt)} if attempt else {}
        if self._send(event, random, **headers) is not None:
            self.ledger.done[event["event"]["type"]] += 1
            if on_acknowledged:
                on_acknowledged()
        elif attempt + 1 < len(EVENT_DELAYS):
            at = time.monotonic() + EVENT_DELAYS[attempt + 1]
            self._at(at, self._send_event, event, attempt + 1, random, on_acknowledged)
        else:
            self.ledger.given_up["event"] += 1

    def _act(self, random: Random) -> None:
        """Press a button of a recent message and fill in its modal."""
        user = random.choice(self._staff if random.random() < 0.7 else self._requesters)
        slack_id, other = People.slack_id(user), random.choice(self._staff)
        place = TRIAGE if user in self._staff and random.random() < 0.2 else slack_id
        message = self._slack.pick(place, random, lambda m: bool(steps(m)))
        if not message:
            return
        step = random.choice(steps(message))
        if entered := INPUTS[step]:
            word = self._word()
            view = self._opened(lambda: press(message, step, slack_id), random)
            # Without a form, the button is out of date, or Slack did not answer.
            if view and view["callback_id"]:
                self._submit(view, step, entered(f"Said: {word}", other), word, user, random)
        elif self._until(
            lambda: self._send(press(message, step, slack_id), random) is not None, what=step
        ):
            self.ledger.done[step] += 1

    def _submit(
        self, view: Json, step: str, values: Json, word: str, user: User, random: Random
    ) -> None:
        form = payloads.view_submission(view, values, user=People.slack_id(user))
        answers: list[Json | None] = []

        def submits() -> bool:
            answers.append(self._send(form, random))
            return answers[-1] is not None

        if self._until(submits, what=step) and answers[-1] == {}:
            self.ledger.done[step] += 1
            if step in COMMENTS:
                self.ledger.comments.append(Written(word, step))
            elif step in KEPT:
                self.ledger.inputs.append(Written(word, step))


def steps(message: Json) -> list[str]:
    """Return what the reader may press there and `INPUTS` knows."""
    found = []
    for element, _ in elements(message):
        if element["type"] == "overflow":
            found += [option["value"].partition(":")[0] for option in element["options"]]
        elif element["type"] == "button":
            found.append(element["action_id"])
    return [step for step in found if step in INPUTS]


def press(message: Json, step: str, slack_id: str) -> Json:
    if any(element.get("action_id") == step for element, _ in elements(message)):
        return payloads.block_actions(message, step, user=slack_id)
    return payloads.menu_choice(message, step, user=slack_id)
