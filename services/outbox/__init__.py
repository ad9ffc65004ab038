"""What is still to be delivered: ticket messages, reminders and emails.

It sends nothing: `tasks.notifications` does.
"""
