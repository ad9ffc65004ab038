"""API routes for accounts, as in the legacy backend."""

from bot.web.api.api_request import ApiRequest
from bot.web.api.request_bodies import SignIn, SignUp, UserPatch
from bot.web.api.response_bodies import Done, Session, User, UserChanged, Users
from services.accounts.validation import email_key
from services.core.errors import InvalidValue
from services.models.permissions import Permission
from services.models.user import User as StoredUser


def sign_up(req: ApiRequest, body: SignUp) -> Session:
    user = req.services.sign_in.sign_up(
        email=body.email,
        password=body.password,
        skills=body.skills,
        name=body.name,
        client_ip=req.rate_limit_address,
    )
    req.has_queued_email = True
    return _session(req, user)


def sign_in(req: ApiRequest, body: SignIn) -> Session:
    sign_in = req.services.sign_in
    user = sign_in.sign_in(
        email=body.email,
        password=body.password,
        client_ip=req.rate_limit_address,
        device_token=req.cookies.device_token(),
    )
    return _session(req, user)


def sign_out(req: ApiRequest) -> Done:
    req.services.sign_in.sign_out_everywhere(user_id=req.user.id)
    return Done(message="Signed out, on all devices.")


def update_user(req: ApiRequest, body: UserPatch) -> UserChanged:
    return _update_other(req, body) if _is_about_others(req, body) else _update_own(req, body)


def list_users(req: ApiRequest) -> Users:
    return Users([User.from_user(user) for user in req.services.users.list_all(actor=req.actor)])


def _session(req: ApiRequest, user: StoredUser) -> Session:
    req.signed_in = user
    return Session(user=User.from_user(user), token=req.services.sign_in.issue_token(user))


def _is_about_others(req: ApiRequest, body: UserPatch) -> bool:
    """Return whether an admin is needed: for another account, and for any role."""
    is_own = body.email is None or email_key(body.email) == email_key(req.user.email)
    return body.role is not None or not is_own


def _update_other(req: ApiRequest, body: UserPatch) -> UserChanged:
    own_fields = (name for name in ("name", "password") if getattr(body, name) is not None)
    if (field := next(own_fields, None)) and req.actor.has_permission(Permission.MANAGE_USERS):
        raise InvalidValue(
            field, "Only the account's owner changes this, in a call without a role."
        )
    user = req.services.users.update(
        actor=req.actor,
        email=body.email or req.user.email,
        role=body.role,
        skills=body.skills,
    )
    return UserChanged(message="User updated.", user=User.from_user(user), token=None)


def _update_own(req: ApiRequest, body: UserPatch) -> UserChanged:
    user = req.services.profiles.update_own(
        actor=req.actor,
        name=body.name,
        skills=body.skills,
        password=body.password,
        current_password=body.current_password,
        client_ip=req.rate_limit_address,
    )
    req.has_queued_email = body.password is not None
    token = req.services.sign_in.issue_token(user) if body.password is not None else None
    return UserChanged(message="User updated.", user=User.from_user(user), token=token)
