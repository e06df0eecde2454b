"""What the engine says of itself: checks, lamp, snapshot."""
