"""Text as people read it, and as it may leave the process: amounts, notices, no secrets, no orders to a terminal."""
