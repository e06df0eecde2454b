"""The broker: accounts, the order book, matching and money."""
