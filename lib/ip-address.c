#include "config.h"

#include "lib/ip-address.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (INET6_ADDRSTRLEN + 4)

static unsigned
bits_of(int family)
{
    return family == AF_INET6 ? 128 : 32;
}

bool
ip_parse(const char *text, int family, struct ip_prefix *ret_address)
{
    struct ip_prefix address = {.family = family, .bits = bits_of(family)};

    if (inet_pton(family, text, address.bytes) != 1)
        return false;
    *ret_address = address;
    return true;
}

bool
ip_parse_prefix(const char *text, int family, struct ip_prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    char address[TEXT_MAX] = "";
    struct ip_prefix prefix;

    if (!slash || (size_t)(slash - text) >= sizeof address)
        return false;
    memcpy(address, text, (size_t)(slash - text));
    size_t digits = strspn(slash + 1, "0123456789");
    unsigned long bits = strtoul(slash + 1, NULL, 10);
    if (digits == 0 || digits > 3 || slash[1 + digits] != '\0' || bits == 0 ||
        bits > bits_of(family) || !ip_parse(address, family, &prefix))
        return false;
    prefix.bits = (unsigned)bits;
    *ret_prefix = prefix;
    return true;
}

bool
ip_netmask_bits(const char *netmask, unsigned *ret_bits)
{
    struct in_addr address;

    if (inet_pton(AF_INET, netmask, &address) != 1)
        return false;
    uint32_t mask = ntohl(address.s_addr), rest = ~mask;
    if (mask == 0 || (rest & (rest + 1)) != 0)
        return false;
    *ret_bits = (unsigned)__builtin_popcount(mask);
    return true;
}

static bool
bit(const uint8_t *bytes, unsigned n)
{
    return bytes[n / 8] & (0x80 >> n % 8);
}

static bool
rest_is(const struct ip_prefix *prefix, bool value)
{
    for (unsigned i = prefix->bits; i < bits_of(prefix->family); i++)
        if (bit(prefix->bytes, i) != value)
            return false;
    return true;
}

static bool
is_of_many(const struct ip_prefix *prefix)
{
    return prefix->family == AF_INET6 ? prefix->bytes[0] == 0xff : prefix->bytes[0] >= 224;
}

/* The last two bits of IPv4 have neither the net's own address nor one for all of it. */
bool
ip_is_of_host(const struct ip_prefix *prefix)
{
    static const uint8_t nothing[IP_BYTES];
    unsigned left = bits_of(prefix->family) - prefix->bits;

    if (is_of_many(prefix) || memcmp(prefix->bytes, nothing, sizeof nothing) == 0)
        return false;
    if (prefix->family == AF_INET && prefix->bytes[0] == 0)
        return false;
    if (left < 2)
        return true;
    return !rest_is(prefix, false) && (prefix->family == AF_INET6 || !rest_is(prefix, true));
}

static bool
is_link_local(const struct ip_prefix *address)
{
    return address->family == AF_INET6 && address->bytes[0] == 0xfe &&
           (address->bytes[1] & 0xc0) == 0x80;
}

bool
ip_is_neighbour(const struct ip_prefix *prefix, const struct ip_prefix *address)
{
    if (prefix->family != address->family ||
        memcmp(prefix->bytes, address->bytes, sizeof prefix->bytes) == 0 || is_of_many(address))
        return false;
    if (is_link_local(address)) /* where routers of IPv6 are, whatever the net */
        return true;
    for (unsigned i = 0; i < prefix->bits; i++)
        if (bit(prefix->bytes, i) != bit(address->bytes, i))
            return false;
    return true;
}
