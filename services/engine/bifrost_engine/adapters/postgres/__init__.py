"""PostgreSQL: records, restore, lease."""
