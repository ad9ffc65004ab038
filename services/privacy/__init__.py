"""Erase a person from what is stored, and export what is stored about them.

Redaction of secrets in ticket texts is in `services.core.redaction`.
"""
