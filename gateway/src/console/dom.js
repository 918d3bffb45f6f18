// Small words for the page's elements. Text enters the page as text only.

export const byId = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Sets the text only where it differs, so that what stands still isn't announced again. */
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const numbers = new Intl.NumberFormat("en");
export const count = (number) => numbers.format(number);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export function size(characters) {
  if (characters < 1_000) return `${characters} characters`;
  return characters < 1_000_000 ? `${(characters / 1e3).toFixed(1)} k` : `${(characters / 1e6).toFixed(2)} M`;
}

export function clock(millis) {
  const time = new Date(millis);
  if (Number.isNaN(time.getTime())) return "–";
  const two = (number) => String(number).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** One of eight hues, always the same for one text. */
export function hue(text) {
  let hash = 0;
  for (let at = 0; at < text.length; at += 1) hash = (hash * 31 + text.charCodeAt(at)) >>> 0;
  return `hue-${hash % 8}`;
}

/** Asks the server; a problem becomes an Error that says what it says. */
export async function ask(path, content) {
  const options = content === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(content),
  };
  const answer = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(10_000) });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail ?? `the server answers ${answer.status}`);
  return told;
}
