"""Passwords, session tokens, sign-in, password reset, one-time codes and known devices.

Cookies and CSRF tokens are in `bot.web`, permissions in `services.models.permissions`.
"""
