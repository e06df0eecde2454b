// Two languages. Keys are those of the English texts; the Chinese file must have every one of them (a type says so).

import { useSyncExternalStore } from "react";
import { en } from "./en";
import { zh } from "./zh";

export type Language = "en" | "zh";
export type TextKey = keyof typeof en;
type Values = Record<string, string | number>;

const STORE = "bifrost.language";
const listeners = new Set<() => void>();
let current: Language = stored();

function stored(): Language {
  const kept = localStorage.getItem(STORE);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** The language in force. */
export const language = (): Language => current;

/** Change it for this browser. */
export function setLanguage(next: Language): void {
  current = next;
  localStorage.setItem(STORE, next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  for (const listener of listeners) listener();
}

/** Redraw the caller when the language changes. */
export function useLanguage(): Language {
  return useSyncExternalStore((told) => {
    listeners.add(told);
    return () => listeners.delete(told);
  }, language);
}

/** The text of `key`; `{name}` is replaced by `values.name`. */
export function t(key: TextKey, values: Values = {}): string {
  const text: string = (current === "zh" ? zh : en)[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** The text of a key that is put together at run time, or `otherwise` where there is none. */
export function maybe(key: string, otherwise: string): string {
  return key in en ? t(key as TextKey) : otherwise;
}

document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
