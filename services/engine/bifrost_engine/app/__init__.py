"""Runs the domain: feeds it events, carries out its effects. Written against the ports in `ports`."""
