"""The offline router: find the skills a ticket needs without Gemini; learn from resolved tickets.

`router.route` is its entry; who gets the ticket is decided in `services.assignment`.
"""
