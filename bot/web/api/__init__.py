"""The HTTP API, compatible with the earlier Node.js backend.

`operations.OPERATIONS` is the table of all calls; the rules are in `services`.
"""
