/* Networks, and the PIFs by which hosts have a part in them: what is to be on a host, and the rows
 * of what is there.
 *
 * A network is a bridge, which its PIF leads out of the host: the interface itself, or a VLAN of
 * it.  What is desired is a pure function of the model; xapid-host compares it with what is.
 * A PIF that is not `managed` is the administrator's: its interface is used as it is (VLANs on it
 * are ours), and never changed.
 *
 * Main loop only. */
#ifndef XAPID_NET_NET_H
#define XAPID_NET_NET_H

#include "lib/bridge-name.h"
#include "xapid/model/model.h"

struct undo;

const struct dm_class *network_class(void);
const struct dm_class *pif_class(void);

/* --- network.c --- */

/* Bytes: INVALID_VALUE [MTU, value].  A bridge has it when a card next needs the bridge. */
bool network_check_mtu(gint64 mtu, GError **error);
/* May a field, of a network or another class, become `value`? */
bool network_check_value(const struct dm_field *field, GVariant *value, GError **error);
/* What it has, within the limits that a bridge has: rows may be older than those. */
gint64 network_mtu(const struct model *model, const char *network);
bool network_bridge_is_taken(const struct model *model, const char *bridge);
/* The first of xapi0, xapi1 … that no network has.  The caller frees. */
char *network_free_bridge(const struct model *model);
/* The PIF by which a host has a part in it, or NULL.  The caller frees. */
char *network_pif(const struct model *model, const char *network, const char *host);

/* --- desired.c --- */

#define NETWORK_TYPE "(sbusi(asssa{ss}))" /* as org.xapid.Host1.xml says */

/* A network as it would be with this PIF, or with none (NULL), to lead it out: NETWORK_TYPE,
 * floating. */
GVariant *network_led_out_by(const struct model *model, const char *network, const char *pif);
/* The same as it is to be on a host. */
GVariant *network_desired(const struct model *model, const char *network, const char *host);
/* All networks that xapid makes there, VLANs last; *ret_networks (the caller frees) has the rows,
 * borrowed, in the same order. */
GVariant *networks_desired(const struct model *model, const char *host, GPtrArray **ret_networks);
/* Could a guest be put on it there?  REQUIRED_PIF_IS_UNPLUGGED [PIF]; PIF_UNMANAGED [PIF]: the
 * administrator has the interface, and no bridge for it. */
bool network_is_plugged(const struct model *model, const char *network, const char *host,
                        GError **error);

/* --- addresses.c --- */

#define ADDRESSING_TYPE "(sssss)" /* as ApplyAddresses of org.xapid.Host1.xml says */

/* What PIF.reconfigure_ip and _ipv6 are given.  Another mode than Static needs none of it.
 * INVALID_IP_ADDRESS_SPECIFIED [parameter], INVALID_CIDR_ADDRESS_SPECIFIED [parameter]. */
struct addressing_ipv4 {
    const char *mode, *ip, *netmask, *gateway, *dns;
};
struct addressing_ipv6 {
    const char *mode, *ipv6, *gateway, *dns;
};
bool addressing_check_ipv4(const struct addressing_ipv4 *wanted, GError **error);
bool addressing_check_ipv6(const struct addressing_ipv6 *wanted, GError **error);
/* Writes them, without what their mode does not use. */
void addressing_set_ipv4(struct txn *txn, const char *pif, const struct addressing_ipv4 *wanted);
void addressing_set_ipv6(struct txn *txn, const char *pif, const struct addressing_ipv6 *wanted);
/* "10.0.0.5/24"; "" when that is no netmask.  The caller frees. */
char *addressing_prefix(const char *ip, const char *netmask);
/* What this host is to have on the bridges of its PIFs: an array of ADDRESSING_TYPE, floating;
 * *ret_pifs (the caller frees) has the rows, borrowed, in the same order; *ret_servers (the caller
 * frees) are those of names.  The default route and those are of the management PIF. */
GVariant *addresses_desired(const struct model *model, const char *host, GPtrArray **ret_pifs,
                            char **ret_servers);
/* The row of one that routers tell of its addresses becomes what is there. */
void addresses_seen(struct txn *txn, const char *pif, const char *const *there);
/* The fields of a PIF that say its addresses, and how it comes by them; NULL terminated. */
extern const char *const pif_addressing[];
/* Is the host to have an address on it? */
bool pif_has_addresses(const struct model *model, const char *pif);
/* The PIF by which this host is managed, when it is ours, or NULL.  The caller frees. */
char *pif_of_management(const struct model *model, const char *host);
/* Its address, of the primary type, or NULL.  The caller frees. */
char *pif_address(const struct model *model, const char *pif);

/* --- pifs.c --- */

/* What xapid-host tells of interfaces (aa{sv}, Interfaces of org.xapid.Host1.xml) becomes the
 * facts of the PIFs that are there, which are known by their MACs.  address: the host's own, whose
 * PIF is its management interface. */
bool pifs_refresh(struct model *model, const char *host, const char *address, GVariant *interfaces,
                  GError **error);
