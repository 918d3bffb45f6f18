// Waiting for what others promise.

/** No answer to a request within this time is a failure. */
export const ANSWER_MS = 30_000;

/** What a page's function promises, if it comes in time. */
export function within(world, promise) {
  return new Promise((resolve, reject) => {
    const late = () => reject(Object.assign(new Error("no answer in time"), { name: "TimeoutError" }));
    const timer = world.setTimeout(late, ANSWER_MS);
    Promise.resolve(promise).then(resolve, reject).finally(() => world.clearTimeout(timer));
  });
}
