"""Email templates, MIME and SMTP.

`services.outbox.emails` is the queue; `tasks.notifications.email_sender` sends.
"""
