// Commands: asked for, sent once, followed to their result.

import { useState } from "react";
import { send, useSent } from "../api/commands";
import { useSession } from "../api/session";
import type { Status } from "../api/types";
import { t, type TextKey } from "../i18n";
import { Panel, Tag } from "../ui/parts";
import { AcceptPositions, FlattenQuestion, ResolveOrder, StopQuestion } from "./questions";
import { RecentCommands } from "./RecentCommands";
import { SignIn } from "./SignIn";
import { isBlind } from "./verdict";

type Question = "stop" | "flatten" | "accept_positions" | "resolve_order";
/** Stored by the monitor at once, so that they work without an engine. */
const WITHOUT_ENGINE = new Set(["suspend", "resume"]);

export function Controls({ status }: { status: Status }) {
  const session = useSession();
  const sent = useSent();
  const [question, setQuestion] = useState<Question | null>(null);
  const locked = !session.signed_in || session.read_only;
  const alive = status.daemon_heartbeat.daemon_alive;
  const busy = (command: string) => sent.some((row) => row.command === command && !row.final);
  const able = (command: string) => !locked && !busy(command) && (alive || WITHOUT_ENGINE.has(command));
  const { details } = status;
  const held = Boolean(details.hold);
  const wait = status.daemon_heartbeat.seconds_until_retry;
  const unknownOrder = Boolean(details.working_order && (details.working_order.probes > 0 || /UNKNOWN|RECOVER/i.test(details.working_order.state)));
  const stateTag = session.read_only ? t("controls.read_only") : status.trading_suspended ? t("controls.suspended") : held ? t("controls.hold") : "";
  const simple = (command: string, text: string, kind = "") =>
    <button type="button" data-command={command} className={kind} disabled={!able(command)} onClick={() => void send(command)}>{text}</button>;
  const asking = (command: Question, text: string, kind = "") =>
    <button type="button" data-command={command} className={kind} disabled={!able(command)} onClick={() => setQuestion(command)}>{text}</button>;
  const answered = (args: Record<string, unknown> | null) => {
    if (args !== null && question !== null) void send(question, args);
    setQuestion(null);
  };
  return (
    <Panel title={t("controls.title")} className="controls-panel" aside={stateTag ? <Tag kind="warn">{stateTag}</Tag> : undefined}>
      {session.signed_in || session.read_only ? null : <SignIn />}
      <div className="controls">
        {status.trading_suspended ? null : simple("suspend", t("command.suspend"), "wide")}
        {status.trading_suspended || held ? simple("resume", t("command.resume"), "go wide") : null}
        {simple("retry_ib", wait === null ? t("command.retry_ib") : t("controls.retry_in", { seconds: wait }))}
        {simple("refresh_accounts", t("command.refresh_accounts"))}
        {status.status?.trading_state === "SAFE" ? simple("resume_safe", t("command.resume_safe"), "go") : null}
        {details.breaker ? simple("reset_breaker", t("command.reset_breaker"), "go") : null}
        {status.block_reasons.some((reason) => /not_reconciled|external_stock/.test(reason)) ? asking("accept_positions", `${t("command.accept_positions")} …`, "go wide") : null}
        {unknownOrder ? asking("resolve_order", `${t("command.resolve_order")} …`, "go wide") : null}
      </div>
      <div className="controls grave">
        {asking("flatten", `${t("command.flatten")} …`, "caution")}
        {asking("stop", `${t("command.stop")} …`, "danger")}
      </div>
      {alive || isBlind(status) ? null : <StartHint />}
      <RecentCommands />
      {question === "stop" ? <StopQuestion status={status} onAnswer={answered} /> : null}
      {question === "flatten" ? <FlattenQuestion status={status} onAnswer={answered} /> : null}
      {question === "accept_positions" ? <AcceptPositions status={status} onAnswer={answered} /> : null}
      {question === "resolve_order" ? <ResolveOrder status={status} onAnswer={answered} /> : null}
    </Panel>
  );
}

/** The page never starts an engine: it says how one is started. */
function StartHint() {
  return (
    <div className="start-hint" id="start-hint">
      <p>{t("start.never")}</p>
      <dl>{(["run", "up", "alone"] as const).map((way) => (
        <div key={way}><dt>{t(`start.${way}` as TextKey)}</dt><dd><code>{COMMANDS[way]}</code></dd></div>))}</dl>
      <p className="dim">{t("start.same")}</p>
    </div>
  );
}

const COMMANDS = { run: "make run", up: "make up", alone: "python -m bifrost_engine run --config config/config.yaml" };
