import { useState } from "react";
import { send } from "../api/commands";
import { useSession } from "../api/session";
import type { Status } from "../api/types";
import { age, bothZones, number } from "../format";
import { maybe, t, type TextKey } from "../i18n";
import { Panel, Tag } from "../ui/parts";
import { IbForm } from "./IbForm";
import { isBlind } from "./verdict";

const LAMP_KIND = { green: "good", yellow: "warn", red: "bad" } as const;

/** Engine, lease and gateway, the saved IB address and the heartbeat's interval. */
export function EngineFacts({ status }: { status: Status }) {
  const beat = status.daemon_heartbeat;
  const blind = isBlind(status);
  const ib = status.ib_config;
  const standbys = status.instances.filter((row) => row.state === "standby").length;
  const strategy = status.checks.find((row) => row.name === "gate:strategy_disabled");
  const unknown = t("engine.not_known");
  const engine = beat.daemon_alive ? t("engine.running") : beat.graceful_shutdown_at ? t("engine.stopped") : beat.last_ts ? t("engine.silent") : t("engine.never");
  const gateway = beat.ib_connected ? t("engine.connected") : !beat.daemon_alive ? t("engine.not_connected")
    : beat.seconds_until_retry === null ? t("engine.waiting") : t("engine.retry", { seconds: beat.seconds_until_retry });
  const facts: [TextKey, string, string?][] = [
    ["engine.engine", blind ? unknown : engine],
    ["engine.heartbeat", blind ? unknown : beat.age_s === null ? t("engine.never_beat") : t("engine.beat", { age: age(beat.age_s), limit: number(beat.limit_s, 0) }), bothZones(beat.last_ts)],
    ["engine.lease", blind ? unknown : status.lease?.owner ? `${t("engine.epoch", { epoch: status.lease.epoch })}${standbys ? ` · ${t("engine.standbys", { count: standbys })}` : ""}` : t("engine.free"), status.lease?.owner ?? ""],
    ["engine.gateway", blind ? unknown : gateway, beat.ib_connected_since ? bothZones(beat.ib_connected_since) : ""],
    ["engine.address", beat.ib_address ?? `${ib.ib_host}:${ib.port}`, maybe(`source.${ib.source}`, ib.source)],
    ["engine.client", beat.ib_client_id === null ? "–" : String(beat.ib_client_id)],
    ["engine.strategy", strategy === undefined ? "–" : strategy.state === "ok" ? t("engine.on") : t("engine.off")],
    ["engine.configuration", status.status?.config_summary ?? "–", t("engine.configuration_hint")],
  ];
  if (!beat.ib_connected && beat.last_error) facts.push(["engine.last_error", beat.last_error]);
  return (
    <Panel title={t("engine.title")} aside={<Tag kind={blind ? "" : LAMP_KIND[status.daemon_lamp]} title={status.daemon_block_reasons.join("\n")}>
      {blind ? unknown : t(`engine.lamp_${status.daemon_lamp}`)}</Tag>}>
      <dl className="facts">{facts.map(([name, value, title]) => (
        <div key={name} title={title || undefined}><dt>{t(name)}</dt><dd className="num">{value}</dd></div>))}</dl>
      <Interval status={status} />
      <IbForm told={ib} />
    </Panel>
  );
}

function Interval({ status }: { status: Status }) {
  const session = useSession();
  const [typed, setTyped] = useState<string | null>(null);
  const now = status.run_status?.heartbeat_interval_sec ?? status.daemon_heartbeat.heartbeat_interval_sec;
  const locked = !session.signed_in || session.read_only;
  const seconds = Number(typed);
  const good = typed !== null && Number.isInteger(seconds) && seconds > 0;
  return (
    <form className="inline-form" autoComplete="off" onSubmit={(event) => { event.preventDefault(); if (good) { void send("set_heartbeat_interval", { seconds }); setTyped(null); } }}>
      <label>{t("interval.label")}<span className="with-unit"><input inputMode="numeric" name="heartbeat_interval" disabled={locked}
        value={typed ?? (now === null || now === undefined ? "" : String(now))} onChange={(event) => setTyped(event.target.value)} /><span className="unit">s</span></span></label>
      {typed === null ? null : <button type="button" className="quiet" onClick={() => setTyped(null)}>{t("action.discard")}</button>}
      <button type="submit" disabled={locked || !good}>{t("action.set")}</button>
    </form>
  );
}
