// Lines over market time; nights and weekends take no room.

import { BaselineSeries, ColorType, createChart, type IChartApi, LineSeries, TickMarkType, type Time, type UTCTimestamp } from "lightweight-charts";
import { useEffect, useRef } from "react";
import type { BacktestCurve, BacktestCurves } from "../api/types";
import { axisLabel, number } from "../format";
import { t } from "../i18n";
import { useDark } from "../theme";

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** Colours of lines beside each other, as the classes `bt-line-0` and following have them. */
export const COLOURS = ["--accent", "--warn", "--up", "--down", "--bt-violet", "--muted"] as const;

const DAY_S = 86_400;
const offsets = new Map<number, number>();

/** Seconds from UTC to New York on that UTC day; the market is closed when the clocks are changed. */
function offset(seconds: number): number {
  const key = Math.floor(seconds / DAY_S);
  let found = offsets.get(key);
  if (found === undefined) {
    const noon = new Date((key * DAY_S + DAY_S / 2) * 1000);
    found = (Number(new Intl.DateTimeFormat("en-US", { timeZone: "America/New_York", hour: "2-digit", hourCycle: "h23" }).format(noon)) - 12) * 3600;
    offsets.set(key, found);
  }
  return found;
}

/** Points as the chart wants them, each later than the one before. The chart thinks in UTC: it is given New York's clock, so that its days are trading days. */
function points(curve: BacktestCurve): { time: UTCTimestamp; value: number }[] {
  const made: { time: UTCTimestamp; value: number }[] = [];
  curve.times_s.forEach((time, index) => {
    const value = curve.values[index];
    const shown = time + offset(time);
    if (value !== undefined && shown > (made.at(-1)?.time ?? 0)) made.push({ time: shown as UTCTimestamp, value });
  });
  return made;
}

function frame(box: HTMLElement): IChartApi {
  return createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontFamily: css("--font"), fontSize: 11, background: { type: ColorType.Solid, color: css("--panel") },
      textColor: css("--muted"), panes: { separatorColor: css("--line"), enableResize: false } },
    grid: { vertLines: { color: css("--grid") }, horzLines: { color: css("--grid") } },
    rightPriceScale: { borderColor: css("--line") },
    timeScale: { borderColor: css("--line"), timeVisible: true, secondsVisible: false, tickMarkFormatter: (time: Time, kind: TickMarkType) => axisLabel(time as number, kind < TickMarkType.Time) },
    localization: { timeFormatter: (time: Time) => axisLabel(time as number, true, true) },
  });
}

function useChart(draw: (chart: IChartApi) => void, parts: unknown[]) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
  useEffect(() => {
    if (!box.current) return undefined;
    const chart = frame(box.current);
    draw(chart);
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [dark, ...parts]); // eslint-disable-line
  return box;
}

const described = (curve: BacktestCurve) =>
  t("bt.curves_described", { first: number(curve.values[0]), last: number(curve.values.at(-1)), points: curve.values.length });

/** One run: equity, below it net delta, below that spot. */
export function RunCurves({ curves }: { curves: BacktestCurves }) {
  const box = useChart((chart) => {
    chart.addSeries(LineSeries, { color: css("--accent"), lineWidth: 2 }).setData(points(curves.equity_usd));
    chart.addSeries(BaselineSeries, { baseValue: { type: "price", price: 0 }, lineWidth: 1, topLineColor: css("--up"), bottomLineColor: css("--down"), topFillColor1: css("--up-fill"),
      topFillColor2: "transparent", bottomFillColor1: "transparent", bottomFillColor2: css("--down-fill") }, 1).setData(points(curves.net_delta_shares));
    chart.addSeries(LineSeries, { color: css("--muted"), lineWidth: 1 }, 2).setData(points(curves.spot));
    chart.panes()[0]?.setStretchFactor(2);
  }, [curves]);
  return <div className="chart-box bt-chart" role="img" aria-label={described(curves.equity_usd)}><div ref={box} className="chart-canvas" /></div>;
}

/** Several runs' equity beside each other. */
export function EquityOfRuns({ curves }: { curves: (BacktestCurve | null)[] }) {
  const box = useChart((chart) => {
    curves.forEach((curve, index) => {
      if (curve) chart.addSeries(LineSeries, { color: css(COLOURS[index % COLOURS.length] ?? "--accent"), lineWidth: 2 }).setData(points(curve));
    });
  }, [curves]);
  const first = curves.find((curve) => curve !== null);
  return <div className="chart-box bt-chart" role="img" aria-label={first ? described(first) : ""}><div ref={box} className="chart-canvas" /></div>;
}
