/* The XenAPI data model as constant tables.
 *
 * Generated from lib/datamodel/schema/ by lib/datamodel/generate.py; everything that depends on
 * the model (dispatch, type checks, roles, database defaults, events, xtool's verbs) reads these
 * tables.  All of it is constant: any thread may read it, nothing is ever freed.
 *
 * Values of the model's types are GVariants:
 *
 *   string s   bool b   int x (64-bit)   float d   datetime x (microseconds since 1970, UTC)
 *   ref s ("OpaqueRef:..." or REF_NULL)   enum s (its name)   void ()
 *   set<T> aT   map<K,V> a{KV}   record a{sv} (an option without a value is an absent member)
 *   event_batch a{sv}: "events" aa{sv}, "valid_ref_counts" a{si} by lower-case class name, "token"
 * s record<event> a{sv}: "id" s, "timestamp" s, "class" s (lower case), "operation" s, "ref" s and,
 *   but for "del", "snapshot" a{sv}: the record<class>.  (Its members are text, whatever the model
 *   says of the class event: that is how they are sent.)
 *
 * A GVariant does not know its XenAPI type, so codecs always take (type, value).
 */
#ifndef XAPID_LIB_DATAMODEL_H
#define XAPID_LIB_DATAMODEL_H

#include <glib.h>
#include <stdbool.h>

#define REF_NULL "OpaqueRef:NULL"
#define REF_PREFIX "OpaqueRef:"

enum dm_kind {
    DM_VOID,
    DM_STRING,
    DM_BOOL,
    DM_INT,
    DM_FLOAT,
    DM_DATETIME,
    DM_REF,
    DM_ENUM,
    DM_SET,
    DM_MAP,
    DM_RECORD,
    DM_OPTION,
    DM_EVENT_BATCH, /* its elem is record<event> */
    DM_EVENT,       /* record<event> */
};

/* Least privileged role that may do a thing; a larger value is a stronger role. */
enum dm_role {
    DM_ROLE_NONE, /* no role list in the model: any session */
    DM_ROLE_READ_ONLY,
    DM_ROLE_CLIENT_CERT,
    DM_ROLE_VM_OPERATOR,
    DM_ROLE_VM_ADMIN,
    DM_ROLE_VM_POWER_ADMIN,
    DM_ROLE_POOL_OPERATOR,
    DM_ROLE_POOL_ADMIN,
    DM_ROLE_LOCAL_ROOT, /* no role is enough: local root, pool secret or an emergency session */
    DM_ROLE_MAX
};

enum dm_lifecycle {
    DM_PUBLISHED,
    DM_PROTOTYPE,
    DM_DEPRECATED,
    DM_REMOVED,
};

enum dm_qualifier {
    DM_RW,         /* constructor argument, has a setter */
    DM_STATIC_RO,  /* constructor argument, no setter */
    DM_DYNAMIC_RO, /* neither */
};

/* Where the value of a field lives. */
enum dm_storage {
    DM_DURABLE,  /* on disk */
    DM_VOLATILE, /* memory and events only */
    DM_DERIVED,  /* the other side of a relation: computed from the index, never stored */
};

/* What a message does; everything but DM_CUSTOM is served by the generic calls. */
enum dm_message_kind {
    DM_CUSTOM,
    DM_GET_RECORD,
    DM_GET_BY_UUID,
    DM_GET_BY_NAME_LABEL,
    DM_GET_ALL,
    DM_GET_ALL_WHERE,
    DM_GET_ALL_RECORDS,
    DM_GET_ALL_RECORDS_WHERE,
    DM_CREATE,
    DM_DESTROY,
    DM_FIELD_GET,
    DM_FIELD_SET,
    DM_FIELD_ADD,    /* add_to_F (map) or add_F (set) */
    DM_FIELD_REMOVE, /* remove_from_F (map) or remove_F (set) */
};

struct dm_class;

