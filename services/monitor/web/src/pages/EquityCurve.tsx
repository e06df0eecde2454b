import { ColorType, createChart, LineSeries, AreaSeries } from "lightweight-charts";
import { useEffect, useRef } from "react";
import type { StatsAnswer } from "../api/types";
import { dollars } from "../format";
import { t } from "../i18n";
import { useDark } from "../theme";

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Sum of the days' P&L, and below it how far it stands under its highest. */
export function EquityCurve({ points }: { points: StatsAnswer["equity"] }) {
  const box = useRef<HTMLDivElement>(null);
  const dark = useDark();
  useEffect(() => {
    if (!box.current) return undefined;
    const chart = createChart(box.current, {
      autoSize: true,
      layout: { attributionLogo: false, fontFamily: css("--font"), fontSize: 11, background: { type: ColorType.Solid, color: css("--panel") }, textColor: css("--muted"), panes: { separatorColor: css("--line") } },
      grid: { vertLines: { color: css("--grid") }, horzLines: { color: css("--grid") } },
      rightPriceScale: { borderColor: css("--line") }, timeScale: { borderColor: css("--line") },
    });
    const equity = chart.addSeries(LineSeries, { color: css("--accent"), lineWidth: 2 });
    const drawdown = chart.addSeries(AreaSeries, { lineColor: css("--down"), topColor: css("--down-fill"), bottomColor: css("--down-fill"), lineWidth: 1 }, 1);
    equity.setData(points.map((point) => ({ time: point.last_day, value: point.equity_usd })));
    drawdown.setData(points.map((point) => ({ time: point.last_day, value: point.drawdown_usd })));
    chart.panes()[0]?.setStretchFactor(2);
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [points, dark]);
  const last = points.at(-1);
  return <div className="chart-box" role="img" aria-label={t("performance.described", { days: points.length, equity: dollars(last?.equity_usd), drawdown: dollars(last?.drawdown_usd) })}><div ref={box} className="chart-canvas" /></div>;
}
