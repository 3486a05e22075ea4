"""Handlers: the answer to each request, from what the model holds."""
