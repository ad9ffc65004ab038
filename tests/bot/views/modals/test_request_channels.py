"""The section of the settings screen about request channels, and their forms."""

from bot.views.modals.request_channels import channels_section, edit_channel_modal
from services.channels.request_channels import (
    MAX_CHANNELS,
    ChannelMode,
    ChannelState,
    RequestChannel,
)
from tests.support.blockkit import check_view

# Slack's limit for Home is 100 blocks.
OTHER_BLOCKS = 45
APP_NAME = "<!here> & co"


def test_slack_takes_a_full_list() -> None:
    channels = [
        RequestChannel("T0TEAM", f"C0{number}", ChannelMode.ON_REQUEST, state=ChannelState.MISSING,
                       name="<!channel>" + 80 * "x", is_channel_private=True)
        for number in range(MAX_CHANNELS)
    ]  # fmt: skip
    blocks = channels_section(channels, app_name=APP_NAME, ticket_emoji="ticket")
    assert check_view({"type": "home", "blocks": blocks}, home=True) == []
    assert len(blocks) + OTHER_BLOCKS <= 100
    assert "<!" not in str(blocks)
    assert check_view(edit_channel_modal(channels[0])) == []
