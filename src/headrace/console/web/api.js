// The gateway's own API, asked with the session's cookie; no key is ever kept in the page.

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

// A cookie that has run out is not sent, so the gateway sees a caller without a key and tells it of keys.
const OVER = "The session is over: sign in again with the key of an administrator.";

let session = null;
let onEnd = () => {};

export const who = () => session;

// What to do when the session is over.
export function whenOver(act) {
  onEnd = act;
}

function headers(extra) {
  return session && session.csrf ? { ...extra, "x-headrace-csrf": session.csrf } : extra;
}

// Why an answer is none, as the gateway words it.
export async function refusal(response) {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text);
    return new Refused(response.status, error.code || "", error.message || text);
  } catch {
    return new Refused(response.status, "", text || `Status ${response.status}.`);
  }
}

// A request as the session; throws `Refused`, and ends the session where it is over.
export async function send(path, { method = "GET", body, signal, more = {} } = {}) {
  const response = await fetch(path, {
    method,
    signal,
    credentials: "same-origin",
    headers: headers(body === undefined ? more : { ...more, "content-type": "application/json" }),
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (response.ok) return response;
  const refused = await refusal(response);
  if (refused.status === 401 && session) {
    session = null;
    onEnd(refused.code === "missing_api_key" ? OVER : refused.message);
  }
  throw refused;
}

export async function get(path, signal) {
  return (await send(path, { signal })).json();
}

export async function change(method, path, body = {}) {
  const response = await send(path, { method, body });
  return response.status === 204 ? null : response.json();
}

export function query(path, values) {
  const asked = Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return asked.length ? `${path}?${new URLSearchParams(asked)}` : path;
}

// The session there is already; null where nobody is signed in.
export async function resume() {
  const { wants_key: wantsKey } = await (await fetch("/ui/session", { credentials: "same-origin" })).json();
  if (wantsKey) return null;
  const response = await fetch("/admin/session", { credentials: "same-origin" });
  session = response.ok ? await response.json() : null;
  return session;
}

export async function signIn(key) {
  const response = await fetch("/admin/session", {
    method: "POST",
    credentials: "same-origin",
    headers: { authorization: `Bearer ${key}` },
  });
  if (!response.ok) throw await refusal(response);
  session = await response.json();
  return session;
}

// Ends the session, or all that were begun with its key; the page goes back to its door, which says what
// kept it from being so.
export async function leave(everywhere = false) {
  let why = "";
  try {
    await send(query("/admin/session", { all: everywhere ? "true" : "" }), { method: "DELETE" });
  } catch (refused) {
    why = refused.message;
  }
  session = null;
  onEnd(why);
}
