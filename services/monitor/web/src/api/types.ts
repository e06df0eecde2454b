// Names for what the OpenAPI document describes; schema.d.ts is generated from it (`npm run types`).

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Status = Schemas["StatusAnswer"];
export type DeskStatus = Schemas["DeskStatus"];
export type Check = Schemas["Check"];
export type Details = Schemas["Details"];
export type Leg = Schemas["Leg"];
export type Account = Schemas["Account"];
export type Position = Schemas["Position"];
export type IbConfig = Schemas["IbConfig"];
export type PricesData = Schemas["PricesData"];
export type Operation = Schemas["Operation"];
export type OperationsPage = Schemas["OperationsPage"];
export type Decision = Schemas["Decision"];
export type DecisionsPage = Schemas["DecisionsPage"];
export type DecisionReceipt = Schemas["DecisionReceipt"];
export type OrderReceipt = Schemas["OrderReceipt"];
export type Gate = Schemas["Gate"];
export type HistoryAnswer = Schemas["HistoryAnswer"];
export type HistoryPoint = Schemas["HistoryPoint"];
export type CommandAccepted = Schemas["CommandAccepted"];
export type CommandState = Schemas["CommandState"];
export type CommandsAnswer = Schemas["CommandsAnswer"];
export type Session = Schemas["Session"];
export type LogAnswer = Schemas["LogAnswer"];
export type LogLine = Schemas["LogLine"];
export type SimulatorAnswer = Schemas["SimulatorAnswer"];
export type SimulatorState = Schemas["SimulatorState"];
export type FaultsAnswer = Schemas["FaultsAnswer"];
export type KnownFault = Schemas["KnownFault"];
export type JournalAnswer = Schemas["JournalAnswer"];
export type StatsAnswer = Schemas["StatsAnswer"];
export type StatsPeriod = Schemas["StatsPeriod"];
export type AttributionAnswer = Schemas["AttributionAnswer"];
export type BacktestRun = Schemas["BacktestRun"];
export type BacktestRuns = Schemas["BacktestRuns"];
export type BacktestRunDetail = Schemas["BacktestRunDetail"];
export type BacktestCurve = Schemas["BacktestCurve"];
export type BacktestCurves = Schemas["BacktestCurves"];
export type BacktestTicks = Schemas["BacktestTicks"];
export type BacktestJob = Schemas["BacktestJob"];
export type BacktestJobs = Schemas["BacktestJobs"];
export type NotificationsAnswer = Schemas["NotificationsAnswer"];
export type NotificationsTest = Schemas["TestAnswer"];
