//! A row for each operation: who may call it. An operation without a row fails the test.

/// Who may call it, and what they are answered.
#[derive(Clone, Copy)]
pub enum Access {
    /// Everybody alike: a token is not even looked at.
    Public(u16),
    /// Everybody, but whoever shows a token has to show a good one.
    Optional(u16),
    /// Whoever is signed in: the owner, another user, support, treasurer, administrator. Everybody else: 401.
    SignedIn([u16; 5]),
}

/// One operation.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Method and path as the document has it.
    pub call: &'static str,
    /// The path that is called, where `{id}` is not the user.
    pub path: Option<&'a str>,
    /// Who may.
    pub access: Access,
    /// The media type and the body that are sent.
    pub body: Option<(&'static str, &'static str)>,
    /// The headers that are sent.
    pub headers: &'static [(&'static str, &'static str)],
}

const fn row(call: &'static str, access: Access) -> Row<'static> {
    Row { call, path: None, access, body: None, headers: &[] }
}

const fn public(call: &'static str, status: u16) -> Row<'static> {
    row(call, Access::Public(status))
}

const fn signed_in(call: &'static str, statuses: [u16; 5]) -> Row<'static> {
    row(call, Access::SignedIn(statuses))
}

impl Row<'static> {
    const fn at(self, path: &'static str) -> Self {
        Self { path: Some(path), ..self }
    }

    const fn json(self, body: &'static str) -> Self {
        Self { body: Some(("application/json", body)), ..self }
    }

    const fn patch(self, body: &'static str) -> Self {
        Self { body: Some(("application/merge-patch+json", body)), ..self }
    }

    const fn form(self, body: &'static str) -> Self {
        Self { body: Some(("application/x-www-form-urlencoded", body)), ..self }
    }

    /// Only for a version of the resource that there never was: whoever may change it is told so, and changes nothing.
    const fn stale(self) -> Self {
        Self { headers: &[("if-match", "\"stale\"")], ..self }
    }

    /// As a browser sends a form of our own page's.
    const fn of_own_page(self) -> Self {
        Self { headers: &[("sec-fetch-site", "same-origin")], ..self }
    }

    const fn keyed(self) -> Self {
        Self { headers: &[("idempotency-key", "{new}")], ..self }
    }
}

/// Every operation.
pub fn rows() -> Vec<Row<'static>> {
    [
        discovery(),
        sign_in(),
        users(),
        keys_and_roles(),
        clients(),
        accounts(),
        exchanges(),
        standing_orders(),
        transfers(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every page that the gateway leads to: anybody's to open, for what they show is bound to a link or to a browser's cookie, and
/// whoever has neither is told so. A token is not looked at.
pub fn pages() -> Vec<Row<'static>> {
    const FORM: &str = "token=nothing&new_password=another%20horse%20battery%208%20staple";
    vec![
        public("GET /oauth/authorize", 400),
        // Sent on as a link.
        public("POST /oauth/authorize", 303).form("client_id=nobody"),
        public("POST /oauth/sign-in", 400).form("request=nothing&username=nobody&password=nothing%201").of_own_page(),
        public("GET /oauth/consent", 400),
        public("POST /oauth/consent", 400).form("request=nothing&decision=allow").of_own_page(),
        public("GET /account/{page}", 410),
        public("POST /account/{page}", 410).form(FORM),
    ]
}

fn discovery() -> Vec<Row<'static>> {
    vec![
        public("GET /.well-known/jwks.json", 200),
        public("GET /.well-known/oauth-authorization-server", 200),
        public("GET /.well-known/openid-configuration", 200),
        public("GET /.well-known/receipt-keys.json", 200),
    ]
}

fn sign_in() -> Vec<Row<'static>> {
    vec![
        public("POST /auth/token", 400).form("grant_type=password&username=nobody&password=nothing%201"),
        public("POST /auth/revoke", 200).form("token=nothing"),
        row("POST /auth/introspect", Access::Optional(400)).form("token_type_hint=access_token"),
        signed_in("GET /auth/userinfo", [200; 5]),
        signed_in("POST /auth/userinfo", [200; 5]),
        public("POST /auth/session", 400).json(r#"{"username": "nobody", "password": "nothing 1"}"#),
        public("POST /auth/session/refresh", 401),
        public("DELETE /auth/session", 204),
        public("POST /auth/email/verify", 410).json(r#"{"token": "nothing"}"#),
        public("POST /auth/email/resend", 202).json(r#"{"email": "nobody@example.com"}"#),
        public("POST /auth/password/forgot", 202).json(r#"{"email": "nobody@example.com"}"#),
        public("POST /auth/password/reset", 410)
            .json(r#"{"token": "nothing", "new_password": "another horse battery 8 staple"}"#),
        signed_in("POST /auth/step-up", [422; 5]).json(r#"{"password": "not this 1"}"#),
        public("POST /auth/passkeys/options", 200),
        // Nobody has a passkey, and nobody gets one.
        signed_in("POST /auth/step-up/options", [409; 5]),
        signed_in("POST /users/me/passkeys/options", [422; 5]).json(r#"{"more": 1}"#),
        signed_in("GET /users/me/passkeys", [200; 5]),
        signed_in("POST /users/me/passkeys", [422; 5]).json(r#"{"name": "phone", "credential": "{}"}"#),
        signed_in("GET /users/me/passkeys/{id}", [404; 5]),
        signed_in("PATCH /users/me/passkeys/{id}", [404; 5]).patch("{}"),
        signed_in("DELETE /users/me/passkeys/{id}", [404; 5]),
        signed_in("GET /users/me/mfa", [200; 5]),
        // Nobody has a second factor, and nobody gets one.
        signed_in("POST /users/me/mfa/totp", [422; 5]).json(r#"{"more": 1}"#),
        signed_in("POST /users/me/mfa/totp/confirm", [400; 5]).json(r#"{"code": 1}"#),
        signed_in("POST /users/me/mfa/recovery-codes", [422; 5]).json(r#"{"more": 1}"#),
        signed_in("DELETE /users/me/mfa/totp", [404; 5]),
        signed_in("DELETE /users/{id}/mfa", [403, 403, 403, 403, 204]),
        signed_in("PUT /users/me/password", [422; 5])
            .json(r#"{"current_password": "not this 1", "new_password": "another horse battery 8 staple"}"#),
    ]
}

fn users() -> Vec<Row<'static>> {
    vec![
        row("POST /users", Access::Optional(422)).json(r#"{"email": "x", "username": "x", "password": "x"}"#),
        signed_in("GET /users", [403, 403, 200, 403, 200]),
        signed_in("GET /users/{id}", [200, 404, 200, 404, 200]),
        signed_in("PATCH /users/{id}", [200, 404, 403, 404, 200]).patch("{}"),
        signed_in("DELETE /users/{id}", [412, 404, 403, 404, 412]).stale(),
        signed_in("GET /users/{id}/sessions", [200, 404, 200, 404, 200]),
        // Of nobody: whoever may end them is told that there is no such user.
        signed_in("DELETE /users/{id}/sessions", [404, 404, 403, 404, 404]).at("/users/{transfer}/sessions"),
        signed_in("GET /users/{id}/sessions/{sid}", [404; 5]).at("/users/{id}/sessions/{transfer}"),
        signed_in("DELETE /users/{id}/sessions/{sid}", [404, 404, 403, 404, 404]).at("/users/{id}/sessions/{transfer}"),
        signed_in("GET /users/me/consents", [200; 5]),
        // Nobody has allowed anything.
        signed_in("DELETE /users/me/consents/{id}", [404; 5]),
        signed_in("GET /users/me/profile", [200; 5]),
        signed_in("PUT /users/me/profile", [412; 5]).json(r#"{"first_name": "Ada", "last_name": "King"}"#).stale(),
        signed_in("GET /users/me/export", [200; 5]),
        signed_in("PUT /users/{id}/roles", [403, 403, 403, 403, 412]).json(r#"{"roles": ["user"]}"#).stale(),
        signed_in("POST /users/{id}/disable", [403, 403, 403, 403, 412]).stale(),
        signed_in("POST /users/{id}/enable", [403, 403, 403, 403, 412]).stale(),
        signed_in("POST /users/{id}/restore", [403, 403, 403, 403, 412]).stale(),
        // Nobody has one.
        signed_in("GET /users/me/avatar", [404; 5]),
        signed_in("GET /users/{id}/avatar", [404; 5]),
        signed_in("PUT /users/me/avatar", [415; 5]).json("{}"),
        signed_in("DELETE /users/me/avatar", [412; 5]).stale(),
        signed_in("GET /audit/events", [403, 403, 403, 403, 200]),
    ]
}

fn keys_and_roles() -> Vec<Row<'static>> {
    const ADMIN: [u16; 5] = [403, 403, 403, 403, 200];
    vec![
        signed_in("GET /users/me/api-keys", [200; 5]),
        signed_in("POST /users/me/api-keys", [422; 5]).json(r#"{"name": "", "scopes": []}"#),
        // Nobody has a key of this id.
        signed_in("GET /users/me/api-keys/{id}", [404; 5]),
        signed_in("DELETE /users/me/api-keys/{id}", [404; 5]),
        signed_in("GET /users/{id}/api-keys", ADMIN),
        signed_in("DELETE /users/{id}/api-keys/{key}", [403, 403, 403, 403, 404]).at("/users/{id}/api-keys/{id}"),
        signed_in("POST /users/{id}/password-reset", [403, 403, 403, 403, 202]),
        signed_in("GET /permissions", ADMIN),
        signed_in("GET /roles", ADMIN),
        signed_in("POST /roles", [403, 403, 403, 403, 422]).json(r#"{"name": "", "permissions": []}"#),
        // A role of ours, which never changes.
        signed_in("GET /roles/{name}", ADMIN).at("/roles/user"),
        signed_in("PATCH /roles/{name}", [403, 403, 403, 403, 409]).at("/roles/user").patch("{}"),
        signed_in("DELETE /roles/{name}", [403, 403, 403, 403, 409]).at("/roles/user"),
    ]
}

fn clients() -> Vec<Row<'static>> {
    // There is none of this id.
    const NOBODYS: &str = "/clients/{transfer}";
    const NONE: [u16; 5] = [403, 403, 403, 403, 404];
    vec![
        signed_in("GET /clients", [403, 403, 403, 403, 200]),
        signed_in("POST /clients", [403, 403, 403, 403, 422]).json(r#"{"name": "", "grant_types": [], "scopes": []}"#),
        signed_in("GET /clients/{id}", NONE).at(NOBODYS),
        signed_in("PATCH /clients/{id}", NONE).at(NOBODYS).patch("{}"),
        signed_in("DELETE /clients/{id}", NONE).at(NOBODYS),
        signed_in("POST /clients/{id}/secret", NONE).at("/clients/{transfer}/secret").json("{}"),
    ]
}

fn accounts() -> Vec<Row<'static>> {
    const SYSTEM: &str = r#"{"name": "vault", "currency": "USD", "kind": "system"}"#;
    vec![
        signed_in("GET /me/overview", [200; 5]),
        signed_in("GET /accounts", [200; 5]),
        signed_in("POST /accounts", [403, 403, 403, 201, 403]).json(SYSTEM),
        signed_in("GET /accounts/{id}", [200, 404, 200, 200, 200]).at("/accounts/{account}"),
        signed_in("PATCH /accounts/{id}", [200, 404, 403, 403, 403]).at("/accounts/{account}").patch("{}"),
        signed_in("GET /accounts/{id}/entries", [200, 404, 200, 200, 200]).at("/accounts/{account}/entries"),
        signed_in("GET /accounts/{id}/balance", [200, 404, 200, 200, 200]).at("/accounts/{account}/balance"),
        signed_in("GET /events", [200; 5]),
        signed_in("GET /accounts/{id}/statement", [200, 404, 200, 200, 200]).at("/accounts/{account}/statement"),
        signed_in("GET /accounts/{id}/limits", [200, 404, 200, 200, 200]).at("/accounts/{account}/limits"),
        signed_in("PUT /accounts/{id}/limits", [403, 403, 403, 412, 412])
            .at("/accounts/{account}/limits")
            .json(r#"{"limits": []}"#)
            .stale(),
        signed_in("POST /accounts/{id}/freeze", [403, 403, 403, 412, 412]).at("/accounts/{account}/freeze").stale(),
        signed_in("POST /accounts/{id}/unfreeze", [403, 403, 403, 412, 412]).at("/accounts/{account}/unfreeze").stale(),
        signed_in("GET /admin/invariants", [403, 403, 403, 200, 200]),
        signed_in("POST /admin/invariants/acknowledgements", [403, 403, 403, 422, 422]).json(r#"{"violations": []}"#),
        signed_in("POST /accounts/{id}/close", [412, 404, 403, 412, 412]).at("/accounts/{account}/close").stale(),
    ]
}

fn exchanges() -> Vec<Row<'static>> {
    const RATE: &str = r#"{"base": "USD", "quote": "EUR", "rate": "0.9", "base_account_id": "{id}",
        "quote_account_id": "{id}", "rounding_account_id": "{id}"}"#;
    const EXCHANGE: &str = r#"{"debit_account_id": "{account}", "credit_account_id": "{id}", "amount": 1}"#;
    vec![
        signed_in("GET /exchange-rates", [200; 5]),
        // Of accounts that there are not.
        signed_in("POST /exchange-rates", [403, 403, 403, 422, 403]).json(RATE),
        signed_in("GET /exchange-rates/{id}", [404; 5]),
        signed_in("GET /exchanges", [200; 5]),
        signed_in("GET /exchanges/{id}", [404; 5]),
        signed_in("POST /exchanges", [422, 404, 404, 404, 404]).json(EXCHANGE).keyed(),
    ]
}

fn standing_orders() -> Vec<Row<'static>> {
    const ORDER: &str = r#"{"debit_account_id": "{account}", "credit_account_id": "{id}", "amount": 1,
        "currency": "USD", "rule": {"every": "day"}, "time_zone": "UTC", "starts_on": "2099-01-01"}"#;
    vec![
        signed_in("GET /standing-orders", [200; 5]),
        // As for a transfer: to an account that there is not.
        signed_in("POST /standing-orders", [422, 404, 404, 404, 404]).json(ORDER),
        signed_in("GET /standing-orders/{id}", [200, 404, 200, 200, 200]).at("/standing-orders/{order}"),
        signed_in("PATCH /standing-orders/{id}", [200, 404, 403, 200, 200]).at("/standing-orders/{order}").patch("{}"),
        signed_in("DELETE /standing-orders/{id}", [412, 404, 403, 412, 412]).at("/standing-orders/{order}").stale(),
        signed_in("GET /standing-orders/{id}/runs", [200, 404, 200, 200, 200]).at("/standing-orders/{order}/runs"),
    ]
}

fn transfers() -> Vec<Row<'static>> {
    const PAY: &str =
        r#"{"debit_account_id": "{account}", "credit_account_id": "{id}", "amount": 1, "currency": "USD"}"#;
    const PAY_ALL: &str = r#"{"mode": "independent", "transfers": [
        {"debit_account_id": "{account}", "credit_account_id": "{id}", "amount": 1, "currency": "USD"}]}"#;
    vec![
        signed_in("GET /transfers", [200; 5]),
        signed_in("GET /transfers/{id}", [200, 404, 200, 200, 200]).at("/transfers/{transfer}"),
        // Of a payment that is made: whoever may act on it is told that nothing is held, or that this is more than was paid.
        signed_in("POST /transfers/{id}/post", [409, 404, 403, 409, 403])
            .at("/transfers/{transfer}/post")
            .json("{}")
            .keyed(),
        signed_in("POST /transfers/{id}/void", [409, 404, 403, 409, 403]).at("/transfers/{transfer}/void").keyed(),
        signed_in("POST /transfers/{id}/reverse", [422, 404, 403, 422, 403])
            .at("/transfers/{transfer}/reverse")
            .json(r#"{"amount": 9000}"#)
            .keyed(),
        // To an account that there is not: whoever may debit the other one hears of it, everybody else of nothing.
        signed_in("POST /transfers", [422, 404, 404, 404, 404]).json(PAY).keyed(),
        signed_in("POST /transfers/batch", [200; 5]).json(PAY_ALL).keyed(),
    ]
}
