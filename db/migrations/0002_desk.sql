-- From the tables of the first databases to the desk: what the engine needs to trade, and the rules no client forgets.
-- Runs once, in one transaction, after 0001. The result equals db/init.sql of its time; a test compares the two.

SET LOCAL lock_timeout = '5s';

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

-- ------------------------------------------------------------------ what is there moves forward, with its data

-- Earlier databases kept ts as Unix seconds; some already as timestamptz.
DO $$
DECLARE old record;
BEGIN
    FOR old IN SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'
        AND table_name IN ('status_current', 'status_history', 'operations')
        AND column_name = 'ts' AND data_type = 'double precision' LOOP
        EXECUTE format('ALTER TABLE %I ALTER COLUMN ts TYPE timestamptz USING to_timestamp(ts)', old.table_name);
    END LOOP;
END $$;

ALTER TABLE status_current
    ADD COLUMN IF NOT EXISTS hedge_state text,
    ADD COLUMN IF NOT EXISTS account text,
    ADD COLUMN IF NOT EXISTS mode text CHECK (mode IN ('paper', 'live')),
    ADD COLUMN IF NOT EXISTS self_check text CHECK (self_check IN ('ok', 'degraded', 'blocked')),
    ADD COLUMN IF NOT EXISTS status_lamp text CHECK (status_lamp IN ('green', 'yellow', 'red')),
    ADD COLUMN IF NOT EXISTS block_reasons jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS checks jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN IF NOT EXISTS details jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS market_clock jsonb,
    ADD COLUMN IF NOT EXISTS instance_id uuid,
    ADD COLUMN IF NOT EXISTS epoch bigint,
    ADD COLUMN IF NOT EXISTS seq bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS written_at timestamptz NOT NULL DEFAULT clock_timestamp();

ALTER TABLE status_history
    ADD COLUMN IF NOT EXISTS account text,
    ADD COLUMN IF NOT EXISTS mode text CHECK (mode IN ('paper', 'live')),
    ADD COLUMN IF NOT EXISTS details jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS record_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    ADD COLUMN IF NOT EXISTS origin_epoch bigint,
    ADD COLUMN IF NOT EXISTS written_at timestamptz NOT NULL DEFAULT clock_timestamp();

ALTER TABLE operations
    ADD COLUMN IF NOT EXISTS account text,
    ADD COLUMN IF NOT EXISTS mode text CHECK (mode IN ('paper', 'live')),
    ADD COLUMN IF NOT EXISTS symbol text,
    ADD COLUMN IF NOT EXISTS contract_key text,
    ADD COLUMN IF NOT EXISTS order_ref text,
    ADD COLUMN IF NOT EXISTS exec_id text,
    ADD COLUMN IF NOT EXISTS config_hash text,
    ADD COLUMN IF NOT EXISTS record_id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    ADD COLUMN IF NOT EXISTS origin_epoch bigint,
    ADD COLUMN IF NOT EXISTS written_at timestamptz NOT NULL DEFAULT clock_timestamp();

ALTER TABLE daemon_control
    ADD COLUMN IF NOT EXISTS status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'accepted', 'done', 'refused', 'expired', 'failed')),
    ADD COLUMN IF NOT EXISTS accepted_at timestamptz,
    ADD COLUMN IF NOT EXISTS finished_at timestamptz,
    ADD COLUMN IF NOT EXISTS result jsonb,
    ADD COLUMN IF NOT EXISTS requested_by text,
    ADD COLUMN IF NOT EXISTS idempotency_key text UNIQUE,
    ADD COLUMN IF NOT EXISTS args jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS epoch bigint;

ALTER TABLE daemon_run_status
    ADD COLUMN IF NOT EXISTS heartbeat_interval_sec integer CHECK (heartbeat_interval_sec BETWEEN 5 AND 120);

ALTER TABLE daemon_heartbeat
    ADD COLUMN IF NOT EXISTS heartbeat_interval_sec integer,
    ADD COLUMN IF NOT EXISTS ib_connected_since timestamptz,
    ADD COLUMN IF NOT EXISTS ib_address text,
    ADD COLUMN IF NOT EXISTS last_error text;

ALTER TABLE settings
    ADD COLUMN IF NOT EXISTS updated_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN IF NOT EXISTS updated_by text;

ALTER TABLE accounts
    ADD COLUMN IF NOT EXISTS fetched_at timestamptz,
    ADD COLUMN IF NOT EXISTS reported boolean NOT NULL DEFAULT true;

ALTER TABLE account_positions
    ADD COLUMN IF NOT EXISTS con_id bigint,
    ADD COLUMN IF NOT EXISTS multiplier double precision,
    ADD COLUMN IF NOT EXISTS trading_class text;

ALTER TABLE instrument_prices
    ADD COLUMN IF NOT EXISTS source text CHECK (source IN ('live', 'frozen', 'delayed', 'model')),
    ADD COLUMN IF NOT EXISTS error text,
    ADD COLUMN IF NOT EXISTS quote_ts timestamptz,
    ADD COLUMN IF NOT EXISTS iv double precision,
    ADD COLUMN IF NOT EXISTS delta double precision,
    ADD COLUMN IF NOT EXISTS gamma double precision,
    ADD COLUMN IF NOT EXISTS theta double precision,
    ADD COLUMN IF NOT EXISTS vega double precision,
    ADD COLUMN IF NOT EXISTS und_price double precision;

