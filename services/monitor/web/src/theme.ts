// Dark, light, or as the system says.

import { useSyncExternalStore } from "react";

export type Theme = "auto" | "light" | "dark";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const STORE = "bifrost.theme";
const listeners = new Set<() => void>();
const system = window.matchMedia("(prefers-color-scheme: dark)");

const stored = (): Theme => THEMES.find((name) => name === localStorage.getItem(STORE)) ?? "auto";

/** Whether the page is dark now. */
export const isDark = (): boolean => (stored() === "auto" ? system.matches : stored() === "dark");

/** Put the chosen theme on the document and tell whoever draws by hand. */
export function applyTheme(): void {
  document.documentElement.dataset["theme"] = isDark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

/** Automatic, light, dark, automatic … */
export function nextTheme(): void {
  localStorage.setItem(STORE, THEMES[(THEMES.indexOf(stored()) + 1) % THEMES.length] ?? "auto");
  applyTheme();
}

system.addEventListener("change", applyTheme);

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, stored);
export const useDark = (): boolean => useSyncExternalStore(subscribe, isDark);
