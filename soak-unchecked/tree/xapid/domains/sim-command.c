/* What tests tell the simulator: guests that act by themselves, and other toolstacks. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "xapid/domains/argument.h"
#include "xapid/domains/sim-guest.h"
#include "xapid/domains/sim-world.h"

#define FOREIGN_MEMORY ((int64_t)64 << 20)

static bool
foreign_create(struct world *world, const char *uuid, const char *name)
{
    struct world_domain template = {
        .type = GUEST_PVH,
        .memory = FOREIGN_MEMORY,
        .memory_max = FOREIGN_MEMORY,
        .vcpus = 1,
        .vcpus_max = 1,
        .since_us = world_now(),
    };
    struct world_domain *domain;

    if (!*name || strlen(name) > CONFIG_NAME_MAX || !g_utf8_validate(name, -1, NULL))
        return false;
    memcpy(template.uuid, uuid, UUID_LENGTH + 1);
    memcpy(template.name, name, strlen(name) + 1);
    domain = world_introduce(world, &template);
    if (!domain)
        return false;
    world_set_state(world, domain, DOMAIN_RUNNING, REASON_NONE);
    return true;
}

static bool
guest_acts(struct world *world, const char *uuid, enum shutdown_reason reason)
{
    struct world_domain *domain = world_find_uuid(world, uuid);

    if (!domain || domain->state != DOMAIN_RUNNING)
        return false;
    world_set_state(world, domain, DOMAIN_SHUTDOWN, reason);
    return true;
}

static bool
command_run(struct world *world, const char *verb, const char *uuid, const char *name)
{
    static const struct {
        const char *verb;
        enum shutdown_reason reason;
    } acts[] = {{"halt", REASON_POWEROFF}, {"reboot", REASON_REBOOT}, {"crash", REASON_CRASH}};
    struct world_domain *domain = world_find_uuid(world, uuid);

    for (size_t i = 0; i < G_N_ELEMENTS(acts); i++)
        if (g_str_equal(verb, acts[i].verb))
            return guest_acts(world, uuid, acts[i].reason);
    if (g_str_equal(verb, "xl-create"))
        return foreign_create(world, uuid, name);
    if (!domain)
        return false;
    if (g_str_equal(verb, "write")) {
        g_auto(GStrv) words = g_strsplit(name, " ", 2);
        return g_strv_length(words) == 2 &&
               sim_guest_write(world, domain->domid, words[0], words[1]);
    }
    if (g_str_equal(verb, "refuse-shutdown")) {
        domain->refuses_shutdown = true;
    } else if (g_str_equal(verb, "obey-shutdown")) {
        domain->refuses_shutdown = false;
    } else if (g_str_equal(verb, "refuse-unplug")) {
        domain->refuses_unplug = true;
    } else if (g_str_equal(verb, "obey-unplug")) {
        domain->refuses_unplug = false;
    } else if (g_str_equal(verb, "xl-destroy")) {
        world_remove(world, domain);
    } else if (g_str_equal(verb, "xl-pause") && domain->state == DOMAIN_RUNNING) {
        world_set_state(world, domain, DOMAIN_PAUSED, REASON_NONE);
    } else if (g_str_equal(verb, "xl-unpause") && domain->state == DOMAIN_PAUSED) {
        world_set_state(world, domain, DOMAIN_RUNNING, REASON_NONE);
    } else {
        return false;
    }
    return true;
}

bool
world_command(struct world *world, const char *command)
{
    g_auto(GStrv) words = g_strsplit(command, " ", 3);
    bool ok;

    if (!words[0] || !words[1] || !uuid_check(words[1], NULL))
        return false;
    world_lock(world);
    ok = command_run(world, words[0], words[1], words[2] ? words[2] : "");
    world_unlock(world);
    return ok;
}
