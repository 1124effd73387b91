/* Elements of the page.  Whatever is shown goes in as text: names and descriptions are anybody's. */

/* A new element; `children`: elements, or strings. */
export function element(tag, className = "", ...children) {
    const made = document.createElement(tag);

    made.className = className;
    made.append(...children);
    return made;
}

export function button(label, pressed) {
    const made = element("button", "", label);

    made.type = "button";
    made.addEventListener("click", pressed);
    return made;
}

/* Sets it where it differs, so that what a reader has selected stays. */
export function show(where, text) {
    if (where.textContent !== text)
        where.textContent = text;
    where.hidden = text === "";
}

export function find(selector) {
    return document.querySelector(selector);
}
