// Lists every route of /openapi.json with its arguments, without a script from elsewhere.

import { api, byId, h } from "./dom.js";

let schemas = {};

function kind(schema = {}) {
  const given = schema.anyOf ? schema.anyOf.find((part) => part.type !== "null") ?? {} : schema;
  const one = given.$ref ? schemas[given.$ref.split("/").pop()] ?? {} : given;
  const values = one.enum ? one.enum.join(" | ") : one.type ?? "any";
  const limits = [one.minimum !== undefined ? `from ${one.minimum}` : "", one.maximum !== undefined ? `to ${one.maximum}` : ""].filter(Boolean).join(" ");
  return [values, limits].filter(Boolean).join(" ");
}

function argument(parameter) {
  const schema = parameter.schema ?? {};
  const byDefault = schema.default === undefined || schema.default === null ? "" : `default ${schema.default}`;
  return h("tr", {}, h("th", { scope: "row", text: parameter.name }), h("td", { text: parameter.in }), h("td", { text: kind(schema) }),
    h("td", { class: "muted", text: [parameter.description ?? schema.description, byDefault].filter(Boolean).join(" · ") }));
}

/** Every property of a body, whichever of several models has it. */
function properties(schema = {}) {
  if (schema.anyOf) return Object.assign({}, ...schema.anyOf.map(properties));
  if (schema.$ref) return properties(schemas[schema.$ref.split("/").pop()]);
  return schema.properties ?? {};
}

function route(path, method, told) {
  const content = told.requestBody?.content?.["application/json"]?.schema;
  const body = Object.entries(properties(content)).map(([name, schema]) => ({ name, in: "body", schema }));
  const parameters = [...(told.parameters ?? []), ...body];
  return h("article", { class: "panel" },
    h("h3", {}, h("span", { class: `method ${method}`, text: method.toUpperCase() }), h("code", { text: path })),
    h("p", { text: told.summary ?? "" }), h("p", { class: "note", text: (told.description ?? "").replaceAll("`", "") }),
    parameters.length ? h("div", { class: "scroll" }, h("table", { class: "data" }, h("tbody", {}, parameters.map(argument)))) : null);
}

try {
  const told = await api("/openapi.json");
  schemas = told.components?.schemas ?? {};
  const routes = Object.entries(told.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => route(path, method, one)));
  byId("docs").replaceChildren(h("p", { class: "note", text: told.info.description.replaceAll("`", "") }), ...routes);
} catch (error) {
  byId("docs").replaceChildren(h("p", { class: "empty", text: error.message }));
}
