/* The page: who has logged in sees what the host has, as it changes. */
import {closeConsole} from "./console.js";
import {showHosts} from "./hosts.js";
import {leave, watchLogin} from "./login.js";
import {follow, forget} from "./records.js";
import {showTasks} from "./tasks.js";
import {say} from "./trouble.js";
import {showVms} from "./vms.js";

let following = null; /* an AbortController while somebody is logged in */
let unreachable = false;

function showAll() {
    showHosts();
    showVms();
    showTasks();
}

/* What other parts of the page say is left standing. */
function tellReach(text) {
    if (text || unreachable)
        say(text);
    unreachable = text !== "";
}

function end() {
    following?.abort();
    following = null;
    closeConsole();
    forget();
    showAll();
    leave();
}

async function begin() {
    const mine = new AbortController();

    following = mine;
    try {
        await follow(mine.signal, showAll, tellReach);
    } catch (failure) {
        if (following === mine) {
            end();
            say(failure.message);
        }
    }
}

watchLogin(begin, end);
