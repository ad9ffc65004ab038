"""The message in #general that greets a user of the demo and says what to try."""

from collections.abc import Sequence

from slack_sdk import WebClient

from bot.views import ids
from bot.views.blocks import actions, button, mrkdwn_section
from bot.views.text import Message
from demo.sample_tickets import SAMPLE_TICKETS
from demo.seed import EMPLOYEE, GENERAL, HELP_NAME, Member

TITLE = "VPN drops every hour"
# The message to write in #it-help.
MESSAGE = "My laptop shows a black picture in video calls"
# It names no skill. Similar words are in resolved sample tickets about the VPN.
LEARNED_TITLE = "The tunnel drops at another access point"


def post_welcome(slack: WebClient, staff: Sequence[Member]) -> None:
    slack.chat_postMessage(channel=GENERAL, **welcome_message(staff).as_args())


def welcome_message(staff: Sequence[Member]) -> Message:
    emma = EMPLOYEE.first_name
    nils, lara, pia, ada = (member.first_name for member in staff)
    paragraphs = (
        f"*Welcome to the demo*\nYou are *{emma}*, an employee. With *Act as*, at the "
        f"top right, you become someone else. {len(SAMPLE_TICKETS)} tickets of the last two weeks "
        "are there already.",
        f"*1. File a ticket.* As {emma}, type `/ticket {TITLE}` below, describe it in "
        f"a sentence and choose File. {emma}'s direct message, at the left, says who has it.",
        f"*2. Or write a message.* As {emma}, write “{MESSAGE}” in #{HELP_NAME}: it is a ticket, "
        f"with a line below it, and its thread is the conversation. As {lara}, answer there, and "
        "add :white_check_mark: to the message when it is solved.",
        f"*3. Resolve it.* As {nils}, open {nils}'s direct message: it says why the ticket came to "
        f"{nils}. Choose Accept, then Resolve, and write what you did. {emma}'s message changes, "
        "and takes a reply in its thread.",
        f"*4. Answer a question.* {nils} asked {emma} about “VPN client wants a code”. As {emma}, "
        "reply in the thread of that ticket's message: the ticket goes on.",
        f"*5. Look around.* Help desk, under Apps, is each member's Home. As {nils}, choose The "
        "queue there and filter it; a ticket's page has its comments, notes and history. A "
        "digest comes each morning as a direct message, and #triage shows every ticket.",
        f"*6. See where tickets go.* Printers and laptops go to {lara}, payroll and SAP to {pia}, "
        f"and a VPN ticket of {nils} to {ada}, since no one else knows it. The app learns "
        f"from resolved tickets: `/ticket {LEARNED_TITLE}` goes to {nils} without naming the VPN.",
        f"*7. Be the admin.* {ada}'s Home has Settings, for targets, business hours and the words "
        f"that mean out of office, and People, for roles and skills. For {ada}, a ticket's page "
        "also has Why?, with the reasons of its assignment. Direct messages say what is overdue "
        "and which ticket no one takes.",
        "`/ticket help` lists the commands. The terminal of the demo says how to check the "
        "installation and how to sign up in the browser.",
    )
    return Message(
        text="Welcome to the demo",
        blocks=[
            *map(mrkdwn_section, paragraphs[:2]),
            actions(button("File this ticket", ids.FILE_WITH_TITLE, TITLE, primary=True)),
            *map(mrkdwn_section, paragraphs[2:]),
        ],
    )
