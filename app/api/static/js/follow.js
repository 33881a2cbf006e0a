/** A job's server-sent events, read with fetch: EventSource can send no key. */

import { send } from "./api.js";
import { isPassing, waitFor } from "./patience.js";
import { orLate } from "./pause.js";

// Heartbeats come every 15 s: what is silent for longer is a connection that one side alone still believes in.
const SILENCE_SECONDS = 60;

/**
 * The job's states as they come, the last one when it has ended. Comes back after every break, and names the last event
 * that it has. Throws Problem where there is no such job, and the signal's reason once that is set.
 */
export async function* changes(jobId, signal) {
  let lastId = null;
  for (;;) {
    let broken = null;
    try {
      const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
      const answer = await send("GET", `jobs/${jobId}/events`, { headers, signal });
      if (answer.status === 204) return;
      for await (const { event, data, id } of messages(answer.body)) {
        lastId = id ?? lastId;
        yield JSON.parse(data);
        if (event === "end") return;
      }
    } catch (error) {
      // A stream that breaks off is a TypeError.
      if (!isPassing(error) && !(error instanceof TypeError)) throw error;
      broken = error;
    }
    await waitFor(broken, signal);
  }
}

/** The messages of a stream, until it ends or falls silent. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await orLate(reader.read(), SILENCE_SECONDS, () => ({ done: true }));
      if (done) return;
      text = (text + value).replaceAll("\r\n", "\n");
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const message = parsed(text.slice(0, end));
        text = text.slice(end + 2);
        if (message.data) yield message;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(block) {
  const message = { event: "message", data: "", id: null };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(event|data|id): ?(.*)$/.exec(line) ?? [];
    if (name === "data") message.data += value;
    else if (name) message[name] = value;
  }
  return message;
}
