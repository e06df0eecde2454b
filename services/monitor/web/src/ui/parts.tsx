// Small parts that every page uses.

import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import { ApiError } from "../api/client";
import { bothZones, local, newYork, sentence } from "../format";
import { t } from "../i18n";

interface PanelProps {
  title: string;
  aside?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A titled region. */
export function Panel({ title, aside, className = "", children }: PanelProps) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={id}>
      <div className="panel-head"><h2 id={id}>{title}</h2>{aside === undefined ? null : <div className="panel-aside">{aside}</div>}</div>
      {children}
    </section>
  );
}

/** A word in a box; `kind` colours it. */
export const Tag = ({ kind = "", title, children }: { kind?: string; title?: string | undefined; children: ReactNode }) =>
  <span className={`tag ${kind}`} title={title}>{children}</span>;

/** A wide table scrolls by itself and never the page; reachable by keyboard. */
export const Scroll = ({ label, tall = false, children }: { label: string; tall?: boolean; children: ReactNode }) =>
  <div className={tall ? "scroll tall" : "scroll"} tabIndex={0} role="region" aria-label={label}>{children}</div>;

/** What stands where there is nothing to show, and why. */
export const Empty = ({ children, hint }: { children: ReactNode; hint?: ReactNode }) =>
  <div className="empty"><p>{children}</p>{hint === undefined ? null : <p className="hint">{hint}</p>}</div>;

/** Grey bars in the shape of what is on its way. */
export const Loading = ({ rows = 4 }: { rows?: number }) => (
  <div className="skeleton" role="status"><span className="sr">{t("state.loading")}</span>
    {Array.from({ length: rows }, (_, index) => <span key={index} className={`bone bone-${index % 4}`} aria-hidden="true" />)}</div>
);

/** Why something cannot be shown, and the way to try once more. */
export function Failed({ error, retry }: { error: Error; retry?: () => void }) {
  const locked = error instanceof ApiError && error.status === 401;
  const text = locked ? t("state.needs_token") : error instanceof ApiError ? sentence(error.message) : t("state.unreachable");
  return (
    <div className="empty failed" role="alert"><p>{text}</p>
      {retry && !locked ? <button type="button" onClick={retry}>{t("action.try_again")}</button> : null}</div>
  );
}

/** A moment in New York with the local time below it; both with the year in the tooltip. */
export const Time = ({ at, day = true }: { at: string | null | undefined; day?: boolean }) => (
  <time dateTime={at ?? undefined} title={bothZones(at)} className="num time">
    {newYork(at, day)}<span className="time-local">{at ? local(at, false) : ""}</span>
  </time>
);

interface AskProps {
  title: string;
  yes: string;
  kind?: string;
  children: ReactNode;
  canAgree?: boolean;
  onAnswer: (agreed: boolean) => void;
}

/** A modal question. Escape and Back say no; the focus goes back to where it was. */
export function Ask({ title, yes, kind = "", children, canAgree = true, onAnswer }: AskProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} className="ask" onCancel={(event) => { event.preventDefault(); onAnswer(false); }}>
      <form onSubmit={(event) => { event.preventDefault(); onAnswer(true); }}>
        <h2 id={id}>{title}</h2>
        {children}
        <div className="ask-buttons">
          <button type="button" className="quiet" autoFocus onClick={() => onAnswer(false)}>{t("action.back")}</button>
          <button type="submit" className={kind} disabled={!canAgree}>{yes}</button>
        </div>
      </form>
    </dialog>
  );
}

/** Buttons of which one is pressed. */
export function Choice<T extends string>({ label, options, value, onChange }:
  { label: string; options: readonly (readonly [T, string])[]; value: T; onChange: (next: T) => void }) {
  return (
    <div className="choice" role="group" aria-label={label}>
      {options.map(([name, text]) => (
        <button key={name} type="button" aria-pressed={name === value} onClick={() => onChange(name)}>{text}</button>
      ))}
    </div>
  );
}

/** A text kept in this browser. */
export function useStored(name: string, first: string): [string, (next: string) => void] {
  const [value, setValue] = useState(() => localStorage.getItem(`bifrost.${name}`) ?? first);
  return [value, (next) => { localStorage.setItem(`bifrost.${name}`, next); setValue(next); }];
}
