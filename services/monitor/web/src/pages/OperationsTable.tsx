import type { Operation } from "../api/types";
import { number, quantity } from "../format";
import { t, type TextKey } from "../i18n";
import { purpose } from "../reasons";
import { Scroll, Tag, Time } from "../ui/parts";

export const OPERATION_TYPES = ["hedge_intent", "order_sent", "fill", "reject", "cancel"] as const;
export const operationName = (type: string): string => t(`operation.${type}` as TextKey);

/** Operations; with `onOpen` a row opens the receipt of its order. */
export function OperationsTable({ rows, onOpen, tall = false }: { rows: Operation[]; onOpen?: (orderRef: string) => void; tall?: boolean }) {
  const open = (row: Operation) => (row.order_ref && onOpen ? () => onOpen(row.order_ref ?? "") : undefined);
  return (
    <Scroll label={t("operations.label")} tall={tall}>
      <table className="data">
        <thead><tr>
          <th scope="col">{t("col.time")} <small>{t("clock.new_york")}</small></th><th scope="col">{t("col.type")}</th><th scope="col">{t("col.side")}</th>
          <th scope="col" className="num">{t("col.shares")}</th><th scope="col" className="num">{t("col.price")} <small>$</small></th>
          <th scope="col" className="num">{t("col.commission")} <small>$</small></th><th scope="col">{t("col.why")}</th></tr></thead>
        <tbody>{rows.map((row) => {
          const show = open(row);
          return (
            <tr key={row.id} className={show ? "opens" : undefined} onClick={show}>
              <td><Time at={row.ts} /></td>
              <td>{show ? <button type="button" className="link" onClick={show}><Tag kind={`op-${row.type}`}>{operationName(row.type)}</Tag></button>
                : <a className="plain" href={row.order_ref ? `#/activity/order/${row.order_ref}` : undefined}><Tag kind={`op-${row.type}`}>{operationName(row.type)}</Tag></a>}</td>
              <td className={row.side === "BUY" ? "up" : "down"}>{row.side ? t(row.side === "BUY" ? "side.buy" : "side.sell") : ""}</td>
              <td className="num">{quantity(row.quantity)}</td><td className="num">{number(row.price)}</td>
              <td className="num">{row.commission === null ? "" : number(row.commission)}</td>
              <td className="reason">{row.state_reason ? purpose(row.state_reason) : ""}</td>
            </tr>);
        })}</tbody>
      </table>
    </Scroll>
  );
}
