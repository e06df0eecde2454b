import { dollars, trend } from "../format";
import { maybe, t, type TextKey } from "../i18n";

/** Dollars by cause as bars from the middle, and their sum. */
export function Bars({ parts, total }: { parts: readonly (readonly [string, number])[]; total: number | null | undefined }) {
  const largest = Math.max(1, ...parts.map(([, value]) => Math.abs(value)));
  return (
    <dl className="bars">{parts.map(([part, value]) => {
      const width = (50 * Math.abs(value)) / largest;
      return (
        <div key={part}><dt>{maybe(`attribution.${part}` as TextKey, part)}</dt><dd><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><line x1="50" x2="50" y1="0" y2="6" className="bar-zero" />
          <rect x={value < 0 ? 50 - width : 50} width={width} height="6" className={value < 0 ? "bar-down" : "bar-up"} /></svg><span className={`num ${trend(value)}`}>{dollars(value, 2, true)}</span></dd></div>);
    })}<div className="bars-total"><dt>{t("col.total")}</dt><dd><span /><span className={`num ${trend(total)}`}>{dollars(total, 2, true)}</span></dd></div></dl>
  );
}
