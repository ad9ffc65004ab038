"""Tests of services/channels/request_channels.py, against a real MongoDB."""

from services.channels.request_channels import (
    ChannelMode,
    ChannelState,
    RequestChannel,
    find_request_channel,
)
from services.core.database import Mongo
from tests.conftest import FixedClock
from tests.support.slack_workspace import TEAM_ID

IT_HELP = RequestChannel(TEAM_ID, "C0ITHELP", ChannelMode.EVERY_MESSAGE, name="it-help")


def test_a_channel_is_found_in_its_own_workspace_only(db: Mongo) -> None:
    db.channels.insert_one(IT_HELP.to_doc())
    assert find_request_channel(db, team_id=TEAM_ID, channel="C0ITHELP") == IT_HELP
    assert find_request_channel(db, team_id=TEAM_ID, channel="C0GENERAL") is None
    assert find_request_channel(db, team_id="T0OTHER", channel="C0ITHELP") is None


def test_a_channel_in_which_the_bot_cannot_work_is_none(db: Mongo) -> None:
    db.channels.insert_one({**IT_HELP.to_doc(), "state": ChannelState.ARCHIVED.value})
    assert find_request_channel(db, team_id=TEAM_ID, channel="C0ITHELP") is None


def test_every_field_is_stored(db: Mongo, clock: FixedClock) -> None:
    channel = RequestChannel(
        TEAM_ID,
        "C0HR",
        ChannelMode.ON_REQUEST,
        is_private=True,
        has_emoji_actions=True,
        at=clock(),
        checked_at=clock(),
        name="hr",
    )
    db.channels.insert_one(channel.to_doc())
    stored = db.channels.find_one()
    assert stored
    assert RequestChannel.from_doc(stored) == channel
