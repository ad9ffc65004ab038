"""Link Slack members to accounts, by email address or one-time code, and unlink them.

`links.LinkService` finds the account of a member; accounts are in `services.accounts`.
"""
