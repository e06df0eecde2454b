"""Rules of pricing: pure."""
