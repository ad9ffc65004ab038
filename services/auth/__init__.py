"""Passwords, tokens, sign-in, password reset, rate limits."""
