-- A backtest launched from the page: asked for by the monitor, carried out by the backtest process.
-- Besides: up to which alert the monitor has told somebody, so that its successor tells of what nobody saw.

SET LOCAL lock_timeout = '5s';

ALTER TABLE backtest_runs ADD COLUMN IF NOT EXISTS curves jsonb;

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
    offer    jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE IF NOT EXISTS notified_until (
    id       integer PRIMARY KEY CHECK (id = 1),
    alert_id bigint NOT NULL,
    told_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE TRIGGER notify AFTER INSERT OR UPDATE ON backtest_jobs
    FOR EACH ROW EXECUTE FUNCTION bifrost_notify_id();

GRANT SELECT ON backtest_jobs, backtest_worker, notified_until TO bifrost_engine, bifrost_monitor;
GRANT UPDATE ON backtest_jobs TO bifrost_engine;
GRANT INSERT, UPDATE ON backtest_worker TO bifrost_engine;
GRANT INSERT, UPDATE ON backtest_jobs, notified_until TO bifrost_monitor;
GRANT USAGE ON SEQUENCE backtest_jobs_id_seq TO bifrost_monitor;
