-- The receipt of an order finds its decision among a year of them.

SET LOCAL lock_timeout = '5s';

CREATE INDEX IF NOT EXISTS decisions_order_ref ON decisions (order_ref) WHERE order_ref IS NOT NULL;
