"""The web console: pages that each answer one question, over the same functions as the API."""
