"""Accounts: create, validate, update and search them.

Passwords and sessions are in `services.auth`, the link to a Slack member in `services.linking`.
"""
