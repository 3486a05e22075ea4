"""The handlers: one function per operation, which turns a request into an answer.

The first line of a handler's docstring is Azure's name of the operation, up to a colon. The table
in docs/sandbox.md is generated from these names.
"""
