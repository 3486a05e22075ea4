"""The server: sockets, routing, rate limits, faults, and the control endpoint."""
