//! An example for each body that is asked for or answered: one person, from their registration on.

use serde_json::{Value, json};

const ID: &str = "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55";
const CLIENT: &str = "01936f70-3e4f-7b5c-9d6e-1a2b3c4d5e6f";
const SESSION: &str = "01936f6b-1c2d-7a3b-8c4d-5e6f7a8b9c0d";
const AT: &str = "2026-11-21T08:00:00.000000Z";
const CURSOR: &str = "5f1d0c9a5b2233356534386130643763396631326162222c34325d";
const PASSWORD: &str = "correct horse battery 9 staple";
const REFRESH_TOKEN: &str = "tgr_AZNvbn1qfDyKPzsfDJ0uEQAAAAAAAAABq83v";
const RECOVERY_CODE: &str = "0410-4G30-A1G7-8HZF-QZ7Y-ZBZE";
const TOTP_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const LINK_TOKEN: &str = "tgl_AZNvagK0fRmxyJ5_Wj1MVR2kT0e1cVwqg6gq8mQh4n8s0d0y1hYpQm2bX3vZr7aL";
const CHALLENGE: &str = "b1l9UbjUNHNmVvzXnlRnqAAGJw0uPQAAJ7o0bHq3wq6Yq0c6sXn9a1rVd8yq0e2c9i3w0y1hYpQ";
const MADE: &str = "{\"id\": \"q83vEjRWeJCrze8SNFZ4kA\", \"rawId\": \"q83vEjRWeJCrze8SNFZ4kA\", \"type\": \"public-key\", \
    \"response\": {\"clientDataJSON\": \"eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIiwi…\", \"attestationObject\": \"o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViU…\"}}";
const ORIGIN: &str = "https://api.example.com";

/// Adds them to a document.
pub(super) fn add(document: &mut Value) {
    let items = document["paths"].as_object_mut().into_iter().flatten();
    for (_, item) in items {
        for (_, operation) in item.as_object_mut().into_iter().flatten().filter(|(_, operation)| operation.is_object())
        {
            operation.get_mut("requestBody").into_iter().for_each(contents);
            operation["responses"].as_object_mut().into_iter().flatten().for_each(|(_, answer)| contents(answer));
        }
    }
}

fn contents(of: &mut Value) {
    for (kind, content) in of.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten() {
        if kind.starts_with("image/") {
            let summary = "A picture of Ada.";
            content["examples"] = json!({"image": {"summary": summary, "externalValue": format!("{ORIGIN}/ada")}});
            continue;
        }
        let name = content["schema"]["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        if let Some(example) = name.filter(|_| content.get("examples").is_none()).and_then(of_schema) {
            content["example"] = example;
        }
    }
}

fn of_schema(name: &str) -> Option<Value> {
    asked(name).or_else(|| credential(name)).or_else(|| told(name))
}

/// What is sent.
fn asked(name: &str) -> Option<Value> {
    Some(match name {
        "AskRequest" => json!({"email": "ada@example.com"}),
        "ApiKeyRequest" => json!({
            "name": "nightly report", "scopes": ["accounts:read"], "expires_at": "2027-05-21T08:00:00Z",
        }),
        "ChangeRequest" => json!({"current_password": PASSWORD, "new_password": "another horse battery 8 staple"}),
        "ClientPatch" => json!({"name": "Bookkeeper", "disabled": true}),
        "ClientSecretRequest" => json!({"now": true}),
        "ConfirmRequest" => json!({"code": "287082"}),
        "PasskeyPatch" => json!({"name": "my old phone"}),
        "PasskeyRequest" => json!({"name": "my phone", "credential": MADE}),
        "IntrospectRequest" => {
            json!({"token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkz….c2lnbmF0dXJl"})
        }
        "RolePatch" => json!({"permissions": ["audit:read"]}),
        "RoleRequest" => json!({
            "name": "auditor", "description": "Reads what happened.", "permissions": ["audit:read", "users:read"],
        }),
        "RegisterClientRequest" => json!({
            "name": "Bookkeeper", "grant_types": ["authorization_code", "refresh_token"],
            "scopes": ["openid", "profile", "accounts:read"], "redirect_uris": ["https://books.example.com/callback"],
        }),
        "RegisterRequest" => json!({
            "email": "ada@example.com", "username": "ada", "password": PASSWORD, "name": "Ada Lovelace",
        }),
        "ResetRequest" => json!({"token": LINK_TOKEN, "new_password": "another horse battery 8 staple"}),
        "RevokeRequest" => json!({"token": REFRESH_TOKEN, "token_type_hint": "refresh_token"}),
        "RolesRequest" => json!({"roles": ["user", "treasurer"]}),
        "SignInRequest" => json!({"username": "ada@example.com", "password": PASSWORD}),
        "StepUpRequest" => json!({"password": PASSWORD}),
        "TokenRequest" => json!({"grant_type": "password", "username": "ada@example.com", "password": PASSWORD}),
        "UserPatch" => json!({"name": "Ada King", "phone": null}),
        "UserPatchV2" => json!({"name": "Ada King", "profile": {"phone": null, "address": {"street": "1 Broadway"}}}),
        "VerifyRequest" => json!({"token": LINK_TOKEN}),
        _ => return None,
    })
}

