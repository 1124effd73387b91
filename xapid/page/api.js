/* The XenAPI by JSON-RPC 2.0.  The session is a variable of this module and kept nowhere else: it
 * is gone with the page. */
const CLIENT = "xapid's page";
const VERSION = "2.21";

let session = null;
let requests = 0;

export class Failure extends Error {
    constructor(code, params) {
        super([code, ...params].join(" "));
        this.code = code;
    }
}

async function post(method, params, options = {}) {
    const reply = await fetch("/jsonrpc", {
        method: "POST",
        credentials: "omit",
        cache: "no-store",
        headers: {"Content-Type": "application/json"},
        body: JSON.stringify({jsonrpc: "2.0", id: ++requests, method, params}),
        ...options,
    });

    if (!reply.ok)
        throw new Error(`the host answers ${reply.status} ${reply.statusText}`);
    const answer = await reply.json();
    if (answer.error)
        throw new Failure(answer.error.message, answer.error.data ?? []);
    return answer.result;
}

export function call(method, ...params) {
    return post(method, [session, ...params]);
}

/* A call that waits; signal: an AbortSignal that ends it. */
export function wait(signal, method, ...params) {
    return post(method, [session, ...params], {signal});
}

export async function login(user, password) {
    session = await post("session.login_with_password", [user, password, VERSION, CLIENT]);
}

/* Forgets the session at once; the host hears of it even when the page is about to go. */
export async function logout() {
    const ended = session;

    session = null;
    if (ended)
        await post("session.logout", [ended], {keepalive: true});
}

/* Of the websocket that is the console of the VM `uuid`. */
export function consoleAddress(uuid) {
    const address = new URL("/console", location.href);

    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.search = new URLSearchParams({uuid, session_id: session});
    return address.href;
}
