// The gateway, as docs/gateway.md describes it.

export class Problem extends Error {
  constructor(body) {
    super(body.message);
    this.body = body;
  }
}

async function failed(response) {
  let body;
  try {
    body = await response.json();
  } catch {
    body = { code: "failed", message: response.status === 401 ? "this browser is not let in any more" : `it answered with ${response.status}` };
    if (response.status === 401) body.hint = "press Enter in the terminal where quaestor web runs, and open the new link";
  }
  return new Problem(body);
}

function gone(err) {
  if (err instanceof Problem || err.name === "AbortError") return err;
  return new Problem({ code: "failed", message: "quaestor web does not answer", hint: "it may have been stopped in its terminal" });
}

async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch (err) {
    throw gone(err);
  }
  if (!response.ok) throw await failed(response);
  return response;
}

const posted = (body, signal) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });

export async function get(path) {
  return (await send(path)).json();
}

export async function post(path, body, signal) {
  return (await send(path, posted(body, signal))).json();
}

// stream calls take for each line of an answer. It throws where the last line
// is neither a summary nor an error: then the answer was cut.
export async function stream(path, body, signal, take) {
  const response = await send(path, body ? posted(body, signal) : { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", last = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const text of lines) {
        const line = JSON.parse(text);
        last = line.kind;
        take(line);
      }
    }
  } catch (err) {
    throw gone(err);
  }
  if (last !== "summary" && last !== "error") {
    throw new Problem({ code: "cut", message: "the answer was cut: it has no end, and what is shown is not all" });
  }
}

const encoder = new TextEncoder(), decoder = new TextDecoder();

// bytesAt and indexAt turn places in a text, which the gateway counts in bytes
// and a browser in UTF-16, into each other.
export const bytesAt = (text, index) => encoder.encode(text.slice(0, index)).length;
export const indexAt = (text, bytes) => decoder.decode(encoder.encode(text).slice(0, bytes)).length;
