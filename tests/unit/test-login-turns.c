/* Turns of logins: who gave a wrong password waits for others that did, and for nobody else. */
#include "config.h"

#include "xapid/calls/login-turns.h"

struct login {
    struct login_turn *turn; /* NULL: its turn has not come */
    bool refused;
};

static void
check(struct login_turn *turn, bool refused, void *data)
{
    struct login *login = data;

    login->turn = turn;
    login->refused = refused;
}

static void
answer(struct login *login, bool wrong)
{
    g_assert_nonnull(login->turn);
    if (!login->refused)
        login_turn_checked(login->turn, wrong);
    login_turn_end(login->turn);
    login->turn = NULL;
}

static void
give_wrong(struct login_turns *turns, const char *address)
{
    struct login login = {0};

    g_assert_true(login_turn_begin(turns, address, check, &login));
    answer(&login, true);
}

static void
test_suspects_wait(void)
{
    struct login_turns *turns = login_turns_new();
    struct login of_a[3] = {0}, of_b[2] = {0}, other = {0};

    give_wrong(turns, "a");
    give_wrong(turns, "b");
    for (unsigned i = 0; i < G_N_ELEMENTS(of_a); i++)
        g_assert_true(login_turn_begin(turns, "a", check, &of_a[i]));
    for (unsigned i = 0; i < G_N_ELEMENTS(of_b); i++)
        g_assert_true(login_turn_begin(turns, "b", check, &of_b[i]));
    g_assert_nonnull(of_a[0].turn);
    g_assert_null(of_a[1].turn);
    g_assert_null(of_b[0].turn);
    /* Another one does not wait for them. */
    g_assert_true(login_turn_begin(turns, "c", check, &other));
    answer(&other, false);
    /* Each address in its turn, however many one has. */
    answer(&of_a[0], true);
    answer(&of_a[1], true);
    g_assert_null(of_a[2].turn);
    answer(&of_b[0], true);
    answer(&of_a[2], true);
    answer(&of_b[1], true);
    login_turns_free(turns);
}

static void
test_all_at_once(void)
{
    struct login_turns *turns = login_turns_new();
    struct login logins[LOGIN_CHECKS_MAX + 1] = {0};

    for (unsigned i = 0; i < G_N_ELEMENTS(logins); i++)
        g_assert_true(login_turn_begin(turns, "a", check, &logins[i]));
    g_assert_nonnull(logins[LOGIN_CHECKS_MAX - 1].turn);
    g_assert_null(logins[LOGIN_CHECKS_MAX].turn);
    for (unsigned i = 0; i < G_N_ELEMENTS(logins); i++)
        answer(&logins[i], false);
    login_turns_free(turns);
}

/* The first of an address that are checked together are many; from the first wrong one on, one. */
static void
test_becoming_a_suspect(void)
{
    struct login_turns *turns = login_turns_new();
    struct login logins[LOGIN_CHECKS_MAX + 2] = {0};

    for (unsigned i = 0; i < G_N_ELEMENTS(logins); i++)
        g_assert_true(login_turn_begin(turns, "a", check, &logins[i]));
    for (unsigned i = 0; i < LOGIN_CHECKS_MAX; i++)
        answer(&logins[i], true);
    g_assert_nonnull(logins[LOGIN_CHECKS_MAX].turn);
    g_assert_null(logins[LOGIN_CHECKS_MAX + 1].turn);
    answer(&logins[LOGIN_CHECKS_MAX], true);
    answer(&logins[LOGIN_CHECKS_MAX + 1], true);
    login_turns_free(turns);
}

static void
expect(struct login_turns *turns, const char *address, struct login *login, bool refused)
{
    g_assert_true(login_turn_begin(turns, address, check, login));
    g_assert_cmpint(login->refused, ==, refused);
}

static void
test_bounds(void)
{
    struct login_turns *turns = login_turns_new();
    g_autofree struct login *logins = g_new0(struct login, LOGIN_PENDING_MAX);
    struct login other = {0};
    guint pending = 0;

    give_wrong(turns, "a");
    give_wrong(turns, "c");
    while (pending < LOGIN_ADDRESS_PENDING_MAX)
        expect(turns, "a", &logins[pending++], false);
    expect(turns, "a", &logins[pending++], true);
    while (pending < LOGIN_SUSPECT_PENDING_MAX)
        expect(turns, "b", &logins[pending++], false);
    expect(turns, "c", &logins[pending++], true);
    while (pending < LOGIN_PENDING_MAX)
        expect(turns, "d", &logins[pending++], false);
    g_assert_false(login_turn_begin(turns, "e", check, &other));
    g_assert_null(other.turn);
    for (guint left = pending; left > 0;)
        for (guint i = 0; i < pending; i++)
            if (logins[i].turn) {
                answer(&logins[i], false);
                left--;
            }
    login_turns_free(turns);
}

/* Of however many addresses. */
static void
test_forgetting(void)
{
    struct login_turns *turns = login_turns_new();
    struct login first = {0}, second = {0};

    for (guint i = 0; i < 2 * LOGIN_ADDRESSES_MAX + 10; i++) {
        g_autofree char *address = g_strdup_printf("%u", i);
        give_wrong(turns, address);
    }
    g_assert_true(login_turn_begin(turns, "0", check, &first));
    g_assert_true(login_turn_begin(turns, "0", check, &second));
    g_assert_nonnull(second.turn); /* no suspect any more */
    answer(&first, false);
    answer(&second, false);
    login_turns_free(turns);
}

struct delayed {
    struct login login;
    GQueue *answered; /* of struct delayed */
};

static void
note_answer(void *data)
{
    struct delayed *delayed = data;

    g_queue_push_tail(delayed->answered, delayed);
    answer(&delayed->login, true);
}

/* The one that is due first, whoever began to wait first; it takes more than one turn. */
static void
test_delays(void)
{
    enum { COUNT = LOGIN_CHECKS_MAX };
    struct login_turns *turns = login_turns_new();
    g_autofree struct delayed *delayed = g_new0(struct delayed, COUNT);
    gint64 now = g_get_monotonic_time();
    GQueue answered = G_QUEUE_INIT;

    for (int i = 0; i < COUNT; i++) {
        g_autofree char *address = g_strdup_printf("%d", i);
        delayed[i].answered = &answered;
        g_assert_true(login_turn_begin(turns, address, check, &delayed[i].login));
    }
    /* 37 shares no factor with the count: each time once. */
    for (int i = 0; i < COUNT; i++)
        login_turn_delay(delayed[i * 37 % COUNT].login.turn, now + (i * 37 % COUNT) * 100,
                         note_answer);
    g_assert_true(g_queue_is_empty(&answered));
    while (answered.length < COUNT)
        g_main_context_iteration(NULL, TRUE);
    for (int i = 0; i < COUNT; i++) {
        g_assert_cmpint(g_get_monotonic_time(), >=, now + i * 100);
        g_assert_true(g_queue_pop_head(&answered) == &delayed[i]);
    }
    login_turns_free(turns);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/login-turns/suspects-wait", test_suspects_wait);
    g_test_add_func("/login-turns/all-at-once", test_all_at_once);
    g_test_add_func("/login-turns/becoming-a-suspect", test_becoming_a_suspect);
    g_test_add_func("/login-turns/bounds", test_bounds);
    g_test_add_func("/login-turns/forgetting", test_forgetting);
    g_test_add_func("/login-turns/delays", test_delays);
    return g_test_run();
}
