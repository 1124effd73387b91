#include "config.h"

#include "xapid/host/roll.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/host/driver.h"

/* The answer leaves with the last one's. */
struct roll_call {
    void (*done)(GVariant *drivers, void *data);
    void *data;
    GVariantBuilder drivers;
    unsigned missing;
};

struct roll_answer {
    struct roll_call *roll;
    char *path;
};

static void
roll_end(struct roll_call *roll)
{
    if (--roll->missing > 0)
        return;
    roll->done(g_variant_builder_end(&roll->drivers), roll->data);
    g_free(roll);
}

static void
driver_told(GVariant *result, const GError *error, void *data)
{
    struct roll_answer *answer = data;

    if (error) {
        log_warning("%s is left out: %s", answer->path, error->message);
    } else {
        g_auto(GVariantDict) driver = G_VARIANT_DICT_INIT(result);
        g_autofree char *name = g_path_get_basename(answer->path);
        /* Its name is what it is called by, whatever it says. */
        g_variant_dict_insert(&driver, "type", "s", name);
        g_variant_dict_insert(&driver, "driver_filename", "s", answer->path);
        g_variant_builder_add_value(&answer->roll->drivers, g_variant_dict_end(&driver));
    }
    roll_end(answer->roll);
    g_free(answer->path);
    g_free(answer);
}

void
roll_call(const char *folder, void (*done)(GVariant *drivers, void *data), void *data)
{
    g_auto(GStrv) names = driver_list(folder);
    struct roll_call *roll = g_new0(struct roll_call, 1);

    roll->done = done;
    roll->data = data;
    roll->missing = 1;
    g_variant_builder_init(&roll->drivers, G_VARIANT_TYPE("aa{sv}"));
    for (char **name = names; *name; name++) {
        struct roll_answer *answer = g_new0(struct roll_answer, 1);
        g_autoptr(GError) error = NULL;
        answer->roll = roll;
        answer->path = g_build_filename(folder, *name, NULL);
        roll->missing++;
        if (!driver_run(folder, *name, "query", NULL, NULL, driver_told, answer, &error))
            driver_told(NULL, error, answer);
    }
    roll_end(roll);
}
