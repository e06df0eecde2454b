"""What the gateway says of the market: quotes, bars, sessions, and how fresh it all is."""
