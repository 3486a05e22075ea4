"""The model: what the sandbox holds, and how requests and time change it."""
