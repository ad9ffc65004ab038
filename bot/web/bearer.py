"""The token that a program sends along."""

from flask import Request


def bearer_token(sent: Request) -> str:
    """Of `Authorization: Bearer TOKEN`; "" for none."""
    scheme, _, token = sent.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
