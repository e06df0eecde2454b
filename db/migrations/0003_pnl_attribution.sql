-- The P&L of each interval by its causes; old intervals go with the history. The result equals db/init.sql of its time.

SET LOCAL lock_timeout = '5s';

-- Where the P&L came from, interval by interval: at most a minute, the night is one (engine.md section 5). The parts
-- are dollars, a cost negative, and add up to total_usd; a day's are the sums, and trading_days.attribution has them.
CREATE TABLE IF NOT EXISTS pnl_attribution (
    account         text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('paper', 'live')),
    trading_day     date NOT NULL,
    start_ts        timestamptz NOT NULL,
    end_ts          timestamptz NOT NULL,
    spot_start      double precision NOT NULL,
    spot_end        double precision NOT NULL,
    delta_usd       double precision NOT NULL,
    gamma_usd       double precision NOT NULL,
    theta_usd       double precision NOT NULL,
    vega_usd        double precision NOT NULL,
    slippage_usd    double precision NOT NULL,
    commissions_usd double precision NOT NULL,
    dividends_usd   double precision NOT NULL,
    residual_usd    double precision NOT NULL,
    total_usd       double precision NOT NULL,
    seq             bigint NOT NULL DEFAULT 0,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, mode, trading_day, start_ts)
);

CREATE OR REPLACE TRIGGER check_epoch AFTER INSERT OR UPDATE OR DELETE ON pnl_attribution
    FOR EACH STATEMENT EXECUTE FUNCTION bifrost_check_epoch();

-- Retention removes history and decisions, nothing else; everything else is kept for ever.
CREATE OR REPLACE FUNCTION bifrost_retention(history_days integer, decisions_days integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE removed bigint := 0; step bigint;
BEGIN
    IF history_days < 1 OR decisions_days < 1 THEN
        RAISE EXCEPTION 'retention of % and % days: at least 1 is kept', history_days, decisions_days;
    END IF;
    DELETE FROM status_history WHERE written_at < now() - make_interval(days => history_days);
    GET DIAGNOSTICS step = ROW_COUNT; removed := removed + step;
    DELETE FROM pnl_attribution WHERE updated_at < now() - make_interval(days => history_days);
    GET DIAGNOSTICS step = ROW_COUNT; removed := removed + step;
    DELETE FROM decisions WHERE written_at < now() - make_interval(days => decisions_days);
    GET DIAGNOSTICS step = ROW_COUNT; removed := removed + step;
    DELETE FROM decision_counts WHERE updated_at < now() - make_interval(days => decisions_days);
    GET DIAGNOSTICS step = ROW_COUNT; removed := removed + step;
    RETURN removed;
END $$;

GRANT SELECT ON pnl_attribution TO bifrost_engine, bifrost_monitor;
GRANT INSERT, UPDATE ON pnl_attribution TO bifrost_engine;
