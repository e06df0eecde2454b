"""PostgreSQL and IB."""
