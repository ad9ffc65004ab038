"""Email templates, MIME and SMTP.

Which emails wait is in `services.outbox.emails`; `tasks.notifications.email_sender` sends them.
"""
