//! The tables.

use super::{Column, Holds, Key, Purge, Section, Shape, Table};

const fn column(name: &'static str, from: &'static str, shape: Shape) -> Column {
    Column { name, from, shape }
}

const fn id(name: &'static str) -> Column {
    column(name, name, Shape::Id)
}

const fn text(name: &'static str) -> Column {
    column(name, name, Shape::Text)
}

const fn instant(name: &'static str) -> Column {
    column(name, name, Shape::Instant)
}

const fn number(name: &'static str, from: &'static str) -> Column {
    column(name, from, Shape::Number)
}

const fn words(name: &'static str) -> Column {
    column(name, name, Shape::Words)
}

const fn table(name: &'static str, holds: Holds) -> Table {
    Table { name, holds }
}

const fn rows(
    member: &'static str,
    whose: &'static str,
    key: (&'static str, Key),
    columns: &'static [Column],
) -> Section {
    Section { member, one: false, whose, key, columns }
}

const fn one(member: &'static str, columns: &'static [Column]) -> Section {
    Section { member, one: true, whose: "id = $1", key: ("id", Key::Id), columns }
}

const OWN: &str = "user_id = $1";
const BY_ID: (&str, Key) = ("id", Key::Id);
const THEIRS: (&str, &str) = ("user_id", "theirs, or it would not be here");
const BOOKKEEPING: &str = "the service's own counting";
const DERIVED: &str = "follows from what is shown";
const CHAIN: &str = "what the chain of the audit is made of";
const ANSWERED: &str = "they have had the answer, and it may hold a secret";

/// Every table there is.
pub const TABLES: &[Table] = &[
    table("users", Holds::People { sections: USER, withheld: NOT_OF_USERS, purge: Purge::Specially }),
    table("sessions", Holds::People { sections: SESSIONS, withheld: NOT_OF_SESSIONS, purge: Purge::Rows("user_id") }),
    table(
        "user_custom_roles",
        Holds::People { sections: ROLES, withheld: NOT_OF_ROLES, purge: Purge::Rows("user_id") },
    ),
    table("api_keys", Holds::People { sections: API_KEYS, withheld: NOT_OF_API_KEYS, purge: Purge::Rows("user_id") }),
    table("avatars", Holds::People { sections: AVATAR, withheld: NOT_OF_AVATAR, purge: Purge::Rows("user_id") }),
    table("audit_events", Holds::People { sections: AUDIT, withheld: NOT_OF_AUDIT, purge: Purge::Specially }),
    table("mails", Holds::People { sections: MAILS, withheld: NOT_OF_MAILS, purge: Purge::Specially }),
    table("links", Holds::People { sections: LINKS, withheld: NOT_OF_LINKS, purge: Purge::Rows("user_id") }),
    table("idempotency_keys", Holds::People { sections: KEYS, withheld: NOT_OF_KEYS, purge: Purge::Specially }),
    table("known_devices", Holds::People { sections: &[], withheld: NOT_OF_DEVICES, purge: Purge::Rows("user_id") }),
    table("oauth_consents", Holds::People { sections: CONSENTS, withheld: &[THEIRS], purge: Purge::Rows("user_id") }),
    table(
        "authorizations",
        Holds::People { sections: AUTHORIZATIONS, withheld: NOT_OF_AUTHORIZATIONS, purge: Purge::Rows("user_id") },
    ),
    table("totp_factors", Holds::People { sections: TOTP, withheld: NOT_OF_TOTP, purge: Purge::Rows("user_id") }),
    table(
        "recovery_codes",
        Holds::People { sections: RECOVERY_CODES, withheld: NOT_OF_RECOVERY_CODES, purge: Purge::Rows("user_id") },
    ),
    table("passkeys", Holds::People { sections: PASSKEYS, withheld: NOT_OF_PASSKEYS, purge: Purge::Rows("user_id") }),
    table("answered_challenges", Holds::Nobody("random numbers, whoever drew them")),
    table("oauth_clients", Holds::Nobody("which programs there are, whoever uses them")),
    table("id_token_keys", Holds::Nobody("the service's keys")),
    table("revocations", Holds::Nobody("what gateways are told of ids, for as long as tokens live")),
    table("custom_roles", Holds::Nobody("which roles there are, whoever has them")),
    table("audit_head", Holds::Nobody("where the audit ends")),
    table("counters", Holds::Nobody("numbers")),
    table("signing_keys", Holds::Nobody("the service's keys")),
    table("secrets", Holds::Nobody("the service's secrets")),
    table("seaql_migrations", Holds::Nobody("the schema's history")),
];

const USER: &[Section] = &[
    one(
        "user",
        &[
            id("id"),
            text("email"),
            column("email_verified", "email_verified", Shape::Flag),
            text("username"),
            text("name"),
            words("roles"),
            words("custom_roles"),
            words("permissions"),
            instant("created_at"),
            instant("updated_at"),
            instant("disabled_at"),
            instant("deleted_at"),
        ],
    ),
    one(
        "profile",
        &[
            text("first_name"),
            text("last_name"),
            text("birth_date"),
            text("phone"),
            text("street"),
            text("city"),
            text("state"),
            text("zip_code"),
        ],
    ),
];
const NOT_OF_USERS: &[(&str, &str)] = &[
    ("seq", BOOKKEEPING),
    ("ver", BOOKKEEPING),
    ("revision", BOOKKEEPING),
    ("purged_at", "nobody is left to ask"),
    ("email_norm", DERIVED),
    ("username_norm", DERIVED),
    ("username_skeleton", DERIVED),
    ("username_skeleton_upper", DERIVED),
    ("search", DERIVED),
    ("password_hash", "whoever has it can guess the password"),
    ("foreign_cost", "follows from the password's hash"),
];

const SESSIONS: &[Section] = &[rows(
    "sessions",
    OWN,
    BY_ID,
    &[
        id("id"),
        words("scope"),
        instant("created_at"),
        instant("authenticated_at"),
        words("amr"),
        column("last_refreshed_at", "rotated_at", Shape::Instant),
        instant("expires_at"),
        instant("ended_at"),
        text("client_ip"),
        text("last_ip"),
        text("user_agent"),
        text("carrier"),
        id("client_id"),
        id("parent_id"),
    ],
)];
const NOT_OF_SESSIONS: &[(&str, &str)] = &[THEIRS, ("counter", "a part of the refresh token")];

const ROLES: &[Section] = &[rows("custom_roles", OWN, ("role_id", Key::Id), &[id("role_id"), instant("granted_at")])];
const NOT_OF_ROLES: &[(&str, &str)] = &[THEIRS, ("granted_by", "somebody else")];

const API_KEYS: &[Section] = &[rows(
    "api_keys",
    OWN,
    BY_ID,
    &[
        id("id"),
        text("name"),
        text("prefix"),
        words("scopes"),
        instant("created_at"),
        instant("expires_at"),
        instant("last_used_at"),
        instant("revoked_at"),
    ],
)];
const NOT_OF_API_KEYS: &[(&str, &str)] = &[THEIRS, ("digest", "a secret's")];

const TOTP: &[Section] =
    &[rows("authenticator_apps", OWN, ("user_id", Key::Id), &[instant("created_at"), instant("confirmed_at")])];
const NOT_OF_TOTP: &[(&str, &str)] = &[THEIRS, ("secret", "a secret"), ("last_step", BOOKKEEPING)];

const RECOVERY_CODES: &[Section] =
    &[rows("recovery_codes", OWN, ("digest", Key::Bytes), &[instant("created_at"), instant("used_at")])];
const NOT_OF_RECOVERY_CODES: &[(&str, &str)] = &[THEIRS, ("digest", "a secret's")];

const PASSKEYS: &[Section] = &[rows(
    "passkeys",
    OWN,
    BY_ID,
    &[
        id("id"),
        text("name"),
        column("backup_eligible", "backup_eligible", Shape::Flag),
        column("backed_up", "backed_up", Shape::Flag),
        words("transports"),
        instant("created_at"),
        instant("last_used_at"),
    ],
)];
const NOT_OF_PASSKEYS: &[(&str, &str)] = &[
    THEIRS,
    ("credential_id", "between their authenticator and the service"),
    ("public_key", "the same"),
    ("algorithm", "the same"),
    ("sign_count", BOOKKEEPING),
];

const CONSENTS: &[Section] =
    &[rows("consents", OWN, ("client_id", Key::Id), &[id("client_id"), words("scope"), instant("granted_at")])];

/// What clients asked for and they decided, while it is under way.
const AUTHORIZATIONS: &[Section] = &[rows(
    "authorizations",
    OWN,
    BY_ID,
    &[
        id("client_id"),
        text("redirect_uri"),
        words("scope"),
        instant("created_at"),
        instant("expires_at"),
        id("session_id"),
        id("parent_id"),
        instant("authenticated_at"),
        words("amr"),
        instant("decided_at"),
        instant("used_at"),
        instant("opened_at"),
    ],
)];
const NOT_OF_AUTHORIZATIONS: &[(&str, &str)] = &[
    THEIRS,
    ("id", "half of what a page is bound by"),
    ("state", "the client's"),
    ("nonce", "the client's"),
    ("code_challenge", "the client's"),
    ("ask_consent", BOOKKEEPING),
    ("browser", "a secret's"),
    ("code_digest", "a secret's"),
    ("code_expires_at", BOOKKEEPING),
];

const AVATAR: &[Section] = &[Section {
    member: "avatar",
    one: true,
    whose: OWN,
    key: ("user_id", Key::Id),
    columns: &[text("status"), text("content_type"), text("shown_type"), instant("updated_at")],
}];
const IMAGE: &str = "an image: `GET /users/me/avatar` gives it";
const NOT_OF_AVATAR: &[(&str, &str)] = &[
    THEIRS,
    ("original", "an image as it was sent, gone as soon as it is small"),
    ("thumb", IMAGE),
    ("medium", IMAGE),
    ("large", IMAGE),
    ("version", BOOKKEEPING),
    ("shown", BOOKKEEPING),
    ("attempts", BOOKKEEPING),
    ("due_at", BOOKKEEPING),
];

const NOT_OF_DEVICES: &[(&str, &str)] = &[
    THEIRS,
    ("digest", "says nothing to anybody: what it was made of is in `sessions`"),
    ("first_seen", "of a digest"),
    ("last_seen", "of a digest"),
];

/// What was done to them, and what they did. Where others were, and what they did to others, is the others'.
const AUDIT: &[Section] = &[rows(
    "audit_events",
    "(subject_id = $1 OR actor = $2)",
    ("seq", Key::Number),
    &[
        id("id"),
        instant("at"),
        text("kind"),
        text("outcome"),
        text("actor_kind"),
        column("by_you", "COALESCE(actor = $2, FALSE)", Shape::Flag),
        column("about_you", "COALESCE(subject_id = $1, FALSE)", Shape::Flag),
        column("session_id", "CASE WHEN actor = $2 OR actor IS NULL THEN session_id END", Shape::Id),
        column("client_ip", "CASE WHEN actor = $2 OR actor IS NULL THEN origin END", Shape::Text),
        column("detail", "CASE WHEN subject_id = $1 AND actor_kind <> 'external' THEN detail END", Shape::Json),
    ],
)];
const NOT_OF_AUDIT: &[(&str, &str)] = &[
    ("seq", BOOKKEEPING),
    ("origin_salt", CHAIN),
    ("origin_digest", CHAIN),
    ("detail_salt", CHAIN),
    ("detail_digest", CHAIN),
    ("hash", CHAIN),
];

const MAILS: &[Section] = &[rows(
    "mails",
    OWN,
    BY_ID,
    &[
        id("id"),
        text("template"),
        text("recipient"),
        text("about"),
        text("status"),
        number("attempts", "CAST(attempts AS bigint)"),
        instant("due_at"),
        instant("created_at"),
        instant("ended_at"),
    ],
)];
const NOT_OF_MAILS: &[(&str, &str)] =
    &[THEIRS, ("link_id", "half of the link's token"), ("last_error", "what a mail server said to the service")];

const LINKS: &[Section] = &[rows(
    "links",
    OWN,
    BY_ID,
    &[text("purpose"), text("email"), instant("created_at"), instant("expires_at"), instant("used_at")],
)];
const NOT_OF_LINKS: &[(&str, &str)] = &[THEIRS, ("id", "half of the link's token"), ("email_norm", DERIVED)];

/// What they asked for under a key, and their registration.
const KEYS: &[Section] = &[rows(
    "idempotency_keys",
    "(scope = $2 OR (subject_id = $1 AND scope LIKE 'registration %'))",
    ("route || ' ' || key || ' ' || scope", Key::Text),
    &[text("route"), text("key"), number("status", "CAST(status AS bigint)"), instant("created_at")],
)];
const NOT_OF_KEYS: &[(&str, &str)] = &[
    ("scope", "theirs, or it would not be here"),
    ("subject_id", "theirs, or somebody else"),
    ("fingerprint", "a digest of what they asked"),
    ("password_hash", "whoever has it can guess the password"),
    ("headers", ANSWERED),
    ("body", ANSWERED),
];
