"""The account pages: sign up, sign in, profile, password reset, linking.

The rules are in `services.auth`, the HTML is in `bot/web/templates`.
"""
