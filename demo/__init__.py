"""The whole product on one machine, with a Slack in the browser: `make demo`.

The product does not import it; `adapter` adapts the product to the demo's Slack.
"""
