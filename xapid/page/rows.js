/* A list of the page: one row for each of some records, in their order. */
export class Rows {
    /* make (ref): a new row {element, update (record)}. */
    constructor(list, make) {
        this.list = list;
        this.make = make;
        this.rows = new Map();
    }

    /* wanted: [reference, record] each.  Rows that stay are not moved without need: a button keeps
     * its focus. */
    update(wanted) {
        const refs = new Set(wanted.map(([ref]) => ref));
        let next = null;

        for (const [ref, row] of this.rows) {
            if (!refs.has(ref)) {
                row.element.remove();
                this.rows.delete(ref);
            }
        }
        next = this.list.firstElementChild;
        for (const [ref, record] of wanted) {
            if (!this.rows.has(ref))
                this.rows.set(ref, this.make(ref));
            const row = this.rows.get(ref);

            row.update(record);
            if (row.element === next)
                next = next.nextElementSibling;
            else
                this.list.insertBefore(row.element, next);
        }
    }
}

export function byName([, one], [, other]) {
    return one.name_label.localeCompare(other.name_label, undefined, {numeric: true}) ||
        one.uuid.localeCompare(other.uuid);
}

export function bytes(number) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;

    for (; number >= 1024 && unit < units.length - 1; unit++)
        number /= 1024;
    return `${Math.round(number * 10) / 10} ${units[unit]}`;
}