-- These rows were written when they say, not now: an old snapshot must not look fresh.
UPDATE status_current SET written_at = ts WHERE ts IS NOT NULL;
UPDATE status_history SET written_at = ts WHERE ts IS NOT NULL;
UPDATE operations SET written_at = ts WHERE ts IS NOT NULL;

-- A command that was consumed is done: the engine must not see it as pending.
UPDATE daemon_control SET status = 'done', finished_at = consumed_at WHERE consumed_at IS NOT NULL;
UPDATE daemon_control SET created_at = coalesce(consumed_at, 'epoch') WHERE created_at IS NULL;
ALTER TABLE daemon_control ALTER COLUMN created_at SET NOT NULL;

UPDATE operations SET side = upper(side) WHERE side IS DISTINCT FROM upper(side);
UPDATE operations SET type = lower(type) WHERE type IS DISTINCT FROM lower(type);
DO $$
DECLARE untyped bigint;
BEGIN
    SELECT count(*) INTO untyped FROM operations WHERE type IS NULL;
    IF untyped > 0 THEN
        RAISE EXCEPTION '% rows of operations have no type: set it or remove them, then refresh again', untyped;
    END IF;
END $$;
ALTER TABLE operations ALTER COLUMN type SET NOT NULL;

-- Rows that an earlier version wrote with other words stay as they are; the rule holds for what comes.
DO $$
DECLARE rule text[];
BEGIN
    FOREACH rule SLICE 1 IN ARRAY ARRAY[
        ['operations', 'operations_type_check',
         'type IN (''hedge_intent'', ''order_sent'', ''fill'', ''reject'', ''cancel'')'],
        ['operations', 'operations_side_check', 'side IN (''BUY'', ''SELL'')'],
        ['settings', 'settings_ib_port_type_check',
         'ib_port_type IN (''tws_live'', ''tws_paper'', ''gateway'', ''gateway_live'')']] LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I CHECK (%s) NOT VALID', rule[1], rule[2], rule[3]);
        BEGIN
            EXECUTE format('ALTER TABLE %I VALIDATE CONSTRAINT %I', rule[1], rule[2]);
        EXCEPTION WHEN check_violation THEN
            RAISE WARNING 'table % holds rows of an earlier version that do not fit %', rule[1], rule[2];
        END;
    END LOOP;
END $$;

INSERT INTO daemon_run_status (id, suspended, updated_at) VALUES (1, false, now()) ON CONFLICT DO NOTHING;
INSERT INTO daemon_heartbeat (id, last_ts, hedge_running) VALUES (1, 'epoch', false) ON CONFLICT DO NOTHING;

CREATE INDEX IF NOT EXISTS status_history_ts ON status_history (ts);
CREATE INDEX IF NOT EXISTS operations_ts ON operations (ts);
CREATE INDEX IF NOT EXISTS operations_type_ts ON operations (type, ts);
CREATE INDEX IF NOT EXISTS operations_order_ref ON operations (order_ref);
CREATE UNIQUE INDEX IF NOT EXISTS operations_exec_id ON operations (exec_id) WHERE type = 'fill';
CREATE INDEX IF NOT EXISTS daemon_control_unconsumed ON daemon_control (id) WHERE consumed_at IS NULL;
CREATE INDEX IF NOT EXISTS account_positions_contract ON account_positions (contract_key);

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

CREATE TABLE IF NOT EXISTS decision_counts (
    account    text NOT NULL,
    mode       text NOT NULL CHECK (mode IN ('paper', 'live')),
    minute     timestamptz NOT NULL,
    reason     text NOT NULL,
    count      bigint NOT NULL,
    seq        bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, mode, minute, reason)
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
    summary      jsonb NOT NULL DEFAULT '{}'
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
        'decision_counts', 'reconciliations', 'alerts'] LOOP
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
    external_baseline, trading_days, decision_counts, engine_instances TO bifrost_engine;
GRANT INSERT, UPDATE, DELETE ON account_positions TO bifrost_engine;
GRANT DELETE ON engine_instances TO bifrost_engine;
GRANT INSERT ON status_history, operations, executions, execution_costs, decisions, reconciliations, alerts
    TO bifrost_engine;
GRANT UPDATE ON daemon_control, engine_lease TO bifrost_engine;
GRANT INSERT ON backtest_runs, backtest_ticks TO bifrost_engine;
GRANT USAGE ON SEQUENCE decision_seq, status_history_id_seq, operations_id_seq, decisions_id_seq,
    reconciliations_id_seq, alerts_id_seq TO bifrost_engine;
GRANT EXECUTE ON FUNCTION bifrost_retention(integer, integer) TO bifrost_engine;

GRANT SELECT ON account_positions, accounts, managed_legs, settings, schema_migrations TO bifrost_pricer;
GRANT SELECT, INSERT, UPDATE, DELETE ON instrument_prices TO bifrost_pricer;

GRANT INSERT ON daemon_control TO bifrost_monitor;
GRANT USAGE ON SEQUENCE daemon_control_id_seq TO bifrost_monitor;
GRANT UPDATE ON daemon_run_status TO bifrost_monitor;
GRANT INSERT, UPDATE ON settings TO bifrost_monitor;
