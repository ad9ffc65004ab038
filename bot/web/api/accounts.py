"""The predecessor's routes about accounts."""

from bot.web.api.call import Call
from bot.web.api.request_bodies import SignIn, SignUp, UserPatch
from bot.web.api.response_bodies import Done, Session, User, UserChanged, Users
from services.accounts.validation import email_key
from services.core.errors import InvalidValue
from services.models.permissions import Permission
from services.models.user import User as StoredUser


def sign_up(call: Call, body: SignUp) -> Session:
    user = call.counter.sign_in.sign_up(
        email=body.email,
        password=body.password,
        skills=body.skills,
        name=body.name,
        client_ip=call.address,
    )
    call.has_mail = True
    return _session(call, user)


def sign_in(call: Call, body: SignIn) -> Session:
    sign_in = call.counter.sign_in
    user = sign_in.sign_in(email=body.email, password=body.password, client_ip=call.address)
    return _session(call, user)


def sign_out(call: Call) -> Done:
    call.counter.sign_in.sign_out(user_id=call.user.id)
    return Done(message="Signed out, on all devices.")


def update_user(call: Call, body: UserPatch) -> UserChanged:
    return _update_other(call, body) if _is_about_others(call, body) else _update_own(call, body)


def list_users(call: Call) -> Users:
    return Users([User.of(user) for user in call.counter.users.list_all(actor=call.actor)])


def _session(call: Call, user: StoredUser) -> Session:
    return Session(user=User.of(user), token=call.counter.sign_in.issue_token(user))


def _is_about_others(call: Call, body: UserPatch) -> bool:
    """A role is never one's own to give, whosever it is."""
    is_own = body.email is None or email_key(body.email) == email_key(call.user.email)
    return body.role is not None or not is_own


def _update_other(call: Call, body: UserPatch) -> UserChanged:
    own = (name for name in ("name", "password") if getattr(body, name) is not None)
    if (field := next(own, None)) and call.actor.has_permission(Permission.MANAGE_USERS):
        raise InvalidValue(
            field, "Only the account's owner changes this, in a call without a role."
        )
    user = call.counter.profiles.update_other(
        actor=call.actor,
        email=body.email or call.user.email,
        role=body.role,
        skills=body.skills,
    )
    return UserChanged(message="User updated.", user=User.of(user), token=None)


def _update_own(call: Call, body: UserPatch) -> UserChanged:
    user = call.counter.profiles.update_own(
        actor=call.actor,
        name=body.name,
        skills=body.skills,
        password=body.password,
        current_password=body.current_password,
        client_ip=call.address,
    )
    call.has_mail = body.password is not None
    token = call.counter.sign_in.issue_token(user) if body.password is not None else None
    return UserChanged(message="User updated.", user=User.of(user), token=token)
