/* The list of tasks: those that are under way, and ours that have failed. */
import {call} from "./api.js";
import {button, element, find, show} from "./element.js";
import {records} from "./records.js";
import {Rows} from "./rows.js";
import {say, telling} from "./trouble.js";

/* reference -> what it is for, in our words */
const started = new Map();

/* Starts `method` as a task, which the list shows from then on. */
export async function run(title, method, ...params) {
    started.set(await call(`Async.${method}`, ...params), title);
    showTasks();
}

function makeRow(ref) {
    const name = element("span", "name");
    const facts = element("span", "facts grow");
    const bar = element("progress");
    const cancel = button("Cancel", telling(() => call("task.cancel", ref)));
    const dismiss = button("Dismiss", telling(() => forget(ref)));
    const row = element("li", "task", element("div", "row", name, bar, facts, cancel, dismiss));

    bar.max = 1;

    function update(task) {
        show(name, started.get(ref) ?? task.name_label);
        show(facts, task.error_info.length ? task.error_info.join(" ") : task.name_description);
        bar.value = task.progress;
        bar.hidden = task.status !== "pending" && task.status !== "cancelling";
        cancel.hidden = !task.allowed_operations.includes("cancel");
        dismiss.hidden = !bar.hidden;
    }

    return {element: row, update};
}

const rows = new Rows(find("#tasks"), makeRow);

/* A task of ours that has ended is of no use to anybody else. */
async function forget(ref) {
    started.delete(ref);
    await call("task.destroy", ref);
}

function isOver(task) {
    return task.status === "success" || task.status === "cancelled";
}

export function showTasks() {
    const tasks = [...records.get("task")].sort(([, one], [, other]) => one.created.localeCompare(other.created));

    rows.update(tasks.filter(([ref, task]) => task.status === "pending" || task.status === "cancelling" ||
                                              (started.has(ref) && task.status === "failure")));
    for (const [ref, task] of tasks) {
        if (started.has(ref) && isOver(task))
            forget(ref).catch((failure) => say(failure.message));
    }
}
