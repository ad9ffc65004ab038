"""Passwords, session tokens, sign-in, password reset, one-time codes and rate limits.

Cookies and CSRF tokens are in `bot.web.pages`, permissions in `services.models.permissions`.
"""
