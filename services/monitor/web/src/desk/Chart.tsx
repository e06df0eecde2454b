// Spot with the fills upon it, and net delta with its band below, on New York time.

import {
  BaselineSeries, ColorType, createChart, createSeriesMarkers, CrosshairMode, type IChartApi, type IPriceLine, type ISeriesApi,
  type ISeriesMarkersPluginApi, LineSeries, LineStyle, type SeriesMarker, type Time, type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useMemo, useRef, useState } from "react";
import { query } from "../api/client";
import { useFetched, useLive } from "../api/live";
import type { HistoryAnswer, Operation, OperationsPage } from "../api/types";
import { axisTime, newYork, number } from "../format";
import { t } from "../i18n";
import { useDark } from "../theme";
import { Choice, Empty, Failed, Loading, useStored } from "../ui/parts";

const SPANS = { "30m": 1800, "2h": 7200, "1d": 86_400, "5d": 432_000 } as const;
type Span = keyof typeof SPANS;
const STEPS = 400;
const FILLS = 500;
interface Point { time: number; spot: number | null; delta: number | null }

const seconds = (ts: string) => Math.floor(Date.parse(ts) / 1000);
const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export default function Chart() {
  const { status, seen } = useLive();
  const [kept, setSpan] = useStored("span", "2h");
  const span: Span = kept in SPANS ? (kept as Span) : "2h";
  const market = status?.market_clock?.now ?? status?.status?.ts ?? null;
  const known = market !== null;
  // Asked for once per span and minute of the page; what comes after is drawn from the live picture.
  const [anchor, setAnchor] = useState(market);
  useEffect(() => { if (anchor === null && market !== null) setAnchor(market); }, [anchor, market]);
  useEffect(() => setAnchor((before) => (market === null ? before : market)), [span]); // eslint-disable-line
  const from = anchor === null ? null : new Date(Date.parse(anchor) - SPANS[span] * 1000).toISOString();
  const history = useFetched<HistoryAnswer>(from === null ? null : `/history${query({ from, step: Math.max(1, Math.round(SPANS[span] / STEPS)) })}`);
  const fills = useFetched<OperationsPage>(from === null ? null : `/operations${query({ since_ts: from, type: "fill", limit: FILLS })}`, seen.operations);
  const tail = useTail();
  const points = useMemo(() => joined(history.data, tail, from), [history.data, tail, from]);
  const hedges = useMemo(() => fills.data?.operations ?? [], [fills.data]);
  const described = points.length ? t("chart.described", { points: points.length, fills: hedges.length, spot: number(points.at(-1)?.spot), delta: number(points.at(-1)?.delta, 1) }) : "";
  return (
    <>
      <div className="chart-tools"><Choice label={t("chart.span")} value={span} onChange={setSpan} options={(Object.keys(SPANS) as Span[]).map((name) => [name, name] as const)} /></div>
      {history.error && points.length < 2 ? <Failed error={history.error} retry={history.reload} />
        : points.length < 2 ? (history.loading && known ? <Loading rows={5} /> : <Empty hint={t("chart.none_hint")}>{t("chart.none")}</Empty>) : (
          <div className="chart-box" role="img" aria-label={described}><Canvas points={points} hedges={hedges}
            loaded={history.data !== null} band={[status?.details.epsilon_band ?? null, status?.details.threshold_hedge_shares ?? null]} span={span} /></div>)}
    </>
  );
}

/** What the live picture has added since the page was opened; a point a market second at most. */
function useTail(): Point[] {
  const { status } = useLive();
  const [tail, setTail] = useState<Point[]>([]);
  const row = status?.status;
  useEffect(() => {
    if (!row?.ts) return;
    const point = { time: seconds(row.ts), spot: row.spot, delta: row.net_delta };
    setTail((before) => {
      const last = before.at(-1);
      if (last && last.time > point.time) return [point];
      if (last && last.time === point.time) return last.spot === point.spot && last.delta === point.delta ? before : [...before.slice(0, -1), point];
      return [...before.slice(-5000), point];
    });
  }, [row?.ts, row?.spot, row?.net_delta]);
  return tail;
}

