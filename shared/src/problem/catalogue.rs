//! The catalogue of problems: one table of code, status, title and whether the same request may be sent again.

/// Where the documents explain a code; the code follows as a fragment. Relative, so that it resolves against whichever
/// host the client used (RFC 9457, section 3.1.1 allows it).
pub const TYPE_BASE: &str = "/docs/problems#";

macro_rules! catalogue {
    ($($variant:ident $code:literal $status:literal $retryable:literal $title:literal;)+) => {
        /// Every error a client can meet, by its stable name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every row, in the table's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable `snake_case` name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The HTTP status it answers with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// The summary, the same each time it occurs.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// Whether the very same request may succeed later.
            #[must_use]
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)+ }
            }
        }
    };
}

catalogue! {
    // Shape of the request.
    MalformedRequest "malformed_request" 400 false "The request is not well-formed HTTP for this server.";
    MalformedBody "malformed_body" 400 false "The body is not JSON of the expected types.";
    MalformedQuery "malformed_query" 400 false "A query parameter has a value of the wrong type.";
    MalformedPath "malformed_path" 400 false "The path has dot segments, encoded separators or control characters.";
    InvalidCursor "invalid_cursor" 400 false "The cursor is not one that this list handed out.";
    IdempotencyKeyRequired "idempotency_key_required" 400 false "This request moves money and needs an Idempotency-Key.";
    IdempotencyKeyInvalid "idempotency_key_invalid" 400 false "An Idempotency-Key has 1 to 255 visible ASCII characters.";
    VersionConflict "version_conflict" 400 false "The request names two different API versions.";
    UnsupportedVersion "unsupported_version" 400 false "The API version is not one that is served.";
    InvalidGrant "invalid_grant" 400 false "The credentials or the refresh token are not valid.";
    InvalidRequest "invalid_request" 400 false "The OAuth request lacks a parameter or repeats one.";
    UnauthorizedClient "unauthorized_client" 400 false "The client may not ask for a token in this way.";
    UnsupportedGrantType "unsupported_grant_type" 400 false "The grant type is not supported.";
    InvalidScope "invalid_scope" 400 false "The scope is unknown or exceeds what may be granted.";
    // Who is asking.
    TokenRequired "token_required" 401 false "This needs a signed-in user: send an access token.";
    TokenInvalid "token_invalid" 401 false "The access token is not valid, has expired or was revoked.";
    ApiKeyInvalid "api_key_invalid" 401 false "The API key is not known, has expired or was revoked.";
    InvalidClient "invalid_client" 401 false "The client is not known, or has not shown that it is who it says.";
    StepUpRequired "step_up_required" 401 false "This needs a sign-in of a moment ago: step up first, then ask again.";
    AssertionRequired "assertion_required" 401 false "This service answers only calls that the gateway vouches for.";
    CertificateRequired "certificate_required" 403 false "This needs a client certificate that is valid.";
    MfaRequired "mfa_required" 403 false "The password is right, and a code of the second factor is needed: send it as otp.";
    EmailNotVerified "email_not_verified" 403 false "The e-mail address has to be confirmed first: ask for the mail to be sent again.";
    Forbidden "forbidden" 403 false "The signed-in user may not do this.";
    CsrfRefused "csrf_refused" 403 false "A request with a cookie that changes something must come from a page that may make it.";
    OriginNotAllowed "origin_not_allowed" 403 false "The origin is not one that may call this API from a browser.";
    // What it is about.
    NotFound "not_found" 404 false "There is nothing at this address for you.";
    DebitAccountNotFound "debit_account_not_found" 404 false "The account to debit is not one of yours.";
    MethodNotAllowed "method_not_allowed" 405 false "The resource does not have this method; see Allow.";
    NotAcceptable "not_acceptable" 406 false "No representation matches Accept.";
    RequestTimeout "request_timeout" 408 true "The request did not arrive in time.";
    EmailTaken "email_taken" 409 false "A user with this e-mail exists already.";
    UsernameTaken "username_taken" 409 false "A user with this username exists already.";
    LastAdministrator "last_administrator" 409 false "The last administrator cannot be demoted, disabled or deleted.";
    IdempotencyInProgress "idempotency_in_progress" 409 true "A request with this key is still running.";
    IdempotencyOutcomeUnknown "idempotency_outcome_unknown" 409 false "The request with this key may have been carried out; nobody knows.";
    IdempotencyNotReplayable "idempotency_not_replayable" 409 false "The request with this key was carried out; its answer was not kept.";
    StateConflict "state_conflict" 409 false "The resource is not in a state that allows this.";
    TooManyAccounts "too_many_accounts" 409 false "The user has as many accounts as one may have.";
    DebitAccountClosed "debit_account_closed" 409 false "The account to debit is closed.";
    CreditAccountClosed "credit_account_closed" 409 false "The account to credit is closed.";
    DebitAccountFrozen "debit_account_frozen" 409 false "The account to debit is frozen.";
    NoExchangeRate "no_exchange_rate" 409 false "No rate is in force between the currencies of the two accounts.";
    ExternalRefTaken "external_ref_taken" 409 false "Another transfer out of this owner's accounts has this external_ref.";
    TransferNotPending "transfer_not_pending" 409 false "The transfer was never pending, or is posted or voided.";
    TransferExpired "transfer_expired" 409 false "The pending transfer has expired: what it held is free.";
    TransferNotPosted "transfer_not_posted" 409 false "Only a transfer that moved money, and is no reversal, can be reversed.";
    AccountNotEmpty "account_not_empty" 409 false "An account closes only at zero balance with nothing held.";
    VersionGone "version_gone" 410 false "This API version has been switched off.";
    LinkInvalid "link_invalid" 410 false "The link has been used, has expired, or is none of ours.";
    StalePrecondition "stale_precondition" 412 false "The resource has changed since the version that If-Match names.";
    BodyTooLarge "body_too_large" 413 false "The body is larger than this route allows.";
    UriTooLong "uri_too_long" 414 false "The request target is longer than this server allows.";
    UnsupportedMediaType "unsupported_media_type" 415 false "The body's media type is not one this resource takes.";
    ExpectationFailed "expectation_failed" 417 false "The only expectation that this server meets is 100-continue.";
    // What it says.
    ValidationFailed "validation_failed" 422 false "The request is well-formed, but its values are not acceptable.";
    AmountOutOfRange "amount_out_of_range" 422 false "An amount is an integer from 1 to 9007199254740991 minor units.";
    IdempotencyKeyReused "idempotency_key_reused" 422 false "This Idempotency-Key belongs to a different request.";
    AccountsMustBeDifferent "accounts_must_be_different" 422 false "Debit and credit account must be different.";
    CreditAccountNotFound "credit_account_not_found" 422 false "The account to credit does not exist.";
    CurrencyMismatch "currency_mismatch" 422 false "The transfer and both accounts must have one currency.";
    CurrenciesMustBeDifferent "currencies_must_be_different" 422 false "Both accounts have one currency: that is a transfer, and no exchange.";
    ExchangeRateChanged "exchange_rate_changed" 422 false "Another rate is in force than the one that is counted on.";
    ExchangeAmountUnpayable "exchange_amount_unpayable" 422 false "At the rate in force less than a minor unit would arrive, or more than an amount may be.";
    ExchangeWithRateAccount "exchange_with_rate_account" 422 false "An account of the exchange is one that the rate itself pays from or to.";
    PreconditionFailed "precondition_failed" 422 false "A precondition on the resulting balances does not hold.";
    LimitExceeded "limit_exceeded" 422 false "The transfer exceeds a limit of the account.";
    BalanceOverflow "balance_overflow" 422 false "The resulting balance would leave the range of exact integers.";
    AmountExceedsPending "amount_exceeds_pending" 422 false "The pending transfer holds less than this.";
    AmountExceedsOriginal "amount_exceeds_original" 422 false "Less than this is left to reverse of the transfer.";
    InsufficientFunds "insufficient_funds" 422 false "The account to debit has too little available.";
    BatchDeclined "batch_declined" 422 false "An item of the atomic batch was declined; nothing was posted.";
    LinkedItemDeclined "linked_item_declined" 422 false "Another item of the atomic batch was declined.";
    // How much, how fast.
    RateLimited "rate_limited" 429 true "Too many requests; see RateLimit and Retry-After.";
    HeadersTooLarge "headers_too_large" 431 false "The header section is larger than this server allows.";
    // Our side.
    InternalError "internal_error" 500 true "Something went wrong on our side; the request id finds it in our logs.";
    BadGateway "bad_gateway" 502 true "The service behind the gateway broke off its answer.";
    Overloaded "overloaded" 503 true "The server is at its limit; come again shortly.";
    UpstreamUnavailable "upstream_unavailable" 503 true "The service behind this route is not available.";
    DatabaseUnavailable "database_unavailable" 503 true "The database cannot be reached.";
    RateLimiterUnavailable "rate_limiter_unavailable" 503 true "This route refuses while rate limits cannot be checked.";
    IdempotencyUnavailable "idempotency_unavailable" 503 true "This route refuses while idempotency keys cannot be kept.";
    KeysUnavailable "keys_unavailable" 503 true "Tokens cannot be checked: the signing keys are not available.";
    ReceiptsUnavailable "receipts_unavailable" 503 true "Receipts cannot be signed now.";
    IssuerUnavailable "issuer_unavailable" 503 true "The credential cannot be checked: its issuer does not answer.";
    ShuttingDown "shutting_down" 503 true "This instance is shutting down.";
    GatewayTimeout "gateway_timeout" 504 true "The service behind the gateway did not answer in time.";
}

impl Code {
    /// The problem's `type`.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("{TYPE_BASE}{}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_snake_case_and_error_statuses() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            let name = code.as_str();
            assert!(seen.insert(name), "{name} stands twice");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!((400..600).contains(&code.status()), "{name}");
            assert!(code.title().ends_with('.'), "{name}");
        }
    }
}
