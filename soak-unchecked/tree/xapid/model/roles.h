/* The fixed rows of class role: the roles of the data model and the permissions they have.  They
 * are in every model and in no database. */
#ifndef XAPID_MODEL_ROLES_H
#define XAPID_MODEL_ROLES_H

#include "xapid/model/model.h"

/* Into a new model, before what the store kept. */
bool roles_load(struct model *model, GError **error);
/* The reference of a permission's or role's row; the caller frees. */
char *roles_ref(const char *name);
/* Calls each (name, needed, data) for every permission, in the data model's order. */
void roles_each_permission(void (*each)(const char *name, enum dm_role needed, void *data),
                           void *data);

#endif
