-- The tables as the first Bifrost databases had them (docs of the predecessor: status, operations, control, accounts,
-- prices). A database made by an earlier Bifrost holds some or all of them; what is missing is added, data stays.

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
    ts                double precision
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
    ts                double precision
);

CREATE TABLE IF NOT EXISTS operations (
    id           bigserial PRIMARY KEY,
    ts           double precision,
    type         text,
    side         text,
    quantity     integer,
    price        double precision,
    state_reason text
);

CREATE TABLE IF NOT EXISTS daemon_control (
    id          bigserial PRIMARY KEY,
    command     text NOT NULL,
    created_at  timestamptz DEFAULT now(),
    consumed_at timestamptz
);

CREATE TABLE IF NOT EXISTS daemon_run_status (
    id         integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    suspended  boolean NOT NULL,
    updated_at timestamptz
);

CREATE TABLE IF NOT EXISTS daemon_heartbeat (
    id            integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    last_ts       timestamptz NOT NULL,
    hedge_running boolean NOT NULL
);
-- Later releases of the predecessor added these one by one.
ALTER TABLE daemon_heartbeat
    ADD COLUMN IF NOT EXISTS ib_connected boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS ib_client_id integer,
    ADD COLUMN IF NOT EXISTS next_retry_ts timestamptz,
    ADD COLUMN IF NOT EXISTS seconds_until_retry smallint,
    ADD COLUMN IF NOT EXISTS graceful_shutdown_at timestamptz;

CREATE TABLE IF NOT EXISTS settings (
    id           integer PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    ib_host      text NOT NULL DEFAULT '127.0.0.1',
    ib_port_type text NOT NULL DEFAULT 'tws_paper'
);

CREATE TABLE IF NOT EXISTS accounts (
    account_id      text PRIMARY KEY,
    updated_at      timestamptz,
    net_liquidation double precision,
    total_cash      double precision,
    buying_power    double precision,
    summary_extra   jsonb
);

CREATE TABLE IF NOT EXISTS account_positions (
    account_id   text NOT NULL,
    contract_key text NOT NULL,
    symbol       text,
    sec_type     text,
    exchange     text,
    currency     text,
    position     double precision,
    avg_cost     double precision,
    expiry       text,
    strike       double precision,
    option_right text,
    updated_at   timestamptz,
    PRIMARY KEY (account_id, contract_key)
);

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
    updated_at   timestamptz
);
