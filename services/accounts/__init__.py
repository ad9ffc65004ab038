"""Accounts: create, validate, update, search."""
