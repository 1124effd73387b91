/* The console of a VM, shown by noVNC over a websocket: a screen, or a text console, which the host
 * shows as one. */
import {consoleAddress} from "./api.js";
import {find, show} from "./element.js";

const NOVNC = "./novnc/core/rfb.js";

const panel = find("#console");
const state = panel.querySelector(".state");
let rfb = null;

/* noVNC, or why not. */
async function load() {
    try {
        return (await import(NOVNC)).default;
    } catch (failure) {
        throw new Error("Consoles need noVNC on the host (Debian's package novnc), which is not there " +
                        `or is of another kind: ${failure.message}`);
    }
}

export function closeConsole() {
    rfb?.disconnect();
    rfb = null;
    panel.hidden = true;
}

export async function openConsole(vm) {
    const RFB = await load();

    closeConsole();
    panel.hidden = false;
    panel.scrollIntoView();
    show(panel.querySelector("h2"), vm.name_label);
    show(state, "connecting");
    const screen = panel.querySelector(".screen");
    screen.replaceChildren();
    const opened = new RFB(screen, consoleAddress(vm.uuid), {shared: true, wsProtocols: ["binary"]});

    opened.scaleViewport = true;
    let connected = false;
    opened.addEventListener("connect", () => {
        connected = true;
        show(state, "");
        opened.focus();
    });
    opened.addEventListener("disconnect", () => {
        if (rfb === opened)
            show(state, connected ? "The console was closed: the VM or the session has ended." :
                                    "The console cannot be opened: the VM has none now, or too many look at it.");
    });
    rfb = opened;
}

panel.querySelector(".keys").addEventListener("click", () => {
    rfb?.sendCtrlAltDel();
    rfb?.focus();
});
panel.querySelector(".close").addEventListener("click", closeConsole);
