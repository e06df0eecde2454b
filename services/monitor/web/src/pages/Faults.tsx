import { useState } from "react";
import { useFetched } from "../api/live";
import type { FaultsAnswer, KnownFault, SimulatorState } from "../api/types";
import { words } from "../format";
import { t } from "../i18n";
import { Empty, Failed, Loading, Panel, Tag } from "../ui/parts";
import { useAct } from "./Simulator";

interface Schema { type?: string; default?: unknown; description?: string; enum?: unknown[]; anyOf?: Schema[] }
interface Props { active: SimulatorState["faults"]; locked: boolean; reload: () => void }

/** The catalogue of bad days: choose one, set its parameters, let it strike, end it. */
export function Faults({ active, locked, reload }: Props) {
  const { data, error, reload: again } = useFetched<FaultsAnswer>("/simulator/faults");
  const [chosen, setChosen] = useState("");
  const [search, setSearch] = useState("");
  const { act, told } = useAct(reload);
  const known = data?.known ?? [];
  const fault = known.find((row) => row.name === chosen);
  const listed = known.filter((row) => `${row.name} ${row.about}`.toLowerCase().includes(search.trim().toLowerCase()));
  return (
    <Panel title={t("faults.title")} aside={active.length ? <Tag kind="bad">{t("faults.active", { count: active.length })}</Tag> : <Tag kind="good">{t("faults.quiet")}</Tag>}>
      {active.length ? <ul className="active-faults">{active.map((row, index) => (
        <li key={index}><strong>{words(row.name)}</strong> <span className="dim num">{Object.entries(row.parameters).map(([name, value]) => `${name}=${String(value)}`).join(" ")}</span>
          <span className="num">{t("faults.struck", { count: row.struck })}</span>
          <button type="button" className="small" disabled={locked} onClick={() => void act(`/simulator/faults/${row.name}`, undefined, "DELETE")}>{t("faults.end")}</button></li>))}</ul> : null}
      {data === null ? error ? <Failed error={error} retry={again} /> : <Loading /> : (
        <div className="fault-picker">
          <label>{t("faults.search")}<input type="search" value={search} onChange={(event) => setSearch(event.target.value)} /></label>
          <ul className="fault-list" aria-label={t("faults.catalogue")}>{listed.map((row) => (
            <li key={row.name}><button type="button" aria-pressed={row.name === chosen} onClick={() => setChosen(row.name === chosen ? "" : row.name)}>
              <span className="fault-name">{words(row.name)}</span><span className="fault-about">{row.about.split("\n")[0]}</span></button></li>))}
            {listed.length === 0 ? <li><Empty>{t("filter.nothing")}</Empty></li> : null}</ul>
          {fault ? <FaultForm key={fault.name} fault={fault} locked={locked} inject={(values) => act(`/simulator/faults/${fault.name}`, values)} /> : null}
        </div>)}
      {told ? <p className="error-text" role="alert">{told}</p> : null}
    </Panel>
  );
}

const kindOf = (schema: Schema): string => schema.type ?? schema.anyOf?.find((part) => part.type !== "null")?.type ?? "string";
const choicesOf = (schema: Schema): unknown[] | undefined => schema.enum ?? schema.anyOf?.find((part) => part.enum)?.enum;

/** What was typed as the value that the schema wants; undefined leaves the parameter out. */
export function parameter(schema: Schema, typed: string): unknown {
  const kind = kindOf(schema);
  if (typed === "") return undefined;
  if (kind === "boolean") return typed === "true";
  return kind === "number" || kind === "integer" ? Number(typed) : typed;
}

function FaultForm({ fault, locked, inject }: { fault: KnownFault; locked: boolean; inject: (values: Record<string, unknown>) => Promise<boolean> }) {
  const properties = Object.entries((fault.parameters["properties"] ?? {}) as Record<string, Schema>);
  const [typed, setTyped] = useState<Record<string, string>>({});
  const [done, setDone] = useState(false);
  const first = (schema: Schema) => (schema.default === null || schema.default === undefined ? "" : String(schema.default));
  const submit = async () => {
    const values = Object.fromEntries(properties.map(([name, schema]) => [name, parameter(schema, typed[name] ?? first(schema))]).filter(([, value]) => value !== undefined));
    setDone(await inject(values as Record<string, unknown>));
  };
  return (
    <form className="fault-form" autoComplete="off" onSubmit={(event) => { event.preventDefault(); void submit(); }}>
      <h3>{words(fault.name)}</h3>
      <p className="dim">{fault.about}</p>
      {properties.map(([name, schema]) => {
        const value = typed[name] ?? first(schema);
        const choices = kindOf(schema) === "boolean" ? ["true", "false"] : choicesOf(schema)?.map(String);
        const change = (next: string) => { setTyped({ ...typed, [name]: next }); setDone(false); };
        return (
          <label key={name}>{words(name)}{schema.description ? <span className="dim"> {schema.description}</span> : null}
            {choices ? <select value={value} onChange={(event) => change(event.target.value)}>{value === "" ? <option value="">–</option> : null}{choices.map((choice) => <option key={choice}>{choice}</option>)}</select>
              : <input name={name} value={value} inputMode={["number", "integer"].includes(kindOf(schema)) ? "decimal" : "text"} onChange={(event) => change(event.target.value)} />}</label>);
      })}
      <div className="row end">{done ? <span className="good-text" role="status">{t("faults.injected")}</span> : null}<button type="submit" className="caution" disabled={locked}>{t("faults.inject")}</button></div>
    </form>
  );
}
