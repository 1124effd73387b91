/* The list of hosts. */
import {element, find, show} from "./element.js";
import {records} from "./records.js";
import {byName, bytes, Rows} from "./rows.js";

function makeRow() {
    const name = element("span", "name");
    const facts = element("span", "facts");
    const description = element("div", "description");
    const row = element("li", "host", element("div", "row", name, facts), description);

    function update(host) {
        const metrics = records.get("host_metrics").get(host.metrics);
        const version = host.software_version;
        const words = [host.address, `${version.product_brand} ${version.xapid}`,
                       `Xen ${version.xen}`, `${host.cpu_info.cpu_count} CPUs`];

        if (metrics)
            words.push(`${bytes(metrics.memory_free)} of ${bytes(metrics.memory_total)} free`);
        if (!host.enabled)
            words.push("disabled");
        show(name, host.name_label);
        show(facts, words.join(" · "));
        show(description, host.name_description);
    }

    return {element: row, update};
}

const rows = new Rows(find("#hosts"), makeRow);

export function showHosts() {
    rows.update([...records.get("host")].sort(byName));
}
