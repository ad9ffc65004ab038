"""Every callback_id and action_id. A field's block_id and action_id are both its domain name."""

FILE_TICKET = "file_ticket"
RESOLVE_TICKET = "resolve_ticket"
OPEN_RESOLVE = "open_resolve"
