"""Administer other accounts: roles, skills, capacity, deactivation; commands `users` and `audit`.

The accounts themselves are in `services.accounts`, erasure and export in `services.privacy`.
"""
