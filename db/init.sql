-- The whole schema of a Bifrost database. Plain SQL: any client can run it, and running it twice changes nothing.
-- A database that already exists moves forward by db/migrations (`bifrost db refresh`); a test proves that both
-- ways end in the same schema. Market time: ts, exec_time, quote_ts, start_ts, end_ts, trading_days.*; every other time
-- is wall time.

SET client_min_messages = warning;
SET lock_timeout = '5s';

DO $$
BEGIN
    IF to_regclass('public.status_current') IS NOT NULL AND to_regclass('public.schema_migrations') IS NULL THEN
        RAISE EXCEPTION 'this database holds tables of an earlier Bifrost: run "bifrost db refresh" instead of init.sql';
    END IF;
    -- What follows makes what is missing; the key of a table that exists is changed by its migration alone.
    IF to_regclass('public.decision_counts') IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.decision_counts') AND attname = 'epoch'
    ) THEN
        RAISE EXCEPTION 'this database is older than migration 5: run "bifrost db refresh" instead of init.sql';
    END IF;
END $$;

-- Roles: LOGIN without a password, so nobody can log in as them until `bifrost db refresh` sets one.
DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['bifrost_engine', 'bifrost_pricer', 'bifrost_monitor', 'bifrost_copilot',
                                     'wl_writer', 'wl_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role_name);
        END IF;
    END LOOP;
END $$;

-- ------------------------------------------------------------------ tables of the source documents

CREATE TABLE IF NOT EXISTS status_current (
    id                integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    daemon_state      text,
    trading_state     text,
    symbol            text,
    spot              double precision,
    bid               double precision,
    ask               double precision,
    net_delta         double precision,
    stock_position    integer,
    option_legs_count integer,
    daily_hedge_count integer,
    daily_pnl         double precision,
    data_lag_ms       double precision,
    config_summary    text,
    ts                timestamptz,
    hedge_state       text,
    account           text,
    mode              text CHECK (mode IN ('paper', 'live')),
    self_check        text CHECK (self_check IN ('ok', 'degraded', 'blocked')),
    status_lamp       text CHECK (status_lamp IN ('green', 'yellow', 'red')),
    block_reasons     jsonb NOT NULL DEFAULT '[]',
    checks            jsonb NOT NULL DEFAULT '[]',
    details           jsonb NOT NULL DEFAULT '{}',
    market_clock      jsonb,
    instance_id       uuid,
    epoch             bigint,
    seq               bigint NOT NULL DEFAULT 0,
    written_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS status_history (
    id                bigserial PRIMARY KEY,
    daemon_state      text,
    trading_state     text,
    symbol            text,
    spot              double precision,
    bid               double precision,
    ask               double precision,
    net_delta         double precision,
    stock_position    integer,
    option_legs_count integer,
    daily_hedge_count integer,
    daily_pnl         double precision,
    data_lag_ms       double precision,
    config_summary    text,
    ts                timestamptz,
    account           text,
    mode              text CHECK (mode IN ('paper', 'live')),
    details           jsonb NOT NULL DEFAULT '{}',
    record_id         uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    origin_epoch      bigint,
    written_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS status_history_ts ON status_history (ts);

CREATE TABLE IF NOT EXISTS operations (
    id           bigserial PRIMARY KEY,
    ts           timestamptz,
    type         text NOT NULL CHECK (type IN ('hedge_intent', 'order_sent', 'fill', 'reject', 'cancel')),
    side         text CHECK (side IN ('BUY', 'SELL')),
    quantity     integer,
    price        double precision,
    state_reason text,
    account      text,
    mode         text CHECK (mode IN ('paper', 'live')),
    symbol       text,
    contract_key text,
    order_ref    text,
    exec_id      text,
    config_hash  text,
    record_id    uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    origin_epoch bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS operations_ts ON operations (ts);
CREATE INDEX IF NOT EXISTS operations_type_ts ON operations (type, ts);
CREATE INDEX IF NOT EXISTS operations_order_ref ON operations (order_ref);
CREATE UNIQUE INDEX IF NOT EXISTS operations_exec_id ON operations (exec_id) WHERE type = 'fill';

CREATE TABLE IF NOT EXISTS daemon_control (
    id              bigserial PRIMARY KEY,
    command         text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    consumed_at     timestamptz,
    status          text NOT NULL DEFAULT 'pending'
                    CHECK (status IN ('pending', 'accepted', 'done', 'refused', 'expired', 'failed')),
    accepted_at     timestamptz,
    finished_at     timestamptz,
    result          jsonb,
    requested_by    text,
    idempotency_key text UNIQUE,
    args            jsonb NOT NULL DEFAULT '{}',
    epoch           bigint
);
CREATE INDEX IF NOT EXISTS daemon_control_unconsumed ON daemon_control (id) WHERE consumed_at IS NULL;

CREATE TABLE IF NOT EXISTS daemon_run_status (
    id                     integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    suspended              boolean NOT NULL,
    updated_at             timestamptz,
    heartbeat_interval_sec integer CHECK (heartbeat_interval_sec BETWEEN 5 AND 120)
);
INSERT INTO daemon_run_status (id, suspended, updated_at) VALUES (1, false, now()) ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS daemon_heartbeat (
    id                     integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    last_ts                timestamptz NOT NULL,
    hedge_running          boolean NOT NULL,
    ib_connected           boolean DEFAULT false,
    ib_client_id           integer,
    next_retry_ts          timestamptz,
    seconds_until_retry    smallint,
    graceful_shutdown_at   timestamptz,
    heartbeat_interval_sec integer,
    ib_connected_since     timestamptz,
    ib_address             text,
    last_error             text
);
INSERT INTO daemon_heartbeat (id, last_ts, hedge_running) VALUES (1, 'epoch', false) ON CONFLICT DO NOTHING;

-- No row is inserted: until the operator saves an address, file and scenario decide.
CREATE TABLE IF NOT EXISTS settings (
    id           integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    ib_host      text NOT NULL DEFAULT '127.0.0.1',
    ib_port_type text NOT NULL DEFAULT 'tws_paper'
                 CHECK (ib_port_type IN ('tws_live', 'tws_paper', 'gateway', 'gateway_live')),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    updated_by   text
);

CREATE TABLE IF NOT EXISTS accounts (
    account_id      text PRIMARY KEY,
    updated_at      timestamptz,
    net_liquidation double precision,
    total_cash      double precision,
    buying_power    double precision,
    summary_extra   jsonb,
    fetched_at      timestamptz,
    reported        boolean NOT NULL DEFAULT true
);

CREATE TABLE IF NOT EXISTS account_positions (
    account_id    text NOT NULL,
    contract_key  text NOT NULL,
    symbol        text,
    sec_type      text,
    exchange      text,
    currency      text,
    position      double precision,
    avg_cost      double precision,
    expiry        text,
    strike        double precision,
    option_right  text,
    updated_at    timestamptz,
    con_id        bigint,
    multiplier    double precision,
    trading_class text,
    PRIMARY KEY (account_id, contract_key)
);
CREATE INDEX IF NOT EXISTS account_positions_contract ON account_positions (contract_key);

CREATE TABLE IF NOT EXISTS instrument_prices (
    contract_key text PRIMARY KEY,
    symbol       text,
    sec_type     text,
    expiry       text,
    strike       double precision,
    option_right text,
    last         double precision,
    bid          double precision,
    ask          double precision,
    mid          double precision,
    updated_at   timestamptz,
    source       text CHECK (source IN ('live', 'frozen', 'delayed', 'model')),
    error        text,
    quote_ts     timestamptz,
    iv           double precision,
    delta        double precision,
    gamma        double precision,
    theta        double precision,
    vega         double precision,
    und_price    double precision
);

-- ------------------------------------------------------------------ tables of the engine

CREATE TABLE IF NOT EXISTS engine_instances (
    instance_id uuid PRIMARY KEY,
    host        text NOT NULL,
    pid         integer NOT NULL,
    state       text NOT NULL,
    epoch       bigint,
    started_at  timestamptz NOT NULL DEFAULT now(),
    beat_at     timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS engine_lease (
    id          integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    owner       uuid,
    epoch       bigint NOT NULL,
    acquired_at timestamptz,
    beat_at     timestamptz,
    stopped_at  timestamptz
);
INSERT INTO engine_lease (id, epoch) VALUES (1, 0) ON CONFLICT DO NOTHING;

-- Decision numbers never repeat, so neither does an order_ref; engines reserve blocks, gaps are allowed.
CREATE SEQUENCE IF NOT EXISTS decision_seq AS bigint INCREMENT BY 1;

CREATE TABLE IF NOT EXISTS order_intents (
    order_ref    text PRIMARY KEY,
    decision_seq bigint NOT NULL,
    decision_id  uuid,
    account      text NOT NULL,
    mode         text NOT NULL CHECK (mode IN ('paper', 'live')),
    contract_key text NOT NULL,
    side         text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity     integer NOT NULL CHECK (quantity > 0),
    order_type   text NOT NULL,
    limit_price  double precision,
    purpose      text NOT NULL DEFAULT 'hedge' CHECK (purpose IN ('hedge', 'flatten', 'unwind')),
    reason       text,
    gates        jsonb NOT NULL DEFAULT '[]',
    context      jsonb NOT NULL DEFAULT '{}',
    config_hash  text,
    epoch        bigint NOT NULL,
    ts           timestamptz,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    state        text NOT NULL DEFAULT 'intent'
                 CHECK (state IN ('intent', 'sent', 'working', 'unknown', 'filled', 'cancelled', 'rejected', 'never_sent')),
    state_reason text,
    seq          bigint NOT NULL DEFAULT 0,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (account, mode, decision_seq)
);
CREATE INDEX IF NOT EXISTS order_intents_open ON order_intents (account, mode)
    WHERE state IN ('intent', 'sent', 'working', 'unknown');

CREATE TABLE IF NOT EXISTS orders (
    order_ref      text PRIMARY KEY,
    perm_id        bigint,
    order_id       bigint,
    client_id      integer,
    account        text NOT NULL,
    mode           text NOT NULL CHECK (mode IN ('paper', 'live')),
    contract_key   text NOT NULL,
    side           text NOT NULL,
    quantity       double precision NOT NULL,
    order_type     text,
    limit_price    double precision,
    status         text NOT NULL,
    filled         double precision NOT NULL DEFAULT 0,
    remaining      double precision,
    avg_fill_price double precision,
    why_held       text,
    last_error     text,
    status_history jsonb NOT NULL DEFAULT '[]',
    epoch          bigint,
    seq            bigint NOT NULL DEFAULT 0,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS orders_perm_id ON orders (perm_id);

CREATE TABLE IF NOT EXISTS executions (
    exec_id          text PRIMARY KEY,
    order_ref        text,
    account          text NOT NULL,
    mode             text NOT NULL CHECK (mode IN ('paper', 'live')),
    contract_key     text NOT NULL,
    side             text NOT NULL CHECK (side IN ('BUY', 'SELL')),
    quantity         double precision NOT NULL CHECK (quantity > 0),
    price            double precision NOT NULL,
    multiplier       double precision NOT NULL DEFAULT 1,
    exec_time        timestamptz,
    perm_id          bigint,
    order_id         bigint,
    client_id        integer,
    exchange         text,
    origin           text NOT NULL DEFAULT 'own' CHECK (origin IN ('own', 'external', 'synthetic')),
    replaces_exec_id text,
    mid_at_decision  double precision,
    note             text,
    origin_epoch     bigint,
    written_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS executions_ledger ON executions (account, mode, contract_key);
CREATE INDEX IF NOT EXISTS executions_order_ref ON executions (order_ref);
CREATE INDEX IF NOT EXISTS executions_time ON executions (exec_time);

CREATE TABLE IF NOT EXISTS execution_costs (
    exec_id      text PRIMARY KEY,
    commission   double precision,
    currency     text,
    realized_pnl double precision,
    origin_epoch bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS managed_legs (
    account        text NOT NULL,
    contract_key   text NOT NULL,
    con_id         bigint,
    quantity       double precision NOT NULL,
    multiplier     double precision NOT NULL,
    trading_class  text,
    adopted_at     timestamptz NOT NULL,
    adopt_reason   text NOT NULL,
    adopt_price    double precision,
    released_at    timestamptz,
    release_reason text,
    seq            bigint NOT NULL DEFAULT 0,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, contract_key)
);

CREATE TABLE IF NOT EXISTS external_baseline (
    account     text NOT NULL,
    symbol      text NOT NULL,
    shares      double precision NOT NULL,
    origin      text NOT NULL CHECK (origin IN ('observed', 'confirmed')),
    named_by    text,
    observed_at timestamptz NOT NULL,
    reason      text,
    seq         bigint NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, symbol)
);

CREATE TABLE IF NOT EXISTS trading_days (
    account         text NOT NULL,
    mode            text NOT NULL CHECK (mode IN ('paper', 'live')),
    trading_day     date NOT NULL,
    hedge_count     integer NOT NULL DEFAULT 0,
    day_start_marks jsonb,
    partial_day     boolean NOT NULL DEFAULT false,
    realized_pnl    double precision,
    unrealized_pnl  double precision,
    commissions     double precision,
    daily_pnl       double precision,
    last_marks      jsonb,
    breaker_at      timestamptz,
    breaker_reason  text,
    breaker_reset_at timestamptz,
    hold            text,
    hold_since      timestamptz,
    hold_reason     text,
    last_hedge      jsonb,
    attribution     jsonb,
    seq             bigint NOT NULL DEFAULT 0,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, mode, trading_day)
);

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

CREATE TABLE IF NOT EXISTS decisions (
    id           bigserial PRIMARY KEY,
    ts           timestamptz,
    account      text,
    mode         text CHECK (mode IN ('paper', 'live')),
    symbol       text,
    state_o      text,
    state_d      text,
    state_m      text,
    state_l      text,
    state_e      text,
    state_s      text,
    net_delta    double precision,
    spot         double precision,
    bid          double precision,
    ask          double precision,
    need_shares  integer,
    outcome      text NOT NULL,
    block_reason text,
    gates        jsonb NOT NULL DEFAULT '[]',
    machines     jsonb NOT NULL DEFAULT '{}',
    order_ref    text,
    config_hash  text,
    record_id    uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    origin_epoch bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS decisions_ts ON decisions (ts);
CREATE INDEX IF NOT EXISTS decisions_order_ref ON decisions (order_ref) WHERE order_ref IS NOT NULL;

-- Evaluations by outcome and reason in each market minute, as each leader counted them: a minute that a restart cuts
-- has rows of two epochs, which add up.
CREATE TABLE IF NOT EXISTS decision_counts (
    account    text NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('paper', 'live')),
    minute     timestamptz NOT NULL,
    reason     text NOT NULL,
    count      bigint NOT NULL,
    seq        bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch      bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (account, mode, minute, reason, epoch)
);

-- What each reconciliation compared and how it explained every difference.
CREATE TABLE IF NOT EXISTS reconciliations (
    id           bigserial PRIMARY KEY,
    ts           timestamptz,
    account      text NOT NULL,
    trigger      text NOT NULL,
    reconciled   boolean NOT NULL,
    differences  jsonb NOT NULL DEFAULT '[]',
    folded       jsonb NOT NULL DEFAULT '[]',
    record_id    uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    origin_epoch bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS reconciliations_ts ON reconciliations (ts);

CREATE TABLE IF NOT EXISTS alerts (
    id           bigserial PRIMARY KEY,
    ts           timestamptz,
    severity     text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    code         text NOT NULL,
    message      text NOT NULL,
    details      jsonb NOT NULL DEFAULT '{}',
    record_id    uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    origin_epoch bigint,
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS alerts_ts ON alerts (ts);

CREATE TABLE IF NOT EXISTS backtest_runs (
    run_id       uuid PRIMARY KEY,
    created_at   timestamptz NOT NULL DEFAULT now(),
    config_hash  text NOT NULL,
    data_hash    text NOT NULL,
    code_version text NOT NULL,
    config       jsonb NOT NULL,
    summary      jsonb NOT NULL DEFAULT '{}',
    curves       jsonb               -- equity, net delta and spot over the run, thinned; null for runs of an older version
);

CREATE TABLE IF NOT EXISTS backtest_ticks (
    run_id       uuid NOT NULL REFERENCES backtest_runs ON DELETE CASCADE,
    seq          bigint NOT NULL,
    ts           timestamptz NOT NULL,
    decision     text NOT NULL,
    side         text,
    quantity     integer,
    block_reason text,
    net_delta    double precision,
    spot         double precision,
    PRIMARY KEY (run_id, seq)
);

-- A backtest launched from the page: asked for by the monitor, carried out by the backtest process.
CREATE TABLE IF NOT EXISTS backtest_jobs (
    id                  bigserial PRIMARY KEY,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    requested_by        text,
    request             jsonb NOT NULL,
    status              text NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'running', 'done', 'failed', 'cancelled')),
    started_at          timestamptz,
    finished_at         timestamptz,
    cancel_requested_at timestamptz,
    progress            jsonb NOT NULL DEFAULT '{}',
    run_id              uuid REFERENCES backtest_runs ON DELETE SET NULL,
    error               text
);
-- One at a time: a second one would take the engine's processor.
CREATE UNIQUE INDEX IF NOT EXISTS backtest_jobs_open ON backtest_jobs ((true)) WHERE status IN ('pending', 'running');

CREATE TABLE IF NOT EXISTS backtest_worker (
    id       integer PRIMARY KEY CHECK (id = 1),
    host     text NOT NULL,
    pid      integer NOT NULL,
    beat_at  timestamptz NOT NULL,
    offer    jsonb NOT NULL DEFAULT '{}'   -- recorded data it can use, defaults
);

-- Up to which alert the monitor has told somebody: its successor tells of what nobody saw.
CREATE TABLE IF NOT EXISTS notified_until (
    id       integer PRIMARY KEY CHECK (id = 1),
    alert_id bigint NOT NULL,
    told_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- ------------------------------------------------------------------ rules that no client can forget

-- A writer whose lease has passed to another engine is refused with SQLSTATE BF001 (contracts.md, "lease, epoch").
-- Connections that set no epoch and are not the engine's (monitor, psql) are not engines: they pass.
CREATE OR REPLACE FUNCTION bifrost_check_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    mine bigint := nullif(current_setting('bifrost.epoch', true), '')::bigint;
    current_epoch bigint;
BEGIN
    IF mine IS NULL AND session_user <> 'bifrost_engine' THEN
        RETURN NULL;
    END IF;
    SELECT epoch INTO current_epoch FROM engine_lease WHERE id = 1;
    IF coalesce(mine, 0) < current_epoch THEN
        RAISE EXCEPTION 'lease epoch % has passed to epoch %: this engine may not write %',
            coalesce(mine, 0), current_epoch, TG_TABLE_NAME USING ERRCODE = 'BF001';
    END IF;
    RETURN NULL;
END $$;

-- The lease only moves forward: a new owner brings epoch + 1, the present one may beat under its own epoch.
CREATE OR REPLACE FUNCTION bifrost_check_lease() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE mine bigint := nullif(current_setting('bifrost.epoch', true), '')::bigint;
BEGIN
    IF NEW.epoch < OLD.epoch THEN
        RAISE EXCEPTION 'lease epoch % cannot go back to %', OLD.epoch, NEW.epoch USING ERRCODE = 'BF001';
    END IF;
    IF NEW.epoch = OLD.epoch AND session_user = 'bifrost_engine' AND coalesce(mine, 0) < OLD.epoch
       AND NOT (NEW.stopped_at IS NULL AND OLD.stopped_at IS NOT NULL) THEN
        RAISE EXCEPTION 'lease epoch % has passed to epoch %', coalesce(mine, 0), OLD.epoch USING ERRCODE = 'BF001';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION bifrost_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'BF002';
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_control() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bifrost_control', json_build_object('id', NEW.id, 'status', NEW.status)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_run_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bifrost_run_status', json_build_object('suspended', NEW.suspended)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bifrost_status', json_build_object('table', TG_TABLE_NAME)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bifrost_' || TG_TABLE_NAME, json_build_object('id', NEW.id)::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_positions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bifrost_positions',
        json_build_object('account', coalesce(NEW.account_id, OLD.account_id))::text);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION bifrost_notify_prices() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE changed bigint;
BEGIN
    SELECT count(*) INTO changed FROM changed_rows;
    IF changed > 0 THEN
        PERFORM pg_notify('bifrost_prices', json_build_object('count', changed)::text);
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE table_name text;
BEGIN
    FOREACH table_name IN ARRAY ARRAY['status_current', 'status_history', 'operations', 'daemon_control',
        'daemon_run_status', 'daemon_heartbeat', 'accounts', 'account_positions', 'order_intents', 'orders',
        'executions', 'execution_costs', 'managed_legs', 'external_baseline', 'trading_days', 'decisions',
        'decision_counts', 'pnl_attribution', 'shadow_hedgers', 'reconciliations', 'alerts'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER check_epoch AFTER INSERT OR UPDATE OR DELETE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION bifrost_check_epoch()', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['operations', 'executions', 'execution_costs', 'reconciliations', 'alerts'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION bifrost_refuse_change()', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['operations', 'decisions'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER notify AFTER INSERT ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION bifrost_notify_id()', table_name);
    END LOOP;
    FOREACH table_name IN ARRAY ARRAY['status_current', 'daemon_heartbeat', 'engine_lease', 'settings'] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE ON %I '
                       'FOR EACH ROW EXECUTE FUNCTION bifrost_notify_status()', table_name);
    END LOOP;
END $$;

CREATE OR REPLACE TRIGGER check_lease BEFORE UPDATE ON engine_lease FOR EACH ROW EXECUTE FUNCTION bifrost_check_lease();
CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE ON daemon_control
    FOR EACH ROW EXECUTE FUNCTION bifrost_notify_control();
CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE ON backtest_jobs
    FOR EACH ROW EXECUTE FUNCTION bifrost_notify_id();
CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE ON daemon_run_status
    FOR EACH ROW EXECUTE FUNCTION bifrost_notify_run_status();
CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON account_positions
    FOR EACH ROW EXECUTE FUNCTION bifrost_notify_positions();
CREATE OR REPLACE TRIGGER notify_insert AFTER INSERT ON instrument_prices REFERENCING NEW TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bifrost_notify_prices();
CREATE OR REPLACE TRIGGER notify_update AFTER UPDATE ON instrument_prices REFERENCING NEW TABLE AS changed_rows
    FOR EACH STATEMENT EXECUTE FUNCTION bifrost_notify_prices();

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
REVOKE ALL ON FUNCTION bifrost_retention(integer, integer) FROM PUBLIC;

-- ------------------------------------------------------------------ grants: the least each service needs

GRANT USAGE ON SCHEMA public TO bifrost_engine, bifrost_pricer, bifrost_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO bifrost_engine, bifrost_monitor;

GRANT INSERT, UPDATE ON status_current, daemon_heartbeat, accounts, order_intents, orders, managed_legs,
    external_baseline, trading_days, pnl_attribution, shadow_hedgers, decision_counts, engine_instances TO bifrost_engine;
GRANT INSERT, UPDATE, DELETE ON account_positions TO bifrost_engine;
GRANT DELETE ON engine_instances TO bifrost_engine;
GRANT INSERT ON status_history, operations, executions, execution_costs, decisions, reconciliations, alerts
    TO bifrost_engine;
GRANT UPDATE ON daemon_control, engine_lease TO bifrost_engine;
GRANT INSERT ON backtest_runs, backtest_ticks TO bifrost_engine;
GRANT UPDATE ON backtest_jobs TO bifrost_engine;
GRANT INSERT, UPDATE ON backtest_worker TO bifrost_engine;
GRANT USAGE ON SEQUENCE decision_seq, status_history_id_seq, operations_id_seq, decisions_id_seq,
    reconciliations_id_seq, alerts_id_seq TO bifrost_engine;
GRANT EXECUTE ON FUNCTION bifrost_retention(integer, integer) TO bifrost_engine;

GRANT SELECT ON account_positions, accounts, managed_legs, settings, schema_migrations TO bifrost_pricer;
GRANT SELECT, INSERT, UPDATE, DELETE ON instrument_prices TO bifrost_pricer;

GRANT INSERT ON daemon_control TO bifrost_monitor;
GRANT USAGE ON SEQUENCE daemon_control_id_seq TO bifrost_monitor;
GRANT UPDATE ON daemon_run_status TO bifrost_monitor;
GRANT INSERT, UPDATE ON settings TO bifrost_monitor;
GRANT INSERT, UPDATE ON backtest_jobs, notified_until TO bifrost_monitor;
GRANT USAGE ON SEQUENCE backtest_jobs_id_seq TO bifrost_monitor;

INSERT INTO schema_migrations (version, name) VALUES (1, 'source_tables'), (2, 'desk'), (3, 'pnl_attribution'),
    (4, 'decisions_of_orders'), (5, 'counts_by_epoch'), (6, 'shadow_hedgers'),
    (7, 'backtest_jobs') ON CONFLICT DO NOTHING;
