"""Link Slack members to accounts."""
