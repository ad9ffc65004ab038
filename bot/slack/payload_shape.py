"""Check the shape of Slack's payloads once, before Bolt: handlers find what they read, of its type.

Slack signs what it sends, so a payload of another shape is a proxy's or a forger's. Content that
people or other apps write (texts, blocks, files of a message) is not checked here: its readers skip
what they do not know.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NoReturn, Self
from urllib.parse import parse_qsl, unquote_plus

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from bot.slack.channel_events import CHANNEL_EVENTS, ID_CHANGED, JOINED
from bot.views.inputs import INPUT_VALUE_KEYS

Json = dict[str, Any]

# Half of a surrogate pair cannot be stored or sent. Slack escapes all but ASCII.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_FORM = "payload="
# The escapes that a form of JSON is full of. None stands for a sign that another escape could begin
# with, so that they can be replaced in any order.
_JSON_ESCAPES = {f"%{ord(sign):02X}": sign for sign in '"{}[]:,'}

Id = Annotated[str, Field(min_length=1, max_length=255)]
Ts = Annotated[str, Field(pattern=r"^\d{1,12}\.\d{1,9}$")]


class MalformedPayload(ValueError):
    """The text says what is wrong, without the payload's content."""


class _Part(BaseModel):
    """Slack may add fields, and send null in place of most."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Named(_Part):
    id: Id
    team_id: str | None = None


class _Option(_Part):
    value: str


class _Entered(_Part):
    """What was entered in an element: INPUT_VALUE_KEYS."""

    value: str | None = None
    selected_option: _Option | None = None
    selected_options: list[_Option] | None = None
    selected_user: str | None = None
    selected_date_time: int | None = None


class _Action(_Entered):
    action_id: Id
    block_id: str | None = None


class _View(_Part):
    id: Id
    type: str
    callback_id: str | None = None
    hash: str | None = None
    private_metadata: str | None = None
    app_installed_team_id: str | None = None


class _InputElement(_Part):
    type: str
    action_id: Id
    initial_value: str | None = None
    initial_option: _Option | None = None
    initial_options: list[_Option] | None = None
    initial_user: str | None = None
    initial_date_time: int | None = None


class _Block(_Part):
    type: str
    block_id: str | None = None


class _InputBlock(_Block):
    block_id: Id
    element: _InputElement

    @model_validator(mode="after")
    def _type_is_known(self) -> Self:
        if self.element.type not in INPUT_VALUE_KEYS:
            raise ValueError("an input has an unknown type")
        return self


def _kind(block: Any) -> str:
    is_input = isinstance(block, Mapping) and block.get("type") == "input"
    return "input" if is_input else "other"


class _State(_Part):
    # Slack sends an empty list if there are none: https://github.com/slack-go/slack/issues/943
    values: Annotated[
        dict[str, dict[str, _Entered]], BeforeValidator(lambda sent: {} if sent == [] else sent)
    ]


class _SubmittedView(_View):
    callback_id: Id
    blocks: list[
        Annotated[
            Annotated[_InputBlock, Tag("input")] | Annotated[_Block, Tag("other")],
            Discriminator(_kind),
        ]
    ]
    state: _State

    @model_validator(mode="after")
    def _inputs_have_values(self) -> Self:
        for block in self.blocks:
            if not isinstance(block, _InputBlock):
                continue
            if block.element.action_id not in self.state.values.get(block.block_id, {}):
                raise ValueError("an input has no value")
        return self


class _Container(_Part):
    is_ephemeral: bool | None = None
    channel_id: str | None = None
    message_ts: str | None = None


class _Message(_Part):
    user: str | None = None
    bot_id: str | None = None
    subtype: str | None = None
    ts: Ts | None = None
    thread_ts: Ts | None = None
    parent_user_id: str | None = None
    files: list[Json] | None = None
    attachments: list[Json] | None = None
    blocks: list[Json] | None = None


class _PressedMessage(_Message):
    ts: Ts


class _Team(_Part):
    id: str | None = None


class _Authorization(_Part):
    team_id: str | None = None
    user_id: str | None = None


class _Payload(_Part):
    team: _Team | None = None
    team_id: str | None = None


class _Interaction(_Payload):
    user: _Named


class _Triggered(_Interaction):
    trigger_id: Id
    response_url: str | None = None
    channel: _Named | None = None


class _BlockActions(_Triggered):
    actions: Annotated[list[_Action], Field(min_length=1)]
    container: _Container | None = None
    view: _View | None = None


class _ViewSubmission(_Interaction):
    response_urls: list[Json] | None = None
    view: _SubmittedView


class _BlockSuggestion(_Interaction):
    action_id: Id
    block_id: str | None = None
    value: str | None = None
    view: _View | None = None


class _Shortcut(_Triggered):
    callback_id: Id


class _MessageAction(_Shortcut):
    channel: _Named
    message: _PressedMessage


class _Command(_Payload):
    command: Id
    user_id: Id
    trigger_id: Id
    text: str | None = None


class _UrlVerification(_Part):
    challenge: str


class _Event(_Part):
    type: Id


class _MessageEvent(_Event, _Message):
    channel: Id
    channel_type: str | None = None
    event_ts: Ts | None = None
    deleted_ts: Ts | None = None
    message: _Message | None = None
    previous_message: _Message | None = None


class _Item(_Part):
    type: str
    channel: str | None = None
    ts: str | None = None


class _ReactionEvent(_Event):
    user: Id
    reaction: str
    item: _Item
    item_user: str | None = None
    event_ts: Ts | None = None


class _Home(_Part):
    hash: str | None = None


class _HomeEvent(_Event):
    user: Id
    tab: str | None = None
    view: _Home | None = None


class _EnterpriseUser(_Part):
    id: str | None = None
    teams: list[str] | None = None


class _Profile(_Part):
    email: str | None = None
    real_name: str | None = None
    display_name: str | None = None
    status_text: str | None = None
    status_emoji: str | None = None
    status_expiration: int | None = None
    team: str | None = None


class _Member(_Named):
    name: str | None = None
    real_name: str | None = None
    teams: list[str] | None = None
    enterprise_user: _EnterpriseUser | None = None
    profile: _Profile | None = None


class _UserEvent(_Event):
    user: _Member


class _ChannelEvent(_Event):
    channel: Id | _Named


class _ChannelJoined(_Event):
    user: Id
    channel: Id


class _ChannelIdChanged(_Event):
    old_channel_id: Id
    new_channel_id: Id


class _EventCallback(_Payload):
    event: _Event
    event_id: Id
    context_team_id: str | None = None
    authorizations: Sequence[_Authorization] | None = None


class _Installed(_Authorization):
    user_id: Id


class _MessageCallback(_EventCallback):
    event: _MessageEvent
    authorizations: Annotated[Sequence[_Installed], Field(min_length=1)]


class _ReactionCallback(_EventCallback):
    event: _ReactionEvent
    authorizations: Annotated[Sequence[_Installed], Field(min_length=1)]


class _HomeCallback(_EventCallback):
    event: _HomeEvent


class _UserCallback(_EventCallback):
    event: _UserEvent


class _ChannelCallback(_EventCallback):
    event: _ChannelEvent


class _JoinedCallback(_EventCallback):
    event: _ChannelJoined
    authorizations: Annotated[Sequence[_Installed], Field(min_length=1)]


class _IdChangedCallback(_EventCallback):
    event: _ChannelIdChanged


class _Typed(_Part):
    type: Id


_BY_TYPE: Mapping[str, type[_Part]] = {
    "block_actions": _BlockActions,
    "view_submission": _ViewSubmission,
    "block_suggestion": _BlockSuggestion,
    "shortcut": _Shortcut,
    "message_action": _MessageAction,
    "url_verification": _UrlVerification,
    "event_callback": _EventCallback,
}
_BY_EVENT: Mapping[str, type[_Part]] = {
    "message": _MessageCallback,
    "app_mention": _MessageCallback,
    "reaction_added": _ReactionCallback,
    "app_home_opened": _HomeCallback,
    "user_change": _UserCallback,
    **dict.fromkeys(CHANNEL_EVENTS, _ChannelCallback),
    JOINED: _JoinedCallback,
    ID_CHANGED: _IdChangedCallback,
}


def parse_payload(body: str, *, is_json: bool) -> Json:
    """Return the payload of a request's body. Raises `MalformedPayload`.

    Bolt's own parser takes a command whose text has the word "payload" for an interaction.
    """
    if is_json or body.startswith("{"):
        payload = _from_json(body)
    elif body.startswith(_FORM) and "&" not in body:
        payload = _from_json(unescape_json(body.removeprefix(_FORM)))
    else:
        fields = dict(parse_qsl(body, keep_blank_values=True))
        payload = _from_json(fields["payload"]) if "payload" in fields else dict(fields)
    check_shape(payload)
    return payload


def unescape_json(text: str) -> str:
    """Return the JSON that a form's field has. The library reads each escape in Python."""
    for escape, sign in _JSON_ESCAPES.items():
        text = text.replace(escape, sign)
    return unquote_plus(text)


def check_shape(payload: Mapping[str, Any]) -> None:
    """Raise `MalformedPayload` unless a payload of its type has what handlers read.

    Bolt answers types that have no route.
    """
    if "ssl_check" in payload:
        return
    _validate(_Command if "command" in payload else _Typed, payload)
    if "command" in payload:
        return
    schema = _BY_TYPE.get(payload["type"])
    if schema:
        _validate(schema, payload)
    if schema is _EventCallback and (of_event := _BY_EVENT.get(payload["event"]["type"])):
        _validate(of_event, payload)


def _from_json(text: str) -> Json:
    try:
        payload = json.loads(text, parse_constant=_reject_constant)
        if _SURROGATE.search(text):
            json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedPayload("it has a character that cannot be stored.") from None
    except RecursionError:
        raise MalformedPayload("it is nested too deeply.") from None
    except ValueError:
        raise MalformedPayload("it is not JSON.") from None
    if not isinstance(payload, dict):
        raise MalformedPayload("it is not a JSON object.")
    return payload


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _validate(schema: type[_Part], payload: Mapping[str, Any]) -> None:
    try:
        schema.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise MalformedPayload(f"{place}: {first['msg']}.") from None
