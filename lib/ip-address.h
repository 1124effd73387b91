/* IP addresses as text: what a user gives, checked.  Pure; any thread.  No name is looked up. */
#ifndef XAPID_LIB_IP_ADDRESS_H
#define XAPID_LIB_IP_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define IP_BYTES 16 /* of the longest */

struct ip_prefix {
    int family;              /* AF_INET, AF_INET6 */
    uint8_t bytes[IP_BYTES]; /* in the order of the network */
    unsigned bits;           /* of the net; all of them for an address alone */
};

/* "10.0.0.5", "fd00::5". */
bool ip_parse(const char *text, int family, struct ip_prefix *ret_address);
/* "10.0.0.5/24", "fd00::5/64": at least one bit, and no more than there are. */
bool ip_parse_prefix(const char *text, int family, struct ip_prefix *ret_prefix);
/* "255.255.255.0" is 24 bits; 1 to 32, and ones before noughts. */
bool ip_netmask_bits(const char *netmask, unsigned *ret_bits);
/* Can a machine have it: not the net's own address, nor one of many machines? */
bool ip_is_of_host(const struct ip_prefix *prefix);
/* Is the address in the net of prefix, and another one than its? */
bool ip_is_neighbour(const struct ip_prefix *prefix, const struct ip_prefix *address);

#endif
