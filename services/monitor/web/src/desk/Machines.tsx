import type { Status } from "../api/types";
import { dollars, quantity, words } from "../format";
import { maybe, t } from "../i18n";
import { Panel, Tag } from "../ui/parts";

const DIMENSIONS = ["O", "D", "M", "L", "E", "S"] as const;

function kindOf(state: string): string {
  if (/SAFE|FAULT|HALT|CLOSE/i.test(state)) return "bad";
  if (/PAUSE|WAIT|RECOVER|NEEDS/i.test(state)) return "warn";
  return "";
}

/** The machines and the six dimensions: what the engine believes it is doing. */
export function Machines({ status }: { status: Status }) {
  const { details } = status;
  const trading = details.machines?.["trading"] ?? status.status?.trading_state ?? "–";
  const hedge = details.machines?.["hedge"] ?? status.status?.hedge_state ?? "–";
  const order = details.working_order;
  return (
    <Panel title={t("machines.title")}>
      <dl className="facts">
        <div><dt>{t("machines.daemon")}</dt><dd>{words(status.status?.daemon_state ?? "–")}</dd></div>
        <div><dt>{t("machines.trading")}</dt><dd><Tag kind={kindOf(trading)}>{words(trading)}</Tag>{details.safe_cause ? <span className="dim"> {details.safe_cause}</span> : null}</dd></div>
        <div><dt>{t("machines.hedge")}</dt><dd><Tag kind={kindOf(hedge)}>{words(hedge)}</Tag></dd></div>
        <div><dt>{t("machines.order")}</dt><dd className="num">{order ? `${t(order.side === "BUY" ? "side.buy" : "side.sell")} ${quantity(order.quantity - order.filled)} ${order.order_type}${order.limit_price ? ` ${dollars(order.limit_price)}` : ""}` : t("machines.no_order")}</dd></div>
      </dl>
      <ul className="dims" aria-label={t("machines.dimensions")}>
        {DIMENSIONS.map((name) => {
          const value = details.dims?.[name] ?? "–";
          return <li key={name} title={`${t(`dim.${name}`)}: ${value}`}><span className="dim-name">{t(`dim.${name}`)}</span><span className="dim-value">{maybe(`dimension.${value}`, words(value))}</span></li>;
        })}
      </ul>
    </Panel>
  );
}
