"""Administer other accounts: change roles and skills, deactivate, the `users` command."""