struct dm_enum {
    const char *name;
    const char *const *values; /* NULL terminated, in the model's order */
    unsigned n_values;
};

struct dm_type {
    const char *name; /* as in the schema: "set<ref<VM>>" */
    enum dm_kind kind;
    const char *gvariant;       /* GVariant type string of a value */
    const struct dm_class *cls; /* ref, record */
    const struct dm_enum *en;   /* enum */
    const struct dm_type *key;  /* map */
    const struct dm_type *elem; /* set, map (its value), option */
};

/* A key of a map field that needs another role than the field; a trailing '*' matches any end. */
struct dm_key_role {
    const char *key; /* a table of these ends with key == NULL */
    enum dm_role role;
};

struct dm_relation; /* see below */

struct dm_field {
    const char *name; /* on the wire: the path joined by _ */
    unsigned index;   /* in the class's fields[] and in a row's tuple */
    const struct dm_class *cls;
    const struct dm_type *type;
    enum dm_qualifier qualifier;
    enum dm_storage storage;
    enum dm_lifecycle lifecycle;
    bool internal_only;       /* not in get_record, no accessors */
    bool required;            /* a constructor argument without a default */
    const char *default_text; /* GVariant text format of the default, of type->gvariant */
    enum dm_role get_role;
    enum dm_role set_role;               /* DM_ROLE_NONE where there is no setter */
    const struct dm_key_role *key_roles; /* NULL, or ends with key == NULL */
    /* DM_DERIVED: the field of another class whose reference (or set of references) this is the
     * reverse of.  Otherwise NULL. */
    const struct dm_field *reverse_of;
    /* The derived field that mirrors this one, or NULL. */
    const struct dm_field *mirrored_by;
    const char *description; /* a sentence of ours */
    bool setter_has_effect;  /* setting it does more than change the row */
};

struct dm_param {
    const char *name;
    const struct dm_type *type;
    bool optional;            /* trailing and may be left out */
    const char *default_text; /* GVariant text of the default when optional, else NULL */
    bool secret;              /* a password or the like */
};

struct dm_message {
    const char *name;       /* "start" */
    const char *full_name;  /* "VM.start" */
    const char *permission; /* "vm.start": the lower-cased full name */
    const struct dm_class *cls;
    const struct dm_field *field; /* DM_FIELD_*: which; else NULL */
    enum dm_message_kind kind;
    enum dm_lifecycle lifecycle;
    bool session;       /* a session reference precedes params */
    bool async;         /* Async.CLASS.message exists */
    bool pool_internal; /* pool sessions only */
    bool hidden;        /* left out of the published reference */
    bool emergency;     /* works in emergency mode */
    bool client_cert_ok;
    bool secret; /* the result or a parameter is secret: never logged */
    enum dm_role min_role;
    const struct dm_param *params; /* without the session */
    unsigned n_params;
    unsigned n_required;
    const struct dm_type *result;
    const struct dm_key_role *key_roles; /* of the key parameter */
    const char *const *errors;           /* NULL terminated */
    const char *description;             /* "" for generic ones and where nothing is written yet */
    bool not_forwarded;    /* served by a pool member itself, also over its unix socket */
    bool own_form;         /* XAPI encodes its parameters or result by hand: event.from ... */
    const char *extension; /* the host extension that does the work, or NULL */
};

struct dm_class {
    const char *name;       /* "VM" */
    const char *lower_name; /* "vm", as events have it */
    unsigned index;
    enum dm_lifecycle lifecycle;
    bool in_database;
    bool persistent; /* rows are kept on disk */
    bool generates_events;
    bool get_all_exposed;
    bool implicit_create_destroy;
    bool has_uuid;
    bool has_name_label; /* get_by_name_label exists (the pool's name_label has none) */
    enum dm_role min_role;
    enum dm_role read_role;
    const struct dm_field *fields;
    unsigned n_fields;
    const struct dm_message *messages; /* custom and generic, sorted by name */
    unsigned n_messages;
    const char *description;
    bool task_per_call;                /* a synchronous call of a message with async makes a task */
    const unsigned short *field_order; /* indexes of fields[] sorted by name */
};

