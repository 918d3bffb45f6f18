// What the gateway writes, read.

/** What a page is given for a step with an event: the envelope, and the cursor behind it. */
export function eventOf({ text, cursor }) {
  const { channel, type, time, attributes = {}, id, data } = JSON.parse(text);
  return { channel, type, time, attributes, ...(id !== undefined && { id }), data, cursor };
}

/** What isn't JSON of the gateway's is left. */
export function parsed(text, act) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  if (value && typeof value === "object") act(value);
}
