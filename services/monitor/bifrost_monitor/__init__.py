"""The monitor: HTTP API and control page over the desk's database. It keeps no state of its own (monitor.md)."""

__version__ = "0.1.0"
