"""What a trading day remembers: counters, breaker, profit and loss and where it came from."""
