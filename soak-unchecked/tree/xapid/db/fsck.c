/* xapid-db fsck: what is wrong with a database. */
#include "config.h"

#include <stdio.h>

#include "lib/error.h"
#include "xapid/db/db.h"
#include "xapid/model/roles.h"
#include "xapid/store/database.h"

struct check {
    const char *path;
    const struct copy *copy;
};

/* Errors of the store name the copy. */
static char *
own_words(const struct check *check, const char *text)
{
    g_autoptr(GString) out = g_string_new(text);

    g_string_replace(out, check->copy->path, check->path, 0);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
print_fault(const struct model_fault *fault, void *data)
{
    g_autofree char *what = own_words(data, fault->what);

    printf("%s%s%s%s%s%s%s%s%s\n", fault->cls, *fault->uuid ? " uuid=" : "", fault->uuid,
           *fault->ref ? " ref=" : "", fault->ref, *fault->field ? " field=" : "", fault->field,
           *fault->cls ? ": " : "", what);
}

static int
check_copy(const struct check *check)
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();
    struct database *database =
        roles_load(model, &error) ? database_open_damaged(check->copy->path, &error) : NULL;
    guint n_faults = 0;

    if (database)
        n_faults = database_check(database, model, print_fault, (void *)check);
    database_close(database);
    model_free(model);
    if (error) {
        const struct model_fault fault = {
            .cls = "", .ref = "", .uuid = "", .field = "", .what = *api_error_params(error)};
        print_fault(&fault, (void *)check);
        return DB_FAILED;
    }
    if (n_faults)
        printf("%s: %u faults\n", check->path, n_faults);
    else
        printf("%s: sound\n", check->path);
    return n_faults ? DB_FAILED : DB_DONE;
}

int
db_fsck(const char *path)
{
    g_autoptr(GError) error = NULL;
    struct copy copy;

    if (!copy_make(path, &copy, &error))
        return db_failed(error);
    const struct check check = {.path = path, .copy = &copy};
    int status = check_copy(&check);
    copy_clear(&copy);
    return status;
}
