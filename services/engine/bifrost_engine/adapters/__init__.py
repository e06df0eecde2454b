"""The dull edges: IB and PostgreSQL."""
