"""The outside world of the desk on one machine: an IB Gateway, the market behind it and its faults."""
