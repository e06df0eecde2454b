"""From a wanted hedge to the end of its order: sizes, orders, facts, time-outs, probes, flatten."""
