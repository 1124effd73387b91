/* The records of the host, kept as they are now by event.from. */
import {Failure, wait} from "./api.js";

const CLASSES = ["host", "host_metrics", "vm", "vm_guest_metrics", "task"];
const WAIT_SECONDS = 30;
const SETTLE_SECONDS = 1;
const RETRY_MS = 1000;
/* The host does not know our token any more: it begins anew. */
const BEGIN_AGAIN = ["EVENTS_LOST", "EVENT_FROM_TOKEN_PARSE_FAILURE"];

/* class -> Map of reference -> record; for the rest of the page to read. */
export const records = new Map(CLASSES.map((name) => [name, new Map()]));

/* Of a session that has ended nothing is left. */
export function forget() {
    for (const rows of records.values())
        rows.clear();
}

function take(event) {
    const rows = records.get(event.class);

    if (event.operation === "del")
        rows.delete(event.ref);
    else
        rows.set(event.ref, event.snapshot);
}

/* The host counts rows as they are, so it may be ahead of its events for a moment.  Of very many
 * deletions it forgets the oldest: then no event makes us even, and we begin again. */
function isWhole(counts) {
    return CLASSES.every((name) => counts[name] === records.get(name).size);
}

/* Until `signal`: calls changed () after every change, and trouble (text) when the host cannot be
 * asked, "" once it can again.  Throws when the session has ended. */
export async function follow(signal, changed, trouble) {
    let token = "";
    let seconds = WAIT_SECONDS;

    while (!signal.aborted) {
        try {
            const answer = await wait(signal, "event.from", CLASSES, token, seconds);

            if (signal.aborted)
                break;
            if (token === "")
                forget();
            token = answer.token;
            answer.events.forEach(take);
            trouble("");
            changed();
            seconds = WAIT_SECONDS;
            if (!isWhole(answer.valid_ref_counts)) {
                token = answer.events.length ? token : "";
                seconds = SETTLE_SECONDS;
            }
        } catch (failure) {
            if (signal.aborted)
                break;
            if (failure instanceof Failure && BEGIN_AGAIN.includes(failure.code))
                token = "";
            else if (failure instanceof Failure)
                throw failure;
            else
                trouble(`The host cannot be reached: ${failure.message}`);
            await new Promise((again) => setTimeout(again, RETRY_MS));
        }
    }
}
