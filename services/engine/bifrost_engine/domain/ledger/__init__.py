"""What we hold by our own executions, and its comparison with the broker."""