/* The same, when this host has no PIF or is_asked: devices of the machine that have none get one.
 */
bool pifs_scan(struct model *model, const char *host, const char *address, GVariant *interfaces,
               bool is_asked, GError **error);
/* A PIF for an interface (one of those), and the network that it leads to, when there is none:
 * borrowed until the end of txn.  managed false, or an interface that is in use: it is left to the
 * administrator.  NULL with an error. */
const char *pif_introduce(struct txn *txn, const char *host, GVariant *interface, bool managed,
                          GError **error);
/* The interface, or NULL; the caller frees.  "" and NULL match all. */
GVariant *pifs_find(GVariant *interfaces, const char *device, const char *mac);
/* The untagged PIF of a device, or NULL.  The caller frees. */
char *pif_of_device(const struct model *model, const char *host, const char *device);
bool pif_is_vlan(const struct model *model, const char *pif);
/* With its metrics, and its VLAN; its network stays. */
bool pif_destroy(struct txn *txn, const char *pif, GError **error);

/* --- vlan.c --- */

/* May there be a VLAN of this tag on a PIF, for that network?  VLAN_TAG_INVALID, PIF_IS_VLAN,
 * CANNOT_ADD_VLAN_TO_BOND_SLAVE, IS_TUNNEL_ACCESS_PIF, PIF_VLAN_EXISTS, NETWORK_ALREADY_CONNECTED,
 * NETWORK_UNMANAGED. */
bool vlan_check(const struct model *model, const char *pif, gint64 tag, const char *network,
                GError **error);
/* Its rows, with a PIF that is not attached; borrowed until the end of txn.  NULL with an error. */
const char *vlan_create(struct txn *txn, const char *pif, gint64 tag, const char *network,
                        const char **ret_pif, GError **error);
/* The VLANs on a PIF: borrowed references. */
GPtrArray *pif_vlans(const struct model *model, const char *pif);
/* A VLAN on a PIF that is attached? */
bool pif_has_attached_vlans(const struct model *model, const char *pif);

/* --- bond.c --- */

const struct dm_class *bond_class(void);
/* The bond that a PIF is the master of, or NULL.  The caller frees. */
char *pif_bond(const struct model *model, const char *pif);
/* Is it in one? */
bool pif_is_bonded(const struct model *model, const char *pif);
/* References of the PIFs in it, borrowed. */
GPtrArray *bond_members(const struct model *model, const char *bond);
/* The bond of NETWORK_TYPE that a PIF is; floating.  Of another PIF, or NULL: none. */
GVariant *bond_desired(const struct model *model, const char *pif);
/* Can the host make a bond of that mode with those properties (a{ss})?  INVALID_VALUE [mode,
 * value], [properties, "name = value"], or [properties, name]: the Linux bridge has not got it. */
bool bond_check_settings(const struct model *model, const char *host, const char *mode,
                         GVariant *properties, GError **error);
/* Those that it has: of LACP, with its defaults; floating. */
GVariant *bond_properties(const char *mode, GVariant *properties);
/* May PIFs become a bond, for that network?  PIF_BOND_NEEDS_MORE_MEMBERS, INVALID_VALUE [members,
 * value], NETWORK_UNMANAGED, NETWORK_ALREADY_CONNECTED, PIF_CANNOT_BOND_CROSS_HOST,
 * PIF_ALREADY_BONDED, PIF_IS_VLAN, IS_TUNNEL_ACCESS_PIF, PIF_UNMANAGED,
 * PIF_IS_MANAGEMENT_INTERFACE, PIF_VLAN_EXISTS: two have the same tag; PIF_BOND_MORE_THAN_ONE_IP.
 */
bool bond_check(const struct model *model, const char *network, const char *const *members,
                GError **error);

/* --- bond-rows.c --- */

/* Strings and variants are borrowed. */
struct bond_wanted {
    const char *mac; /* "": that of the first member */
    const char *mode;
    GVariant *properties;
};
/* Its rows; the master is attached if a member was.  References are borrowed until the end of the
 * transaction.  NULL with an error. */
const char *bond_create(struct undo *undo, const char *network, const char *const *members,
                        const struct bond_wanted *wanted, const char **ret_master, GError **error);
/* Its primary member has all that it had. */
bool bond_destroy(struct txn *txn, const char *bond, GError **error);
/* The bond and its master alone, after undo_all (). */
bool bond_end_rows(struct txn *txn, const char *bond, GError **error);
/* Its links, and its master's, from those of its members. */
void bond_refresh(struct txn *txn, const char *bond);

/* --- undo.c --- */

struct undo *undo_new(struct txn *txn); /* borrows it until it ends */
void undo_free(struct undo *undo);
struct txn *undo_txn(const struct undo *undo);
/* As txn_set_value (). */
void undo_set(struct undo *undo, const char *ref, const char *field, GVariant *value);
/* In a later transaction: what was set is as it was, but for rows that are gone. */
void undo_all(const struct undo *undo, struct txn *txn);

#endif
