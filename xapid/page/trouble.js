/* The line at the top that says what went wrong. */
import {find, show} from "./element.js";

export function say(text) {
    show(find("#trouble"), text);
}

/* A function that does `what`, and tells of its failure. */
export function telling(what) {
    return async (...given) => {
        try {
            say("");
            await what(...given);
        } catch (failure) {
            say(failure.message);
        }
    };
}
