-- What shadow hedgers came to beside the engine, a row a policy and trading day.

SET LOCAL lock_timeout = '5s';

-- Shadow hedgers of a trading day beside the engine (policy 'the engine'), from since_ts on; they sent nothing. Costs are
-- positive; book is what a restarted engine goes on from.
CREATE TABLE IF NOT EXISTS shadow_hedgers (
    account           text NOT NULL,
    mode              text NOT NULL CHECK (mode IN ('paper', 'live')),
    trading_day       date NOT NULL,
    policy            text NOT NULL,
    since_ts          timestamptz NOT NULL,
    ts                timestamptz NOT NULL,
    shares            double precision NOT NULL,
    hedges            integer NOT NULL,
    shares_traded     double precision,
    slippage_usd      double precision NOT NULL,
    commissions_usd   double precision NOT NULL,
    pnl_usd           double precision NOT NULL,
    std_by_minute_usd double precision,
    book              jsonb NOT NULL,
    seq               bigint NOT NULL DEFAULT 0,
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, mode, trading_day, policy)
);

CREATE OR REPLACE TRIGGER check_epoch AFTER INSERT OR UPDATE OR DELETE ON shadow_hedgers
    FOR EACH STATEMENT EXECUTE FUNCTION bifrost_check_epoch();

GRANT SELECT ON shadow_hedgers TO bifrost_engine, bifrost_monitor;
GRANT INSERT, UPDATE ON shadow_hedgers TO bifrost_engine;