/// What answers with credentials, or tells of them.
fn credential(name: &str) -> Option<Value> {
    Some(match name {
        "ApiKey" => api_key(),
        "ApiKeys" => json!({"data": [api_key()]}),
        "Client" => client(),
        "CursorPage_Client" => json!({"data": [client()], "page": {"next_cursor": CURSOR, "has_more": true}}),
        "Consents" => json!({"data": [{
            "client_id": CLIENT, "name": "Bookkeeper", "scopes": ["accounts:read", "openid"], "granted_at": AT,
            "last_used_at": AT,
        }]}),
        "CookieSession" => json!({
            "id": SESSION, "user_id": ID, "scope": "api", "expires_in": 300, "expires_at": "2026-12-21T08:00:00.000000Z",
        }),
        "Introspection" => json!({
            "active": true, "iss": ORIGIN, "sub": ID, "aud": "tollgate", "exp": 1_795_248_300, "iat": 1_795_248_000,
            "jti": "5b6e1c1e-0b57-4f0e-9c2d-2f6a1e7c9d10", "sid": "01936f6b-1c2d-7a3b-8c4d-5e6f7a8b9c0d",
            "scope": "accounts:read openid", "client_id": CLIENT, "token_type": "Bearer",
        }),
        "Factors" => {
            json!({"factors": [{"kind": "totp", "added_at": AT}, {"kind": "passkey", "added_at": AT}], "recovery_codes_left": 9})
        }
        "KeySet" => json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "use": "sig", "alg": "EdDSA",
            "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        }]}),
        "Metadata" => metadata(),
        "NewApiKey" => {
            let mut made = api_key();
            made["key"] = json!("tgk_7Qd0xPz4_hV2kT0e1cVwqg6gq8mQh4n8s0d0y1hYpQm2bX3vZr7a1B2c3D");
            made["last_used_at"] = Value::Null;
            made
        }
        "RecoveryCodes" => json!({"recovery_codes": vec![RECOVERY_CODE; 10]}),
        "Passkey" => passkey(),
        "PasskeyCreationOptions" => passkey_creation(),
        "PasskeyRequestOptions" => json!({
            "challenge": CHALLENGE, "timeout": 300_000, "rpId": "api.example.com", "allowCredentials": [],
            "userVerification": "required",
        }),
        "Passkeys" => json!({"data": [passkey()]}),
        "Session" => session(),
        "Sessions" => json!({"data": [session()]}),
        "TokenAnswer" => json!({
            "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTkz….c2lnbmF0dXJl",
            "token_type": "Bearer", "expires_in": 300, "refresh_token": REFRESH_TOKEN, "scope": "api",
        }),
        "TotpOffer" => json!({
            "secret": TOTP_SECRET,
            "otpauth_uri": format!("otpauth://totp/Tollgate:ada%40example.com?secret={TOTP_SECRET}&issuer=Tollgate"),
            "qr_svg": "<svg viewBox=\"0 0 53 53\" xmlns=\"http://www.w3.org/2000/svg\">…</svg>",
        }),
        _ => return None,
    })
}

/// All other answers.
fn told(name: &str) -> Option<Value> {
    Some(match name {
        "Accepted" => json!({"status": "accepted"}),
        "AvatarStatus" => json!({"status": "processing"}),
        "CursorPage_AuditEvent" => json!({"data": [audit_event()], "page": {"next_cursor": CURSOR, "has_more": true}}),
        "CursorPage_UserV2" => json!({"data": [user_v2()], "page": {"next_cursor": CURSOR, "has_more": true}}),
        "Export" => json!({
            "exported_at": AT, "user": {"id": ID, "email": "ada@example.com", "username": "ada", "roles": ["user"]},
            "profile": {"first_name": "Ada", "last_name": "Lovelace", "phone": "+14155550123"},
            "sessions": [{"id": "01936f6b-1c2d-7a3b-8c4d-5e6f7a8b9c0d", "created_at": AT, "client_ip": "192.0.2.7"}],
        }),
        "PermissionDefinitions" => json!({"data": [
            {"name": "audit:read", "description": "Reads the audit.", "roles": ["admin"]},
        ]}),
        "RoleDefinition" => role(),
        "RoleDefinitions" => json!({"data": [role()]}),
        "Paged_User" => json!({
            "data": [user()],
            "meta": {"total": 21, "page": 1, "per_page": 20, "pages": 2, "has_more": true},
            "links": {
                "first": "/api/v1/users?page=1&per_page=20", "last": "/api/v1/users?page=2&per_page=20",
                "next": "/api/v1/users?page=2&per_page=20", "prev": null,
            },
        }),
        "Profile" | "ProfileRequest" => profile(),
        "User" => user(),
        "UserInfo" => json!({
            "sub": ID, "name": "Ada Lovelace", "preferred_username": "ada", "updated_at": 1_795_248_000,
            "email": "ada@example.com", "email_verified": true,
        }),
        "UserV2" => user_v2(),
        _ => return None,
    })
}

