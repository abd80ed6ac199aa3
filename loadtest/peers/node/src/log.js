// One JSON line for each event on standard error. Callers pass no tokens and no texts of messages.

export function log(level, event, fields = {}) {
  const line = { time: new Date().toISOString(), level, event, pid: process.pid, ...fields };
  process.stderr.write(`${JSON.stringify(line)}\n`);
}

/** What may be logged of an error: its kind and message, which come from libraries. */
export const cause = (error) => ({ code: error?.code, error: error?.message });