struct dm_error {
    const char *code;
    const char *const *params; /* names, NULL terminated; may be empty */
    const char *description;   /* what happened and what to do, in one sentence */
};

struct dm_http_action {
    const char *name;   /* "get_services" */
    const char *method; /* "GET" */
    const char *path;   /* matched as the longest prefix */
    enum dm_role min_role;
    bool role_check; /* false: the handler itself decides whom to serve */
    bool client_cert_ok;
    bool hidden;                           /* left out of the published reference */
    const struct dm_key_role *sub_actions; /* NULL, or further permissions, key = action name */
    const char *const *query;              /* names of the documented query parameters */
};

struct dm_alert {
    const char *name;
    int priority; /* 1 is the most urgent */
};

extern const struct dm_class dm_classes[];
extern const unsigned dm_n_classes;
extern const unsigned short dm_class_order[]; /* indexes of dm_classes[] sorted by lower_name */
extern const struct dm_error dm_errors[];     /* sorted by code */
extern const unsigned dm_n_errors;
extern const struct dm_http_action dm_http_actions[];
extern const unsigned dm_n_http_actions;
extern const struct dm_alert dm_alerts[]; /* names of the messages that the daemon itself creates */
extern const unsigned dm_n_alerts;
/* All fields, messages, parameters and types of the model, as the classes point into them. */
extern const struct dm_field dm_fields[];
extern const unsigned dm_n_fields;
extern const struct dm_message dm_messages[];
extern const unsigned dm_n_messages;
extern const struct dm_param dm_params[];
extern const unsigned dm_n_params;
extern const struct dm_type dm_types[];
extern const unsigned dm_n_types;
/* The level of the API that we tell clients; the tables are of a later one. */
extern const int dm_api_version_major;
extern const int dm_api_version_minor;
/* What XAPI calls the version of its database with these classes. */
extern const int dm_db_schema_major;
extern const int dm_db_schema_minor;
extern const char *const dm_role_names[DM_ROLE_MAX]; /* "read-only"...; NULL for NONE, LOCAL_ROOT */

/* Look-ups; NULL when there is no such thing.  Class names compare without case when `fold`. */
const struct dm_class *dm_class_find(const char *name, bool fold);
const struct dm_field *dm_field_find(const struct dm_class *cls, const char *name);
const struct dm_message *dm_message_find(const struct dm_class *cls, const char *name);
const struct dm_error *dm_error_find(const char *code);
bool dm_enum_has(const struct dm_enum *en, const char *value);
/* The type written so ("set<ref<VM>>"), when the model uses it; every ref<C> and record<C> is
 * there. Linear: look it up once. */
const struct dm_type *dm_type_find(const char *name);

/* "VM.start" or "VM_start" -> message.  The underscore form splits at the longest class name. */
const struct dm_message *dm_method_find(const char *method);

/* The default value of a field (the empty value of its type when the model states none), of an
 * optional parameter (else NULL), and the empty value of a type: "", 0, false, 1970, the first
 * value of an enum, REF_NULL, an empty container; the record without members.  Full references
 * (never floating), the caller unrefs.  Defaults are parsed once and shared. */
GVariant *dm_field_default(const struct dm_field *field);
GVariant *dm_param_default(const struct dm_param *param);
GVariant *dm_type_empty(const struct dm_type *type);

/* Role needed for `key` of a map: the most specific matching entry of key_roles (which may be
 * NULL), or `otherwise`. */
enum dm_role dm_key_role(const struct dm_key_role *key_roles, const char *key,
                         enum dm_role otherwise);

/* True when `value` is a value of `type`: GVariant type, enum members, UTF-8 and characters that
 * XML allows, recursively.  Records: only known members, each of its type. */
bool dm_type_check(const struct dm_type *type, GVariant *value);

#endif
