"""Request channels: their section of the settings screen in Home, and their forms."""

from collections.abc import Sequence

from bot.views import ids
from bot.views.blocks import actions, button, header, mrkdwn_section, text_section
from bot.views.inputs import View, channel_select, input_block, modal, option, select
from bot.views.text import Block, escape
from services.channels.channel_settings import CHANNEL, EMOJI, MODE, PRIVATE
from services.channels.request_channels import ChannelMode, ChannelState, RequestChannel

NEW = "new"  # the value of the button that adds one
PRIVATE_OFF = "off"  # the option that switches private tickets off
SEEN_BY_STAFF = "Moderators and the triage channel will see what is written here."
NO_CHANNELS = (
    "No channel yet. Add the one in which people ask for help: their messages become tickets, and "
    "the threads below them are the conversations."
)
MODES = {
    ChannelMode.EVERY_MESSAGE: "Every message becomes a ticket",
    ChannelMode.ON_REQUEST: "A message becomes a ticket on request: by a mention, the shortcut or "
    ":{emoji}:",
}


def channels_section(
    channels: Sequence[RequestChannel], *, app_name: str, ticket_emoji: str
) -> list[Block]:
    """Return each channel with what happens in it, and why it is off if it is."""
    blocks = [header("Request channels")]
    if not channels:
        blocks.append(text_section(NO_CHANNELS))
    for channel in channels:
        lines = [
            f"*{channel_link(channel)}*",
            " · ".join(
                [
                    MODES[channel.mode].format(emoji=ticket_emoji),
                    f"Tickets are {'' if channel.is_private else 'not '}private",
                    f"Emoji actions are {'on' if channel.has_emoji_actions else 'off'}",
                ]
            ),
        ]
        if why := off_reason(channel, app_name=app_name):
            lines.append(f":warning: {why}")
        blocks += [
            mrkdwn_section("\n".join(lines)),
            actions(
                button("Edit", ids.OPEN_CHANNEL, channel.id),
                button("Remove", ids.OPEN_CHANNEL_REMOVAL, channel.id),
            ),
        ]
    return [*blocks, actions(button("Add channel", ids.OPEN_CHANNEL, NEW))]


def off_reason(channel: RequestChannel, *, app_name: str) -> str:
    """Return why nothing becomes a ticket there, as mrkdwn; "" if the channel is active."""
    invite = f"`/invite @{escape(app_name)}`"
    return {
        ChannelState.ACTIVE: "",
        ChannelState.ARCHIVED: "Off, because the channel is archived.",
        ChannelState.NOT_A_MEMBER: "Off, because this app is not in the channel. Invite it there: "
        f"{invite}",
        ChannelState.SHARED: "Off, because people of other organisations read the channel.",
        ChannelState.TRIAGE: "Off, because this is the triage channel, too. Choose another channel "
        "for one of the two.",
        ChannelState.MISSING: "Off, because this app does not find the channel. If it is private, "
        f"invite the app there: {invite}",
    }[channel.state]


def channel_link(channel: RequestChannel) -> str:
    """Return the channel as mrkdwn. Slack shows no link for a channel that is gone."""
    if channel.state is ChannelState.MISSING and channel.name:
        return f"#{escape(channel.name)}"
    return f"<#{channel.id}>"


def add_channel_modal() -> View:
    return modal(
        callback_id=ids.EDIT_CHANNEL,
        title="Add request channel",
        submit="Add",
        blocks=[
            channel_select(
                CHANNEL,
                "Channel",
                placeholder="Choose a channel",
                chosen="",
                optional=False,
                hint="For requests to your team. Channels that other organisations read are not "
                "listed.",
            ),
            *_choices(ChannelMode.EVERY_MESSAGE, has_emoji_actions=False),
            _private_choice("If the channel is private", is_off=False),
        ],
    )


def edit_channel_modal(channel: RequestChannel) -> View:
    is_private = channel.is_channel_private
    return modal(
        callback_id=ids.EDIT_CHANNEL,
        title="Request channel",
        submit="Save",
        private_metadata=channel.id,
        blocks=[
            mrkdwn_section(channel_link(channel)),
            *_choices(channel.mode, has_emoji_actions=channel.has_emoji_actions),
            *([_private_choice("Private channel", is_off=not channel.is_private)] * is_private),
        ],
    )


def remove_channel_modal(channel: RequestChannel) -> View:
    return modal(
        callback_id=ids.REMOVE_CHANNEL,
        title="Remove channel",
        submit="Remove",
        private_metadata=channel.id,
        blocks=[
            mrkdwn_section(
                f"Messages in {channel_link(channel)} no longer become tickets. The tickets that "
                "they became stay."
            )
        ],
    )


def _choices(mode: ChannelMode, *, has_emoji_actions: bool) -> list[Block]:
    return [
        select(
            MODE,
            "What becomes a ticket?",
            {
                ChannelMode.EVERY_MESSAGE.value: "Every message",
                ChannelMode.ON_REQUEST.value: "Only messages with the emoji, a mention or the "
                "shortcut",
            },
            placeholder="Choose",
            chosen=mode.value,
            hint="Answers in threads are part of the conversation.",
        ),
        _checkbox(
            EMOJI,
            "Emoji actions",
            option("Emoji on a message act on its ticket", "on"),
            is_ticked=has_emoji_actions,
            hint=":eyes: accepts or takes the ticket, :white_check_mark: asks whether to resolve "
            "it, :no_entry_sign: closes it as “not a request”. For moderators.",
        ),
    ]


def _private_choice(label: str, *, is_off: bool) -> Block:
    """Nothing to tick keeps tickets private: the safe choice is the one that takes no press."""
    off = option("Do not make its tickets private", PRIVATE_OFF)
    return _checkbox(PRIVATE, label, off, is_ticked=is_off, hint=SEEN_BY_STAFF)


def _checkbox(field: str, label: str, choice: Block, *, is_ticked: bool, hint: str) -> Block:
    box: Block = {"type": "checkboxes", "action_id": field, "options": [choice]}
    if is_ticked:
        box["initial_options"] = [choice]
    return input_block(label, box, optional=True, hint=hint)
