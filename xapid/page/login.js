/* Who looks: the form, and the way out. */
import {login, logout} from "./api.js";
import {find, show} from "./element.js";
import {telling} from "./trouble.js";

const form = find("#login");

function showForm(shown) {
    form.hidden = !shown;
    find("main").hidden = shown;
    find("#logout").hidden = shown;
}

/* The session has ended, whoever ended it. */
export function leave() {
    show(find("#who"), "");
    showForm(true);
}

/* begin (): somebody has logged in; end (): he has logged out. */
export function watchLogin(begin, end) {
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        telling(async () => {
            const {user, password} = form.elements;

            await login(user.value, password.value);
            password.value = "";
            show(find("#who"), user.value);
            showForm(false);
            begin();
        })();
    });
    find("#logout").addEventListener("click", telling(async () => {
        end();
        await logout();
    }));
    /* A page that goes takes its session along; one that comes back from a browser's memory has none. */
    addEventListener("pagehide", () => logout().catch(() => {}));
    addEventListener("pageshow", (event) => event.persisted && location.reload());
}
