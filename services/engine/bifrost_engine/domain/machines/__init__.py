"""The three state machines, each one literal table (engine.md section 3)."""