fn passkey() -> Value {
    json!({"id": "01936f6d-4e5f-7a61-8b7c-8d9e0f1a2b3c", "name": "my phone", "synced": true, "created_at": AT, "last_used_at": AT})
}

fn passkey_creation() -> Value {
    let kind = |alg: i32| json!({"type": "public-key", "alg": alg});
    json!({
        "rp": {"id": "api.example.com", "name": "Tollgate"},
        "user": {"id": "AZNvagK0fRmxyJ5_Wj1MVQ", "name": "ada@example.com", "displayName": "Ada Lovelace"},
        "challenge": CHALLENGE, "pubKeyCredParams": [kind(-8), kind(-7), kind(-257)], "timeout": 300_000,
        "excludeCredentials": [{"type": "public-key", "id": "q83vEjRWeJCrze8SNFZ4kA", "transports": ["internal", "hybrid"]}],
        "authenticatorSelection": {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
        "attestation": "none",
    })
}

fn api_key() -> Value {
    json!({
        "id": "01936f6c-3d4e-7f50-9a6b-7c8d9e0f1a2b", "name": "nightly report", "prefix": "tgk_7Qd0xPz4",
        "scopes": ["accounts:read"], "created_at": AT, "expires_at": "2027-05-21T08:00:00.000000Z", "last_used_at": AT,
    })
}

fn role() -> Value {
    json!({
        "name": "auditor", "description": "Reads what happened.", "permissions": ["users:read", "audit:read"],
        "built_in": false,
    })
}

fn audit_event() -> Value {
    json!({
        "seq": 1042, "id": "01936f6e-7d6a-7c3e-8a3f-3b1f0c9d2e11", "at": AT, "kind": "user.roles_changed",
        "outcome": "succeeded", "actor": {"kind": "user", "id": "01936f6a-02b4-7d19-b1c8-9e7f5a3d4c55"}, "user_id": ID,
        "session_id": SESSION, "request_id": "9f1c2b7e5d3a4c6f8e0b1a2d3c4f5e6a",
        "client_ip": "192.0.2.7", "detail": {"before": ["user"], "after": ["user", "treasurer"]},
        "hash": "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
    })
}

fn client() -> Value {
    json!({
        "id": CLIENT, "name": "Bookkeeper", "type": "confidential",
        "grant_types": ["authorization_code", "refresh_token"], "scopes": ["accounts:read", "openid", "profile"],
        "redirect_uris": ["https://books.example.com/callback"], "trusted": false, "disabled": false,
        "previous_secret_until": null, "created_at": AT, "updated_at": AT,
    })
}

fn session() -> Value {
    json!({
        "id": SESSION, "created_at": AT, "last_used_at": "2026-11-21T09:25:00.000000Z",
        "expires_at": "2026-12-21T08:00:00.000000Z", "ip": "192.0.2.7",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "carrier": "cookie",
        "client_id": null, "amr": ["pwd"], "current": true,
    })
}

fn user() -> Value {
    json!({"id": ID, "email": "ada@example.com", "username": "ada", "name": "Ada Lovelace"})
}

fn user_v2() -> Value {
    json!({
        "id": ID, "email": "ada@example.com", "username": "ada", "name": "Ada Lovelace", "created_at": AT,
        "updated_at": AT, "roles": ["user"], "status": "active", "email_verified": false,
        "profile": profile(),
    })
}

fn profile() -> Value {
    json!({
        "first_name": "Ada", "last_name": "Lovelace", "birth_date": "1990-12-10", "phone": "+14155550123",
        "address": {"street": "12 St. James's Square", "city": "New York", "state": "NY", "zip_code": "10001"},
    })
}

fn metadata() -> Value {
    let at = |path: &str| [ORIGIN, path].concat();
    let any = json!(["client_secret_basic", "client_secret_post", "none"]);
    json!({
        "issuer": ORIGIN, "authorization_endpoint": at("/oauth/authorize"), "token_endpoint": at("/api/v1/auth/token"),
        "revocation_endpoint": at("/api/v1/auth/revoke"), "introspection_endpoint": at("/api/v1/auth/introspect"),
        "userinfo_endpoint": at("/api/v1/auth/userinfo"), "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": ["api", "openid", "profile", "email", "offline_access"],
        "response_types_supported": ["code"], "response_modes_supported": ["query"],
        "grant_types_supported": [
            "authorization_code", "client_credentials", "password", "refresh_token",
            "urn:tollgate:params:oauth:grant-type:passkey",
        ],
        "token_endpoint_auth_methods_supported": any, "revocation_endpoint_auth_methods_supported": any,
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"], "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "name", "email", "email_verified"],
        "prompt_values_supported": ["none", "login", "consent"], "request_parameter_supported": false,
        "request_uri_parameter_supported": false, "claims_parameter_supported": false,
        "service_documentation": at("/docs"),
    })
}
