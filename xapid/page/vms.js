/* The list of VMs with their snapshots.  Which buttons there are is what the host allows now. */
import {ask} from "./ask.js";
import {openConsole} from "./console.js";
import {button, element, find, show} from "./element.js";
import {records} from "./records.js";
import {byName, bytes, Rows} from "./rows.js";
import {run} from "./tasks.js";
import {telling} from "./trouble.js";

/* operation: as in allowed_operations, of the message VM.<operation> unless `method` is another;
 * asks: whether to ask first. */
const OF_VMS = [
    {operation: "start", label: "Start", params: [false, false]},
    {operation: "unpause", label: "Unpause"},
    {operation: "resume", label: "Resume", params: [false, false]},
    {operation: "clean_shutdown", label: "Shut down"},
    {operation: "clean_reboot", label: "Reboot"},
    {operation: "suspend", label: "Suspend"},
    {operation: "pause", label: "Pause"},
    {operation: "hard_reboot", label: "Reset", asks: true},
    {operation: "hard_shutdown", label: "Power off", asks: true},
];
const OF_SNAPSHOTS = [{operation: "revert", label: "Revert", asks: true}];

/* The buttons of `table` for a row, and how they become those that `record` allows. */
function operationButtons(table, ref, latest) {
    const buttons = table.map(({operation, label, params = [], asks = false}) => {
        const press = telling(async () => {
            const title = `${label}: ${latest().name_label}`;

            if (!asks || await ask(`${title}?`) !== null)
                await run(title, `VM.${operation}`, ref, ...params);
        });

        return [operation, button(label, press)];
    });

    return {
        elements: buttons.map(([, each]) => each),
        update(record) {
            for (const [operation, each] of buttons)
                each.hidden = !record.allowed_operations.includes(operation);
        },
    };
}

/* What an API of 2.x calls "20261130T09:04:31Z". */
function time(text) {
    const [, year, month, day, rest] = /^(\d{4})-?(\d\d)-?(\d\d)T(.*)$/.exec(text) ?? [];

    return year ? new Date(`${year}-${month}-${day}T${rest}`).toLocaleString() : text;
}

function makeSnapshot(ref) {
    let latest = null;
    const name = element("span", "name");
    const facts = element("span", "facts grow");
    const buttons = operationButtons(OF_SNAPSHOTS, ref, () => latest);
    const row = element("li", "snapshot", element("div", "row", name, facts, ...buttons.elements));

    function update(record) {
        latest = record;
        show(name, record.name_label);
        show(facts, `snapshot of ${time(record.snapshot_time)}`);
        buttons.update(record);
    }

    return {element: row, update};
}

/* What the guest says of itself is no more than that. */
function guestFacts(vm) {
    const metrics = records.get("vm_guest_metrics").get(vm.guest_metrics);

    return metrics ? [metrics.os_version.name ?? "", ...Object.values(metrics.networks)] : [];
}

function makeVm(ref) {
    let latest = null;
    const name = element("span", "name");
    const state = element("span", "state");
    const facts = element("span", "facts grow");
    const description = element("div", "description");
    const buttons = operationButtons(OF_VMS, ref, () => latest);
    const snapshot = button("Snapshot", telling(async () => {
        const label = await ask(`A snapshot of ${latest.name_label}, by the name of`, latest.name_label);

        if (label !== null)
            await run(`Snapshot: ${latest.name_label}`, "VM.snapshot", ref, label, []);
    }));
    const screen = button("Console", telling(() => openConsole(latest)));
    const list = element("ul");
    const row = element("li", "vm", element("div", "row", name, state, facts), description,
                        element("div", "row", ...buttons.elements, snapshot, screen), list);
    const snapshots = new Rows(list, makeSnapshot);

    function update(vm) {
        const current = Object.values(vm.current_operations);
        const words = [`${vm.VCPUs_max} VCPUs`, bytes(vm.memory_dynamic_max), ...guestFacts(vm), ...current];

        latest = vm;
        show(name, vm.name_label);
        show(state, vm.power_state);
        show(facts, words.filter((word) => word).join(" · "));
        show(description, vm.name_description);
        buttons.update(vm);
        snapshot.hidden = !vm.allowed_operations.includes("snapshot");
        screen.hidden = !vm.consoles.length;
        snapshots.update(vm.snapshots.map((each) => [each, records.get("vm").get(each)])
                                     .filter(([, record]) => record).sort(byTime));
    }

    return {element: row, update};
}

function byTime([, one], [, other]) {
    return one.snapshot_time.localeCompare(other.snapshot_time);
}

const rows = new Rows(find("#vms"), makeVm);

export function showVms() {
    const isShown = ([, vm]) => !vm.is_a_template && !vm.is_a_snapshot && !vm.is_control_domain;

    rows.update([...records.get("vm")].filter(isShown).sort(byName));
}
