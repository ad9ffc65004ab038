"""The scopes that Slack has granted to the app, as a bot read them last.

A bot stores them in `meta` as `slack-scopes {granted}` at its start and every ten minutes
(bot/slack/app_watch.py). Any call of Slack's Web API may be answered with the header; without it,
all scopes count as granted.

https://docs.slack.dev/authentication/installing-with-oauth
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.core.database import Mongo
from services.core.ttl_cache import invalidate_caches, ttl_cached

_ID = "slack-scopes"
_HEADER = "x-oauth-scopes"


@dataclass(frozen=True, slots=True)
class GrantedScopes:
    """`names` is None if Slack does not say which are granted."""

    names: frozenset[str] | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "GrantedScopes":
        """Read them from the headers of one of Slack's answers."""
        listed = next((text for name, text in headers.items() if name.lower() == _HEADER), None)
        if listed is None:
            return cls()
        return cls(frozenset(filter(None, (scope.strip() for scope in str(listed).split(",")))))

    def __contains__(self, scope: str) -> bool:
        return self.names is None or scope in self.names

    def missing(self, scopes: Collection[str]) -> list[str]:
        """Return those of `scopes` that are not granted, in their order."""
        return [scope for scope in scopes if scope not in self]


def load_granted_scopes(db: Mongo) -> GrantedScopes:
    """Return what is stored; all scopes count as granted before the first start of a bot."""
    doc = db.meta.find_one({"_id": _ID}) or {}
    names = doc.get("granted")
    return GrantedScopes(frozenset(map(str, names)) if isinstance(names, list) else None)


granted_scopes = ttl_cached(load_granted_scopes)


def record_granted_scopes(db: Mongo, granted: GrantedScopes) -> None:
    """Store what a bot has read, for all processes."""
    names = None if granted.names is None else sorted(granted.names)
    db.meta.update_one({"_id": _ID}, {"$set": {"granted": names}}, upsert=True)
    invalidate_caches()
