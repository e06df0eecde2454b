"""What two Bifrost services need. Knows no service."""

__version__ = "0.1.0"
