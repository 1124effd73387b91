/* A plan: what a lifecycle operation will do, as an array of idempotent steps.
 *
 * Plans come from pure functions that look at the model; ops runs them, and its journal keeps them
 * as text, so a step is a name and arguments, never a pointer.  Immutable once submitted. */
#ifndef XAPID_OPS_PLAN_H
#define XAPID_OPS_PLAN_H

#include <glib.h>
#include <stdbool.h>

#define PLAN_MAX_STEPS 192

struct step {
    char *kind;     /* name of a struct step_kind */
    GVariant *args; /* a{sv} */
};

struct plan {
    char *operation;     /* as current_operations has it: "start" */
    char *object;        /* reference whose queue it waits in */
    GPtrArray *shown_by; /* references whose current_operations have it; plan_new: the object */
    GPtrArray *steps;    /* of struct step */
    bool interrupts;     /* cancels what is before it in the queue, when it is submitted */
};

struct plan *plan_new(const char *operation, const char *object);
void plan_free(struct plan *plan);

/* Has another row show it instead, or too: one that the room knows. */
void plan_show_by(struct plan *plan, const char *row);
void plan_show_also(struct plan *plan, const char *row);

/* Appends a step; args a{sv}, sunk when floating, NULL for none. */
void plan_add(struct plan *plan, const char *kind, GVariant *args);

/* (ssasa(sa{sv})), without `interrupts`, a floating reference; and back: NULL when it is not a
 * plan.
 */
#define PLAN_TYPE "(ssasa(sa{sv}))"
GVariant *plan_to_variant(const struct plan *plan);
struct plan *plan_from_variant(GVariant *variant);

#endif
