"""The managed legs, their greeks and marks, and what they add up to."""
