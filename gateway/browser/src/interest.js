// Which of the channels' events are wanted, and how: filters and views.

/** What a page gives of it, checked. */
export function interestOf({ types, attributes, filter, view }) {
  const areTexts = (values) => Array.isArray(values) && values.every((value) => typeof value === "string");
  if (types !== undefined && !areTexts(types)) throw new TypeError("types: a list of texts");
  if (attributes !== undefined && !Object.values(attributes).every(areTexts)) throw new TypeError("attributes: lists of texts by name");
  for (const [name, value] of Object.entries({ filter, view })) {
    if (value !== undefined && typeof value !== "string") throw new TypeError(`${name}: a name`);
  }
  const given = Object.entries({ types, attributes, filter, view }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

/** The same as parameters of a query, in which a comma separates values. */
export function parametersOf({ types, attributes = {}, ...names }) {
  const list = (values) => values.map((value) => value.replace(/[\\,]/g, "\\$&")).join(",");
  return [
    ...(types ? [["types", list(types)]] : []),
    ...Object.entries(attributes).map(([name, values]) => [`attribute.${encodeURIComponent(name)}`, list(values)]),
    ...Object.entries(names),
  ];
}
