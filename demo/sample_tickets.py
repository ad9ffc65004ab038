"""Sample tickets of the last two weeks for the demo.

The product's own services and tasks make them, with a clock that shows the past, so that each has
its history, messages, reminders and statistics. Only the messages' times in Slack are those of the
demo's start.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import product

from bson import ObjectId
from slack_sdk import WebClient

from bot.views.modals.file_ticket import channel_message_quote
from demo.seed import HELP, TEAM_ID, TRIAGE, Member, open_account
from services.assignment.reassign import DeclineReason
from services.calendar.business_hours import WORKDAYS
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.models.message_source import MessageSource, checked_source
from services.models.permissions import Actor
from services.models.ticket import Priority, Ticket
from services.outbox import pending
from services.outbox.reminders import BATCH_WINDOW
from services.registry.services import Services
from services.tickets.queries import load_ticket
from tasks import escalation
from tasks.notifications import digest, notify, reminders
from tasks.queue.celery_app import FRESH_QUEUE, NOTIFY_TASK, REMINDER_TASK, celery
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks
from tasks.runtime import Runtime

DAY = timedelta(days=1)
ASSIGNEE = ""  # of the ticket at that time
DAYS = 9  # how many workdays before today the first ticket is filed
DIGEST_HOUR = 9  # when the default business hours begin
JOB_HOURS = range(DIGEST_HOUR, 17)

Moment = Callable[[datetime], datetime]
Act = Callable[[Services, Actor, str], object]
Say = Callable[[Member, str], str]


def on_workday(number: int, clock_time: str) -> Moment:
    """Return the time of day (UTC) on that many workdays before today."""

    def find(now: datetime) -> datetime:
        day, left = now.date(), number
        while left:
            day -= DAY
            left -= day.weekday() in WORKDAYS
        return datetime.combine(day, time.fromisoformat(clock_time), UTC)

    return find


def minutes_ago(minutes: int) -> Moment:
    return lambda now: now - timedelta(minutes=minutes)


def last_digest_time(now: datetime) -> datetime:
    today = datetime.combine(now.date(), time(DIGEST_HOUR), UTC)
    is_over = today.weekday() in WORKDAYS and today <= now
    return today if is_over else on_workday(1, f"{DIGEST_HOUR:02}:00")(now)


def accept(services: Services, actor: Actor, ticket_id: str) -> object:
    return services.ticket_actions.accept(actor=actor, ticket_id=ticket_id)


def cancel(services: Services, actor: Actor, ticket_id: str) -> object:
    return services.ticket_actions.cancel(actor=actor, ticket_id=ticket_id)


def confirm_solved(services: Services, actor: Actor, ticket_id: str) -> object:
    return services.ticket_actions.confirm_solved(actor=actor, ticket_id=ticket_id)


def report_unsolved(services: Services, actor: Actor, ticket_id: str) -> object:
    return services.ticket_actions.report_unsolved(
        actor=actor, ticket_id=ticket_id, request_id=f"sample-{ticket_id}"
    )


def decline(services: Services, actor: Actor, ticket_id: str) -> object:
    return services.reassignment.decline(
        actor=actor, ticket_id=ticket_id, decline_reason=DeclineReason.TEAM
    )


def resolve(resolution: str) -> Act:
    return lambda services, actor, ticket_id: services.ticket_actions.resolve(
        actor=actor, ticket_id=ticket_id, resolution=resolution
    )


def ask(question: str) -> Act:
    return lambda services, actor, ticket_id: services.ticket_actions.ask_requester(
        actor=actor, ticket_id=ticket_id, question=question
    )


def comment(text: str) -> Act:
    return lambda services, actor, ticket_id: services.comments.add(
        actor=actor, ticket_id=ticket_id, text=text
    )


def note(text: str) -> Act:
    return lambda services, actor, ticket_id: services.comments.add(
        actor=actor, ticket_id=ticket_id, text=text, internal=True
    )


@dataclass(frozen=True, slots=True)
class Step:
    """What the member with that first name, or `ASSIGNEE`, does with a ticket."""

    at: Moment
    by: str
    act: Act


@dataclass(frozen=True, slots=True)
class SampleTicket:
    """`deadline` is in so many days from its filing. `in_channel`: it is a message in #it-help, and
    the conversation about it is in the thread of that."""

    requester: str
    title: str
    description: str
    filed: Moment
    steps: tuple[Step, ...] = ()
    priority: Priority | None = None
    deadline: timedelta | None = None
    in_channel: bool = False


def solved_on(day: int, by: str, *, filed: str, done: str, resolution: str) -> tuple[Step, ...]:
    """Return the steps of a ticket that is accepted and resolved on the day it is filed."""
    return (
        Step(on_workday(day, filed), by, accept),
        Step(on_workday(day, done), by, resolve(resolution)),
    )


SAMPLE_TICKETS = (
    SampleTicket(
        "Emma",
        "VPN stops when I change rooms",
        "The tunnel to the office drops as soon as another access point takes over.",
        on_workday(9, "09:10"),
        solved_on(
            9,
            "Nils",
            filed="09:25",
            done="11:40",
            resolution="Installed client 5.2, which keeps the tunnel between access points.",
        ),
    ),
    SampleTicket(
        "Omar",
        "Printer on floor 2 prints blank pages",
        "Every second sheet comes out blank since noon. The toner light blinks.",
        on_workday(9, "13:05"),
        solved_on(
            9,
            "Lara",
            filed="13:15",
            done="14:30",
            resolution="Changed the toner and cleaned the drum.",
        ),
    ),
    SampleTicket(
        "Grace",
        "Payroll: last month's overtime is missing",
        "I worked eleven hours of overtime. The transfer has none of them.",
        on_workday(8, "10:00"),
        (
            Step(on_workday(8, "10:20"), "Pia", accept),
            Step(on_workday(8, "10:45"), "Pia", ask("Did your manager approve the hours?")),
            Step(on_workday(8, "13:30"), "Grace", comment("Yes, on the last day of the month.")),
            Step(
                on_workday(7, "11:00"),
                "Pia",
                resolve("The approval came after the deadline. You get the hours this month."),
            ),
        ),
    ),
    SampleTicket(
        "Emma",
        "Laptop battery lasts twenty minutes",
        "Fully charged at nine, empty before half past. It gets hot, too.",
        on_workday(8, "14:15"),
        solved_on(
            8,
            "Lara",
            filed="14:40",
            done="16:20",
            resolution="Swapped the battery. The old one had 1,100 charges.",
        ),
    ),
    SampleTicket(
        "Omar",
        "DNS finds no intranet pages",
        "The wiki and the canteen menu do not resolve. Addresses on the internet work.",
        on_workday(7, "09:30"),
        solved_on(
            7,
            "Nils",
            filed="09:35",
            done="10:10",
            resolution="The resolver at the Hamburg site was down. It runs again.",
        ),
    ),
    SampleTicket(
        "Grace",
        "SAP asks for a cost centre",
        "I order a chair, and the form wants a cost centre that I do not know.",
        on_workday(7, "15:00"),
        solved_on(
            7,
            "Pia",
            filed="15:10",
            done="15:25",
            resolution="It is 4711. Your profile fills it in from now on.",
        ),
    ),
    SampleTicket(
        "Omar",
        "Laptop does not wake up from sleep",
        "I have to hold the power button, and what I had open is lost.",
        on_workday(6, "09:45"),
        (
            Step(on_workday(6, "10:30"), "Lara", accept),
            Step(on_workday(5, "11:15"), "Lara", note("Firmware is current. Ordered a mainboard.")),
            Step(on_workday(2, "10:00"), "Lara", comment("The spare part is on its way.")),
        ),
    ),
    SampleTicket(
        "Emma",
        "VPN is slow in the evening",
        "Uploads through the tunnel crawl after six. At noon they are fast.",
        on_workday(6, "13:20"),
        (
            Step(on_workday(6, "13:40"), "Nils", accept),
            Step(on_workday(6, "14:00"), "Nils", ask("Is it better through the other gateway?")),
            Step(on_workday(5, "09:20"), "Emma", comment("Much better, thank you!")),
            Step(on_workday(5, "09:25"), "Emma", confirm_solved),
        ),
    ),
    SampleTicket(
        "Grace",
        "Wrong tax class on my payslip",
        "I married in spring. The deduction is still that of a single.",
        on_workday(5, "14:00"),
        solved_on(
            5,
            "Pia",
            filed="14:30",
            done="16:00",
            resolution="Changed. The difference comes with the next transfer.",
        ),
    ),
    SampleTicket(
        "Emma",
        "My second screen flickers",
        "It goes black for a second every few minutes.",
        on_workday(4, "09:50"),
        (Step(on_workday(4, "10:05"), "Emma", cancel),),
    ),
    SampleTicket(
        "Grace",
        "SAP logs me out every ten minutes",
        "I lose the order that I was typing each time.",
        on_workday(4, "13:00"),
        (
            Step(on_workday(4, "13:30"), "Pia", accept),
            Step(on_workday(3, "09:30"), "Pia", resolve("Raised the time limit to an hour.")),
            Step(on_workday(1, "14:20"), "Grace", report_unsolved),
            Step(on_workday(1, "14:25"), "Grace", comment("Now it is after fifteen minutes.")),
        ),
    ),
    SampleTicket(
        "Emma",
        "DNS still has the wiki's old address",
        "After the move, my browser opens the empty server. My colleagues reach the new one.",
        on_workday(3, "10:10"),
        (
            Step(on_workday(3, "10:30"), "Nils", accept),
            Step(on_workday(3, "10:40"), "Nils", note("The old record has a lifetime of a week.")),
        ),
        priority=Priority.HIGH,
    ),
    SampleTicket(
        "Omar",
        "Paper jam in the kitchen's printer",
        "Tray 2 pulls in three sheets at once, then it jams.",
        on_workday(2, "11:30"),
        (
            Step(on_workday(2, "11:50"), "Lara", accept),
            Step(
                on_workday(1, "15:00"),
                "Lara",
                resolve("New rollers for tray 2. It pulls one sheet again."),
            ),
        ),
    ),
    SampleTicket(
        "Omar",
        "Payroll letters go to my old address",
        "I moved a while ago. The letters still go to Lindenweg.",
        on_workday(2, "15:10"),
        (
            Step(on_workday(2, "15:30"), "Pia", accept),
            Step(on_workday(1, "09:15"), "Pia", ask("What is your new address?")),
            Step(on_workday(1, "11:40"), "Omar", comment("Gartenstraße 12, second floor.")),
        ),
    ),
    SampleTicket(
        "Omar",
        "Coffee machine on floor 3 leaks",
        "There is a puddle below it every morning.",
        on_workday(1, "09:40"),
        tuple(
            Step(on_workday(1, at), ASSIGNEE, decline)
            for at in ("09:50", "10:10", "10:20", "10:50")
        ),
    ),
    SampleTicket(
        "Grace",
        "Laptop for a new colleague",
        "Jana starts soon and needs what we all have, with a German keyboard.",
        on_workday(1, "13:10"),
        (Step(on_workday(1, "13:45"), "Lara", accept),),
        priority=Priority.LOW,
        deadline=timedelta(days=6),
    ),
    SampleTicket(
        "Emma",
        "VPN client wants a code",
        "Since the update it asks for six digits after the password.",
        on_workday(1, "15:30"),
        (
            Step(on_workday(1, "15:45"), "Nils", accept),
            Step(on_workday(1, "16:00"), "Nils", ask("Does your phone have the sign-in app?")),
        ),
    ),
    SampleTicket(
        "Grace",
        "The copy room's printer sends no scans",
        "It says that they are sent, but none arrives.",
        on_workday(1, "14:10"),
        (
            Step(on_workday(1, "14:20"), "Lara", accept),
            Step(on_workday(1, "14:25"), "Lara", comment("Which address do you send them to?")),
            Step(on_workday(1, "14:40"), "Grace", comment("My own, as always.")),
            Step(
                on_workday(1, "15:20"),
                "Lara",
                resolve("Its password for mail had expired."),
            ),
        ),
        in_channel=True,
    ),
    SampleTicket(
        "Omar",
        "The VPN asks for my password every hour",
        "At home only, since the weekend.",
        minutes_ago(90),
        (
            Step(minutes_ago(80), "Nils", accept),
            Step(minutes_ago(75), "Nils", comment("I look at the gateway's session times.")),
        ),
        in_channel=True,
    ),
    SampleTicket(
        "Grace",
        "VPN is down for the whole sales team",
        "Nobody can connect, and twelve customers wait for our offers.",
        minutes_ago(70),
        (
            Step(minutes_ago(66), "Nils", accept),
            Step(minutes_ago(40), "Nils", note("The certificate of gateway 2 has expired.")),
        ),
        priority=Priority.URGENT,
    ),
    SampleTicket(
        "Nils",
        "My laptop fan roars",
        "Even with all programs closed.",
        minutes_ago(55),
        (Step(minutes_ago(50), "Lara", accept),),
    ),
    SampleTicket(
        "Emma",
        "Printer cuts off the right margin",
        "Only on the one beside the lift, with every file.",
        minutes_ago(25),
    ),
    SampleTicket(
        "Grace",
        "Until when does payroll take travel costs?",
        "I am back on Thursday and want them in this month.",
        minutes_ago(12),
        priority=Priority.LOW,
    ),
)


class _InlineWorker(CeleryPublisher):
    """Runs the tasks that are published in this process, instead of a worker."""

    def __init__(self) -> None:
        super().__init__(celery)
        self._tasks: list[tuple[str, str]] = []

    def send(
        self,
        task: str,
        ticket_id: str | None = None,
        *,
        countdown: float | None = None,  # noqa: ARG002  the clock stands still
        queue: str = FRESH_QUEUE,  # noqa: ARG002
        **kwargs: str,
    ) -> None:
        self._tasks.append((task, ticket_id or kwargs.get("to", "")))

    def waiting_tasks(self) -> WaitingTasks:
        return WaitingTasks()

    def work(self, runtime: Runtime) -> None:
        """Emails are off, and no one has Home open: these tasks have nothing to do."""
        tasks: dict[str, Callable[[Runtime, str], None]] = {
            NOTIFY_TASK: notify.run,
            REMINDER_TASK: reminders.run,
        }
        while self._tasks:
            task, argument = self._tasks.pop(0)
            if task in tasks:
                tasks[task](runtime, argument)


@dataclass
class _Past:
    """The help desk at an earlier time, with the jobs and a worker in this process."""

    db: Mongo
    slack: WebClient
    say: Say
    actors: Mapping[str, Actor] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    now: datetime = field(default_factory=utcnow)

    def __post_init__(self) -> None:
        self.services = Services(self.db, clock=lambda: self.now, has_triage=True)
        self._worker = _InlineWorker()
        self._runtime = Runtime(
            self.services, slack=self.slack, publisher=self._worker, triage_channel=TRIAGE
        )

    def run_jobs(self) -> None:
        """Escalate, remind and deliver what is due, as the jobs of the product do."""
        for ticket_id in pending.due_tickets(self.db, now=self.now, limit=len(SAMPLE_TICKETS)):
            self._worker.publish_ticket(str(ticket_id))
        steps = self.services.escalation_steps
        escalation.take_due_steps(steps, self._worker, should_continue=lambda: True)
        self._worker.work(self._runtime)
        self.now += BATCH_WINDOW
        escalation.request_due_reminders(self.services.reminders, self._worker)
        self._worker.work(self._runtime)

    def deliver(self, ticket_id: ObjectId) -> None:
        """Assign the ticket if it needs that, and send its messages."""
        self._worker.publish_ticket(str(ticket_id))
        self._worker.work(self._runtime)

    def send_digests(self) -> None:
        digest.run(self._runtime)

    def assignee(self, ticket_id: ObjectId) -> Actor:
        ticket = load_ticket(self.db, str(ticket_id))
        owner = ticket.assigned_to if ticket else None
        return next(actor for actor in self.actors.values() if actor.user_id == owner)

    def file(self, sample: SampleTicket) -> Ticket:
        title, description, source = sample.title, sample.description, None
        if sample.in_channel:
            text = f"{title}\n{description}"
            source = self._say_in_channel(self.members[sample.requester], text)
            quote = channel_message_quote(text, permalink=source.permalink)
            title, description = quote.title, quote.description
        filed = self.services.tickets.create(
            actor=self.actors[sample.requester],
            team_id=TEAM_ID,
            request_id=None,
            title=title,
            description=description,
            priority=sample.priority,
            deadline=self.now + sample.deadline if sample.deadline else None,
            source=source,
        )
        return filed.ticket

    def _say_in_channel(self, member: Member, text: str) -> MessageSource:
        source = checked_source(
            team_url=str(self.slack.auth_test()["url"]),
            channel=HELP,
            ts=self.say(member, text),
            slack_user_id=member.slack_id,
        )
        return replace(source, is_conversation=True)


def add_sample_tickets(
    db: Mongo,
    slack: WebClient,
    members: Sequence[Member],
    *,
    say: Say,
    now: datetime | None = None,
) -> None:
    """File the sample tickets, let the members act on them, and send everyone's messages.

    `say` posts a member's message in #it-help and returns its `ts`.
    The product must not run yet: its jobs would act on the same tickets.
    """
    now = now or utcnow()
    past = _Past(db, slack, say)
    claim_installation(db, team_id=TEAM_ID)
    past.actors = {
        member.first_name: Actor.from_user(open_account(past.services, member))
        for member in members
    }
    past.members = {member.first_name: member for member in members}
    for moment, run in sorted(_timeline(past, now), key=lambda entry: entry[0]):
        past.now = moment
        run()


def _timeline(past: _Past, now: datetime) -> Iterator[tuple[datetime, Callable[[], None]]]:
    yield last_digest_time(now), past.send_digests
    for day, hour in product(range(DAYS + 1), JOB_HOURS):
        if (moment := on_workday(day, f"{hour:02}:55")(now)) < now:
            yield moment, past.run_jobs
    yield minutes_ago(1)(now), past.run_jobs
    for sample in SAMPLE_TICKETS:
        yield from _story(past, sample, now)


def _story(
    past: _Past, sample: SampleTicket, now: datetime
) -> Iterator[tuple[datetime, Callable[[], None]]]:
    filed: list[ObjectId] = []

    def file() -> None:
        filed.append(past.file(sample).id)
        past.deliver(filed[0])

    def perform(step: Step) -> None:
        actor = past.actors[step.by] if step.by else past.assignee(filed[0])
        step.act(past.services, actor, str(filed[0]))
        past.deliver(filed[0])

    yield sample.filed(now), file
    for step in sample.steps:
        yield step.at(now), lambda step=step: perform(step)  # type: ignore[misc]
