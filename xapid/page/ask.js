/* One question at a time, before something is done that cannot be undone, or that needs a name. */
import {find, show} from "./element.js";

/* What was typed, "" when nothing was asked for, or null for no.  value: what to begin with; without
 * it nothing is typed. */
export function ask(question, value = null) {
    const dialog = find("#ask");
    const input = dialog.querySelector("input");

    show(dialog.querySelector("p"), question);
    input.hidden = value === null;
    input.value = value ?? "";
    dialog.showModal();
    return new Promise((answer) => {
        const finish = (said) => {
            dialog.close();
            answer(said);
        };

        input.onkeydown = (event) => {
            if (event.key === "Enter")
                finish(input.value);
        };
        dialog.querySelector(".yes").onclick = () => finish(input.value);
        dialog.querySelector(".no").onclick = () => finish(null);
        dialog.oncancel = () => answer(null);
    });
}
