"""The pricer: a price, or a reason, for every contract that any account holds (spec: pricer)."""
