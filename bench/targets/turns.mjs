// Work in turns of the event loop, at even times: how an application publishes several things at once; knows no server.

/** Resolves to the milliseconds it took. What is overdue follows at once, each in a turn of its own. */
export function inTurns(count, perSecond, work) {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    let done = 0;
    const next = () => {
      try {
        work(done);
      } catch (error) {
        reject(error);
        return;
      }
      done += 1;
      if (done === count) {
        resolve(performance.now() - startedAt);
        return;
      }
      const waitMs = startedAt + (done * 1000) / perSecond - performance.now();
      if (waitMs > 0) setTimeout(next, waitMs);
      else setImmediate(next);
    };
    next();
  });
}

/**
 * Answers each line of standard input, a question as JSON, with one line. `quit` ends the process in order, and so does the end of
 * the one that asks, however that came about.
 */
export async function answer(lines, answers) {
  for await (const line of lines) {
    if (line === "quit") process.exit(0);
    const [[name, settings]] = Object.entries(JSON.parse(line));
    console.log(JSON.stringify({ event: "answer", answer: await answers[name](settings) }));
  }
  process.exit(0);
}
