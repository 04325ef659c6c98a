"""The governed HTTP API `/v1` and the webhooks: thin over the same functions as the console and the command line."""