function joined(history: HistoryAnswer | null, tail: Point[], from: string | null): Point[] {
  const old = (history?.points ?? []).map((point) => ({ time: seconds(point.ts), spot: point.spot, delta: point.net_delta }));
  const start = from === null ? 0 : seconds(from);
  const by = new Map<number, Point>();
  for (const point of [...old, ...tail]) if (point.time >= start) by.set(point.time, point);
  return [...by.values()].sort((one, other) => one.time - other.time);
}

interface Drawn {
  chart: IChartApi;
  spot: ISeriesApi<"Line">;
  delta: ISeriesApi<"Baseline">;
  markers: ISeriesMarkersPluginApi<Time>;
  lines: IPriceLine[];
}

function build(box: HTMLElement): Drawn {
  const chart = createChart(box, {
    autoSize: true,
    layout: { attributionLogo: false, fontFamily: css("--font"), fontSize: 11, background: { type: ColorType.Solid, color: css("--panel") },
      textColor: css("--muted"), panes: { separatorColor: css("--line"), enableResize: false } },
    grid: { vertLines: { color: css("--grid") }, horzLines: { color: css("--grid") } },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderColor: css("--line") },
    timeScale: { borderColor: css("--line"), timeVisible: true, secondsVisible: true, rightOffset: 3,
      tickMarkFormatter: (time: Time) => axisTime(time as number) },
    localization: { timeFormatter: (time: Time) => newYork(time as number) },
  });
  const spot = chart.addSeries(LineSeries, { color: css("--accent"), lineWidth: 2, priceFormat: { type: "price", precision: 2, minMove: 0.01 } });
  const delta = chart.addSeries(BaselineSeries, {
    baseValue: { type: "price", price: 0 }, lineWidth: 1, topLineColor: css("--up"), bottomLineColor: css("--down"),
    topFillColor1: css("--up-fill"), topFillColor2: "transparent", bottomFillColor1: "transparent", bottomFillColor2: css("--down-fill"),
    priceFormat: { type: "price", precision: 1, minMove: 0.1 },
  }, 1);
  chart.panes()[0]?.setStretchFactor(2.2);
  chart.panes()[1]?.setStretchFactor(1);
  return { chart, spot, delta, markers: createSeriesMarkers(spot, []), lines: [] };
}

const marker = (row: Operation): SeriesMarker<Time> => ({
  time: seconds(row.ts ?? "") as UTCTimestamp,
  position: row.side === "BUY" ? "belowBar" : "aboveBar",
  shape: row.side === "BUY" ? "arrowUp" : "arrowDown",
  color: css(row.side === "BUY" ? "--up" : "--down"),
  size: 0.9,
});

function Canvas({ points, hedges, band, span, loaded }: { points: Point[]; hedges: Operation[]; band: (number | null)[]; span: Span; loaded: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<Drawn | null>(null);
  const dark = useDark();
  const [made, setMade] = useState(0);
  useEffect(() => {
    if (!box.current) return undefined;
    const built = build(box.current);
    drawn.current = built;
    setMade((count) => count + 1);
    return () => { drawn.current = null; built.chart.remove(); };
  }, [dark]);
  useEffect(() => {
    const here = drawn.current;
    if (!here) return;
    const series = (value: (point: Point) => number | null) => points.map((point) => {
      const figure = value(point);
      return figure === null ? { time: point.time as UTCTimestamp } : { time: point.time as UTCTimestamp, value: figure };
    });
    here.spot.setData(series((point) => point.spot));
    here.delta.setData(series((point) => point.delta));
    const first = points[0]?.time ?? 0;
    here.markers.setMarkers(hedges.filter((row) => row.ts && seconds(row.ts) >= first).map(marker)
      .sort((one, other) => (one.time as number) - (other.time as number)));
  }, [points, hedges, made]);
  useEffect(() => {
    const here = drawn.current;
    if (!here) return;
    for (const line of here.lines) here.delta.removePriceLine(line);
    here.lines = band.flatMap((value, index) => (value === null ? [] : [value, -value].map((price) => here.delta.createPriceLine({
      price, color: css(index === 0 ? "--up" : "--warn"), lineWidth: 1, lineStyle: LineStyle.Dotted, axisLabelVisible: false, title: "" }))));
  }, [band[0], band[1], made]);
  useEffect(() => { drawn.current?.chart.timeScale().fitContent(); }, [span, made, loaded]);
  return <div ref={box} className="chart-canvas" />;
}
