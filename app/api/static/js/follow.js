/** A job's server-sent events, read with fetch: EventSource can send no key. */

import { Problem, send } from "./api.js";

const RETRY_SECONDS = 2;

/**
 * The job's states as they come, the last one when it has ended. Comes back after every break, and names the last event
 * that it has. Throws Problem where there is no such job, and AbortError once `signal` is set.
 */
export async function* changes(jobId, signal) {
  let lastId = null;
  for (;;) {
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
      const passing = error instanceof Problem ? error.status === 0 || error.status >= 500 : error instanceof TypeError;
      if (!passing) throw error;
    }
    await pause(RETRY_SECONDS, signal);
  }
}

async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
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

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
