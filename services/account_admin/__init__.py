"""Administer other accounts: roles, skills, capacity, deactivation, and the `users` command.

The accounts themselves are in `services.accounts`, erasure and export in `services.privacy`.
"""
