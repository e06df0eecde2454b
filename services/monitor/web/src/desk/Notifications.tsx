// Who is told when nobody looks: the channels, what they took, and a test that shows whether they work.

import { useEffect, useState } from "react";
import { api, ApiError } from "../api/client";
import { useFetched } from "../api/live";
import { checkSession, useSession } from "../api/session";
import type { NotificationsAnswer, NotificationsTest } from "../api/types";
import { newYork, quantity, sentence } from "../format";
import { t, type TextKey } from "../i18n";
import { Failed, Loading, Panel, Tag } from "../ui/parts";

const EVERY_MS = 10_000;
const SHOWN = 5;
const HOW: [string, string][] = [["webhook_url", "WEBHOOK_URL"], ["ntfy_url", "NTFY_URL"], ["telegram_token, telegram_chat_id", "TELEGRAM_TOKEN, …_CHAT_ID"]];
const KINDS: Record<string, string> = { critical: "bad", warning: "warn", info: "info" };
const kindName = (kind: string) => t(`notify.kind.${kind}` as TextKey);

export function Notifications() {
  const session = useSession();
  const [beat, setBeat] = useState(0);
  const [sending, setSending] = useState(false);
  const [results, setResults] = useState<NotificationsTest["results"]>([]);
  const [error, setError] = useState("");
  const told = useFetched<NotificationsAnswer>("/notifications", beat);
  useEffect(() => {
    const id = window.setInterval(() => { if (!document.hidden) setBeat((count) => count + 1); }, EVERY_MS);
    return () => window.clearInterval(id);
  }, []);
  const channels = told.data?.channels.filter((channel) => channel.configured) ?? [];
  const locked = !session.signed_in || session.read_only;
  const test = async () => {
    setSending(true);
    setResults([]);
    setError("");
    try {
      // A channel that does not answer is given ten seconds.
      setResults((await api<NotificationsTest>("/notifications/test", { method: "POST", body: {}, timeoutMs: 40_000 })).results);
    } catch (refused) {
      setError(refused instanceof ApiError ? sentence(refused.message) : t("state.unreachable"));
      if (refused instanceof ApiError && refused.status === 401) void checkSession();
    } finally {
      setSending(false);
      setBeat((count) => count + 1);
    }
  };
  return (
    <Panel title={t("notify.title")} className="notify-panel" aside={channels.length
      ? <button type="button" className="small" id="notify-test" disabled={locked || sending} onClick={() => void test()}>{sending ? t("notify.sending") : t("notify.test")}</button> : undefined}>
      {told.data === null ? told.error ? <Failed error={told.error} retry={told.reload} /> : <Loading rows={2} /> : channels.length === 0 ? <HowTo /> : (
        <>
          <ul className="plain-list">{channels.map((channel) => (
            <li key={channel.kind} data-channel={channel.kind}><strong>{kindName(channel.kind)}</strong> <span className="dim">{channel.target}</span>{" "}
              <span className="num">{t("notify.sent", { count: quantity(channel.sent) })}{channel.failed ? ` · ${t("notify.failed", { count: quantity(channel.failed) })}` : ""}</span>{" "}
              <span className="dim">{channel.last_sent_at ? t("notify.last", { at: newYork(channel.last_sent_at) }) : t("notify.never")}</span>
              {channel.last_error ? <span className="error-text"> {sentence(channel.last_error)}</span> : null}</li>))}</ul>
          <div id="notify-results" role="status">{results.map((result) => <p key={result.kind} className={result.ok ? "good-text" : "error-text"}>
            {result.ok ? t("notify.result_good", { kind: kindName(result.kind) }) : t("notify.result_bad", { kind: kindName(result.kind), detail: sentence(result.detail) })}</p>)}</div>
          {error ? <p className="error-text" role="alert">{error}</p> : null}
          <h3>{t("notify.recent")} <small>{t("notify.min_severity", { severity: t(`severity.${told.data.min_severity}`) })}</small></h3>
          {told.data.recent.length === 0 ? <p className="dim">{t("notify.recent_none")}</p> : (
            <ul className="plain-list">{told.data.recent.slice(0, SHOWN).map((notice) => (
              <li key={`${notice.at} ${notice.code}`}><span className="num dim">{newYork(notice.at)}</span> <Tag kind={KINDS[notice.severity] ?? ""}>{t(`severity.${notice.severity}` as TextKey)}</Tag> {notice.title}
                <span className="notify-text dim">{notice.text}</span></li>))}</ul>)}
        </>)}
    </Panel>
  );
}

/** Nobody is told: how that is changed. */
function HowTo() {
  return (
    <div id="notify-how"><p>{t("notify.none")}</p><p className="dim">{t("notify.none_hint")}</p>
      <ul className="plain-list">{HOW.map(([key, variable]) => <li key={key}><code>notify: {key}</code> <code>BIFROST_NOTIFY__{variable}</code></li>)}</ul></div>
  );
}
