"""What the server as a whole has: memory, log, access."""
