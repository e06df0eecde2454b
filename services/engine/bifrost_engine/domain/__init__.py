"""What the hedger knows and decides. Pure: no clock, no socket, no database; time comes in with each event."""
