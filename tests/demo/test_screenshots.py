"""The pictures of the docs look alike at whatever time they are taken."""

from datetime import UTC, datetime

from demo.payload_pictures import PayloadPicture
from demo.screenshots import at_shown_time

NIGHT = datetime(2026, 12, 1, 2, 30, tzinfo=UTC)
AT_TEN = datetime(2026, 12, 1, 9, 12, tzinfo=UTC)  # in Berlin
DUE = datetime(2026, 12, 3, 17, tzinfo=UTC)


def test_the_present_is_moved_to_the_morning_and_a_due_date_stays() -> None:
    sent, due = int(NIGHT.timestamp()), int(DUE.timestamp())
    text = f"<!date^{sent}^{{ago}}|now> · due <!date^{due}^{{time}}|then>"
    block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    card = PayloadPicture("card", [block], kind="message", time=float(sent))
    (shown,) = at_shown_time([card], now=NIGHT)
    assert (shown.time, shown.now) == (AT_TEN.timestamp(), AT_TEN.timestamp())
    assert shown.blocks[0]["text"]["text"] == text.replace(str(sent), str(int(AT_TEN.timestamp())))


def test_nobody_is_said_to_be_back_later() -> None:
    reason = {"type": "plain_text", "text": "knows VPN · back at 09:00 tomorrow"}
    home = PayloadPicture("home", [{"type": "section", "text": reason}], kind="home")
    (shown,) = at_shown_time([home], now=NIGHT)
    assert shown.blocks[0]["text"]["text"] == "knows VPN"
