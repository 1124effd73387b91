#include "config.h"

#include "xapid/calls/login-turns.h"

#define ANSWERS_PER_TURN 16

struct address {
    char *name;
    GQueue waiting; /* of struct login_turn */
    guint pending;  /* turns that have not ended */
    gint64 wrong;   /* µs, monotonic: when it last gave a wrong password; 0: never */
};

struct login_turn {
    struct login_turns *turns;
    struct address *address;
    login_turn_fn check;
    void (*answer)(void *data);
    void *data;
    bool suspect; /* was when its check began */
    gint64 due;   /* µs, monotonic: of the answer, once it is delayed */
};

struct login_turns {
    GHashTable *addresses; /* name -> struct address */
    GQueue order;          /* addresses with somebody waiting, whose turn is first in front */
    guint pending, checks, suspect_checks;
    GQueue delayed; /* of struct login_turn, by `due` */
    guint timer;    /* source, for the first of them; 0: there is none */
};

static void
address_free(void *data)
{
    struct address *address = data;

    g_free(address->name);
    g_free(address);
}

struct login_turns *
login_turns_new(void)
{
    struct login_turns *turns = g_new0(struct login_turns, 1);

    turns->addresses = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, address_free);
    g_queue_init(&turns->order);
    g_queue_init(&turns->delayed);
    return turns;
}

void
login_turns_free(struct login_turns *turns)
{
    if (!turns)
        return;
    g_assert(turns->pending == 0);
    g_clear_handle_id(&turns->timer, g_source_remove);
    g_hash_table_unref(turns->addresses);
    g_free(turns);
}

static bool
is_suspect(const struct address *address)
{
    return address->wrong &&
           g_get_monotonic_time() - address->wrong < LOGIN_SUSPECT_SECONDS * G_TIME_SPAN_SECOND;
}

static gboolean
is_idle(void *key, void *value, void *data)
{
    (void)key;
    (void)data;
    return ((struct address *)value)->pending == 0;
}

static struct address *
find_address(struct login_turns *turns, const char *name)
{
    struct address *address = g_hash_table_lookup(turns->addresses, name);

    if (address)
        return address;
    if (g_hash_table_size(turns->addresses) >= LOGIN_ADDRESSES_MAX)
        g_hash_table_foreach_remove(turns->addresses, is_idle, NULL);
    address = g_new0(struct address, 1);
    address->name = g_strdup(name);
    g_queue_init(&address->waiting);
    g_hash_table_insert(turns->addresses, address->name, address);
    return address;
}

static bool
may_check(const struct login_turns *turns, bool suspect)
{
    return turns->checks < LOGIN_CHECKS_MAX &&
           (!suspect || turns->suspect_checks < LOGIN_SUSPECT_CHECKS_MAX);
}

static void
check(struct login_turn *turn, bool suspect)
{
    turn->suspect = suspect;
    turn->turns->checks++;
    turn->turns->suspect_checks += suspect;
    turn->check(turn, /* refused= */ false, turn->data);
}

/* The first address in the order whose turn may come, one place; false when there is none. */
static bool
check_next(struct login_turns *turns)
{
    for (GList *link = turns->order.head; link; link = link->next) {
        struct address *address = link->data;
        bool suspect = is_suspect(address);

        if (!may_check(turns, suspect))
            continue;
        struct login_turn *turn = g_queue_pop_head(&address->waiting);
        g_queue_unlink(&turns->order, link);
        if (g_queue_is_empty(&address->waiting))
            g_list_free_1(link);
        else
            g_queue_push_tail_link(&turns->order, link);
        check(turn, suspect);
        return true;
    }
    return false;
}

static bool
is_refused(const struct login_turns *turns, const struct address *address)
{
    return is_suspect(address) && (turns->pending >= LOGIN_SUSPECT_PENDING_MAX ||
                                   address->pending >= LOGIN_ADDRESS_PENDING_MAX);
}

bool
login_turn_begin(struct login_turns *turns, const char *name, login_turn_fn check_fn, void *data)
{
    if (turns->pending >= LOGIN_PENDING_MAX)
        return false;
    struct address *address = find_address(turns, name);
    bool refused = is_refused(turns, address);
    struct login_turn *turn = g_new0(struct login_turn, 1);
    *turn =
        (struct login_turn){.turns = turns, .address = address, .check = check_fn, .data = data};
    turns->pending++;
    address->pending++;
    if (refused) {
        check_fn(turn, refused, data);
        return true;
    }
    if (g_queue_is_empty(&address->waiting))
        g_queue_push_tail(&turns->order, address);
    g_queue_push_tail(&address->waiting, turn);
    check_next(turns);
    return true;
}

void
login_turn_checked(struct login_turn *turn, bool wrong)
{
    struct login_turns *turns = turn->turns;

    turns->checks--;
    turns->suspect_checks -= turn->suspect;
    if (wrong)
        turn->address->wrong = g_get_monotonic_time();
    while (check_next(turns))
        ;
}

static gboolean answer_due(gpointer data);

static void
set_timer(struct login_turns *turns)
{
    struct login_turn *first = g_queue_peek_head(&turns->delayed);

    g_clear_handle_id(&turns->timer, g_source_remove);
    if (!first)
        return;
    gint64 ms = (first->due - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND + 1;
    turns->timer = g_timeout_add((guint)MAX(ms, 0), answer_due, turns);
}

/* A few at a time: others have their turn of the main loop between them. */
static gboolean
answer_due(gpointer data)
{
    struct login_turns *turns = data;
    gint64 now = g_get_monotonic_time();

    turns->timer = 0;
    for (int i = 0; i < ANSWERS_PER_TURN; i++) {
        struct login_turn *first = g_queue_peek_head(&turns->delayed);

        if (!first || first->due > now)
            break;
        g_queue_pop_head(&turns->delayed);
        first->answer(first->data);
    }
    set_timer(turns);
    return G_SOURCE_REMOVE;
}

void
login_turn_delay(struct login_turn *turn, gint64 due, void (*answer)(void *data))
{
    struct login_turns *turns = turn->turns;
    GList *before = turns->delayed.tail;

    turn->due = due;
    turn->answer = answer;
    while (before && ((struct login_turn *)before->data)->due > due)
        before = before->prev;
    g_queue_insert_after(&turns->delayed, before, turn);
    if (!before)
        set_timer(turns);
}

void
login_turn_end(struct login_turn *turn)
{
    struct address *address = turn->address;

    turn->turns->pending--;
    if (--address->pending == 0 && !is_suspect(address))
        g_hash_table_remove(turn->turns->addresses, address->name);
    g_free(turn);
}
