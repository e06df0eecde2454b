import { backtest } from "./zh-backtest";
import { desk } from "./zh-desk";
import { pages } from "./zh-pages";

export const zh = { ...desk, ...pages, ...backtest };
