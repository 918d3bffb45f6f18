// What answers that are no streams, and functions of the page that throw, say about coming back.

/** What an answer that isn't a stream says about coming back. */
export async function judge(response) {
  const isProblem = /^application\/problem\+json\b/.test(response.headers.get("content-type") ?? "");
  const seconds = response.headers.get("retry-after");
  const problem = isProblem ? await response.json().catch(() => undefined) : undefined;
  if (!isProblem) response.body?.cancel?.().catch(() => {});
  return judged(response.status, problem, seconds && Number(seconds) * 1_000);
}

/** The gateway's own refusals are final; a proxy's 404 in a rollout, or its login page, may pass. */
export function judged(status, problem, afterMs) {
  const told = problem ?? { status, title: `HTTP status ${status}` };
  const isFinal = Boolean(problem) && status >= 400 && status < 500 && status !== 408 && status !== 429;
  const reason = String(told.type ?? "").split("/").pop() || "refused";
  return { reason, problem: told, isFinal, afterMs: afterMs > 0 ? Math.min(afterMs, 10 * 60_000) : 0 };
}

/** What `ticket`, `token` and `renew` throw: the page may say that it is of no use to come back, and why. */
export function failureOf(error) {
  if (error && "isFinal" in Object(error)) return error;
  const problem = error?.problem;
  if (problem) return judged(problem.status, problem);
  // `fetch` throws a TypeError when there is no answer.
  if (error instanceof TypeError || error?.name === "AbortError" || error?.name === "TimeoutError") return {};
  return { reason: "credentials", problem: { status: 0, title: String(error?.message ?? error) } };
}
