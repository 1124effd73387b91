#include "config.h"

#include "xapid/domains/libxl-nics.h"

#include <stdlib.h>
#include <string.h>

#include "lib/member.h"

/* Puts the interface of a card into its bridge. */
#define NIC_SCRIPT XAPID_LIBEXECDIR "/nic-hotplug"
#define RATE_INTERVAL_US 50000 /* in which netback counts what a guest sends */

void
libxl_nic_fill(const struct guest_nic *card, libxl_device_nic *nic)
{
    G_STATIC_ASSERT(sizeof nic->mac == sizeof card->mac);

    libxl_device_nic_init(nic);
    nic->devid = card->device;
    nic->mtu = card->mtu;
    memcpy(nic->mac, card->mac, sizeof nic->mac);
    nic->bridge = libxl_copy(card->bridge);
    nic->script = libxl_copy(NIC_SCRIPT);
    /* A free text of libxl's, which nic-hotplug reads as the card's lock. */
    if (*card->lock && strcmp(card->lock, "unlocked") != 0)
        nic->ip = libxl_copy(card->lock);
    if (card->kbps) {
        nic->rate_interval_usecs = RATE_INTERVAL_US;
        nic->rate_bytes_per_interval =
            (uint64_t)card->kbps * 1024 * RATE_INTERVAL_US / G_USEC_PER_SEC;
    }
    nic->nictype = LIBXL_NIC_TYPE_VIF;
}

/* A whole machine has an emulated card, too, until its guest's drivers take it over. */
static void
fill(const struct guest_config *guest, const struct guest_nic *card, libxl_device_nic *nic)
{
    const char *model = member_text(guest->platform, "nic_type");

    libxl_nic_fill(card, nic);
    if (guest->type == GUEST_HVM)
        nic->nictype = LIBXL_NIC_TYPE_VIF_IOEMU;
    if (guest->type == GUEST_HVM && *model)
        nic->model = libxl_copy(model);
}

void
libxl_nics_fill(const struct guest_config *guest, libxl_domain_config *config)
{
    for (int i = 0; i < config->num_nics; i++)
        libxl_device_nic_dispose(&config->nics[i]);
    free(config->nics);
    config->num_nics = (int)guest->nics->len;
    config->nics = libxl_allocate(guest->nics->len + 1, sizeof *config->nics);
    for (guint i = 0; i < guest->nics->len; i++)
        fill(guest, &g_array_index(guest->nics, struct guest_nic, i), &config->nics[i]);
}
