"""The bot process: it answers Slack, the browser and API clients by calling `services`.

It knows nothing of `tasks`; the entry is `bootstrap.build_bot_process`.
"""
