/* A domain goes on with its images where their handles say they are now: new and empty ones, each
 * above the one that its QEMU has open.  That one writes out what it has kept back, and then all of
 * them change in one moment: a transaction of QEMU.  Formats are said.
 *
 * A node of QEMU that is made so is called by what its file is called, so a repeat knows what was
 * done.  Disks that are raw stay where they are. */
#include "config.h"

#include <string.h>
#include <yajl/yajl_gen.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/qmp.h"

/* libxl has another one for itself. */
#define MONITOR "/var/run/xen/qmp-libxenstat-%d"
#define NODE_PREFIX "xapid-"
#define NODE_DIGITS 24 /* of the sum; a name has at most 31 characters */

static char *
node_of(const char *path)
{
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

    return g_strdup_printf(NODE_PREFIX "%.*s", NODE_DIGITS, sum);
}

static const char *
text_of(yajl_val block, const char *name)
{
    const char *path[] = {"inserted", name, NULL};
    yajl_val value = yajl_tree_get(block, path, yajl_t_string);

    return value ? YAJL_GET_STRING(value) : "";
}

/* The node by which a device of QEMU (an answer of query-block) has that file; NULL: none has. */
static const char *
find_node(yajl_val answer, const char *path)
{
    const char *key[] = {"return", NULL};
    yajl_val blocks = yajl_tree_get(answer, key, yajl_t_array);
    g_autofree char *node = node_of(path);

    for (size_t i = 0; YAJL_IS_ARRAY(blocks) && i < blocks->u.array.len; i++) {
        yajl_val block = blocks->u.array.values[i];
        if (g_str_equal(text_of(block, "node-name"), node) ||
            g_str_equal(text_of(block, "file"), path))
            return text_of(block, "node-name");
    }
    return NULL;
}

/* ---- the transaction ---- */

static void
put(yajl_gen json, const char *text)
{
    yajl_gen_string(json, (const unsigned char *)text, strlen(text));
}

static void
put_member(yajl_gen json, const char *name, const char *text)
{
    put(json, name);
    put(json, text);
}

static void
put_change(yajl_gen json, const char *node, const char *path)
{
    g_autofree char *next = node_of(path);

    yajl_gen_map_open(json);
    put_member(json, "type", "blockdev-snapshot-sync");
    put(json, "data");
    yajl_gen_map_open(json);
    put_member(json, "node-name", node);
    put_member(json, "snapshot-file", path);
    put_member(json, "snapshot-node-name", next);
    put_member(json, "format", "qcow2");
    put_member(json, "mode", "existing");
    yajl_gen_map_close(json);
    yajl_gen_map_close(json);
}

static bool
commit(struct qmp *monitor, yajl_gen json, GError **error)
{
    const unsigned char *text;
    size_t length;

    yajl_gen_get_buf(json, &text, &length);
    yajl_val done = qmp_run(monitor, "transaction", (const char *)text, error);
    yajl_tree_free(done);
    return done != NULL;
}

/* ---- the disks ---- */

static bool
is_image(const struct guest_disk *disk)
{
    return g_strcmp0(disk->disk.format, "qcow2") == 0;
}

/* *ret_change: the node whose place the disk's file is to take; NULL: it has it. */
static bool
look(yajl_val answer, const struct guest_disk *disk, const char **ret_change, GError **error)
{
    *ret_change = NULL;
    if (find_node(answer, disk->disk.path))
        return true;
    for (char **base = disk->disk.bases; base && *base; base++)
        if ((*ret_change = find_node(answer, *base)))
            return true;
    g_autofree char *why = g_strdup_printf("the VM's device model does not have its disk %s as it "
                                           "should",
                                           disk->vdev);
    api_error_set(error, "OPERATION_NOT_ALLOWED", why, NULL);
    return false;
}

static bool
change(struct qmp *monitor, yajl_val answer, const GPtrArray *disks, bool only_check,
       GError **error)
{
    yajl_gen json = yajl_gen_alloc(NULL);
    bool ok = true, any = false;

    yajl_gen_map_open(json);
    put(json, "actions");
    yajl_gen_array_open(json);
    for (guint i = 0; ok && i < disks->len; i++) {
        const struct guest_disk *disk = disks->pdata[i];
        const char *node = NULL;
        ok = !is_image(disk) || look(answer, disk, &node, error);
        if (node)
            put_change(json, node, disk->disk.path);
        any |= node != NULL;
    }
    yajl_gen_array_close(json);
    yajl_gen_map_close(json);
    ok = ok && (!any || only_check || commit(monitor, json, error));
    yajl_gen_free(json);
    return ok;
}

static bool
any_image(const GPtrArray *disks)
{
    bool any = false;

    for (guint i = 0; i < disks->len; i++)
        any |= is_image(disks->pdata[i]);
    return any;
}

bool
libxl_backend_follow(struct backend_ctx *ctx, const struct domain_info *info,
                     const GPtrArray *disks, bool only_check, GError **error)
{
    (void)ctx;
    if (!any_image(disks))
        return true;
    if (info->type == GUEST_HVM) {
        api_error_set(error, "OPERATION_NOT_ALLOWED",
                      "an HVM guest that runs cannot go on with another image of its disk", NULL);
        return false;
    }
    g_autofree char *path = g_strdup_printf(MONITOR, info->domid);
    g_autoptr(qmp) monitor = qmp_open(path, error);
    yajl_val answer = monitor ? qmp_run(monitor, "query-block", NULL, error) : NULL;
    bool ok = answer && change(monitor, answer, disks, only_check, error);
    yajl_tree_free(answer);
    return ok;
}
