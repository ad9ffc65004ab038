import pytest

from bot.slack.ticket_command import TicketCommand, parse_command

SUBCOMMANDS = ("list", "view", "assigned", "queue", "update", "search", "help")
FORM = TicketCommand()


def runs(subcommand: str) -> TicketCommand:
    return TicketCommand(subcommand)


def suggests(usage: str) -> TicketCommand:
    return TicketCommand(suggestion=usage)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("", FORM),
        ("12", runs("view")),
        ("#12", runs("view")),
        ("view 1", runs("view")),
        ("view #1", runs("view")),
        ("VIEW 1", runs("view")),
        ("view", runs("view")),  # which asks for the number
        ("view printer", runs("view")),
        ("update 12 please", runs("update")),
        ("list", runs("list")),
        ("help", runs("help")),
        # A word that looks like a command
        ("resolve 1", suggests("/ticket 1")),
        ("close #7", suggests("/ticket 7")),
        ("close", suggests("/ticket NUMBER")),
        ("status", suggests("/ticket list")),
        ("status 3", suggests("/ticket 3")),
        ("search", runs("search")),
        ("find", suggests("/ticket search WORDS")),
        ("search 3", runs("search")),
        ("lsit", suggests("/ticket list")),
        ("veiw 12", suggests("/ticket view 12")),
        # Titles
        ("printer", FORM),
        ("drucker", FORM),
        ("<!channel>", FORM),
        ("🔥", FORM),
        ("printer 3", FORM),
        ("12 monitors", FORM),
        ("0x12", FORM),
        ("close the window in room 3", FORM),
        ("update Adobe on my laptop", FORM),
        ("help me with the VPN", FORM),
        ("list of printers", FORM),
        ("search is broken", runs("search")),
        ("Search vpn status:open", runs("search")),
        ("9999999999", FORM),
    ],
)
def test_it_reads_what_was_typed(text: str, meaning: TicketCommand) -> None:
    assert parse_command(text.split(), subcommands=SUBCOMMANDS) == meaning
