"""The bot process: it answers Slack, the browser and API clients by calling `services`.

It does not import `tasks`; the entry is `bootstrap.build_bot_server`.
"""
