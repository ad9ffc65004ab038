"""The whole product on one machine, with a Slack in the browser: `make demo`.

The product does not import it; `adapter` holds what the demo's Slack needs.
"""
