"""Administer other accounts: roles, erasure, export, command line."""
