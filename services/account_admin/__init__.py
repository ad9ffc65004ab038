"""Administer other accounts: roles, skills, capacity, deactivation, the `users` and `audit` commands.

The accounts themselves are in `services.accounts`, erasure and export in `services.privacy`.
"""
