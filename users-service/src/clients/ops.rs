//! What administrators do with clients.

use shared::auth::SignedIn;
use shared::clock::to_micros;
use shared::domain::{ClientId, SessionId};
use shared::http::Conditions;
use shared::problem::{Code, Problem};
use shared::store::Revocation;

use super::admit::{Leave, admit};
use super::model::{Client, Kind};
use super::request::{Chosen, PatchRequest, SecretRequest};
use super::secret::Secret;
use super::{store, view};
use crate::app::App;
use crate::audit::{self, Event};
use crate::db::{Counter, Fault, Write};
use crate::{oauth, revocations, sessions};

/// A client, and the secret that it was given just now.
pub(super) type Made = (Client, Option<Secret>);

/// Registers a client.
pub(super) async fn register(app: &App, write: &Write, caller: &SignedIn, chosen: Chosen) -> Result<Made, Problem> {
    let seq = write.next(Counter::Clients).await?;
    admit(app, write, caller).await?.with(chosen.trusted)?;
    let secret = match chosen.kind {
        Kind::Confidential => Some(Secret::generate()?),
        Kind::Public => None,
    };
    let now = app.clock.now();
    let client = Client {
        id: ClientId::generate(&app.clock),
        seq,
        session: SessionId::generate(&app.clock),
        name: chosen.name,
        kind: chosen.kind,
        secret: secret.as_ref().map(Secret::digest),
        previous: None,
        grants: chosen.grants,
        scopes: chosen.scopes,
        redirect_uris: chosen.redirect_uris,
        trusted: chosen.trusted,
        disabled: chosen.disabled,
        revision: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(write, &client).await?;
    write.audit(event(app, audit::Kind::ClientMade, caller, &client));
    Ok((client, secret))
}

/// Applies a merge patch. What it takes away, the client's own tokens lose within a second, and those of its users when they
/// are refreshed; disabled, it and its users lose all of them at once.
pub(super) async fn patch(
    app: &App,
    caller: &SignedIn,
    id: ClientId,
    conditions: &Conditions,
    patch: PatchRequest,
) -> Result<Client, Problem> {
    let write = app.database.write().await?;
    let (before, leave) = locked(app, &write, caller, id, conditions).await?;
    let chosen = Chosen::patched(&before, patch, &app.config)?;
    leave.with(chosen.trusted)?;
    let client = Client {
        name: chosen.name,
        grants: chosen.grants,
        scopes: chosen.scopes,
        redirect_uris: chosen.redirect_uris,
        trusted: chosen.trusted,
        disabled: chosen.disabled,
        ..before.clone()
    };
    if client == before {
        return Ok(before);
    }
    let loses =
        !before.scopes.is_within(&client.scopes) || before.grants.iter().any(|grant| !client.grants.contains(grant));
    let shut_out = client.disabled && !before.disabled;
    let mut client = Client { revision: before.revision + 1, updated_at: app.clock.now(), ..client };
    if loses || shut_out {
        end_own(app, &write, &mut client).await?;
    }
    store::save(&write, &client).await?;
    let mut event = event(app, audit::Kind::ClientChanged, caller, &client);
    if shut_out {
        event = event.with("sessions_ended", end_users(app, &write, id).await?);
    }
    write.audit(event.with("disabled", client.disabled));
    write.commit().await?;
    app.relay.flush().await;
    Ok(client)
}

/// Removes a client, with every token that it or its users have got for it, and all that they have allowed it.
pub(super) async fn delete(app: &App, caller: &SignedIn, id: ClientId, conditions: &Conditions) -> Result<(), Problem> {
    let write = app.database.write().await?;
    let (mut client, _) = locked(app, &write, caller, id, conditions).await?;
    end_own(app, &write, &mut client).await?;
    let ended = end_users(app, &write, id).await?;
    store::remove(&write, id).await?;
    write.audit(event(app, audit::Kind::ClientRemoved, caller, &client).with("sessions_ended", ended));
    write.commit().await?;
    app.relay.flush().await;
    Ok(())
}

/// Gives a client a new secret, in a transaction of the caller's.
pub(super) async fn new_secret(
    app: &App,
    write: &Write,
    caller: &SignedIn,
    id: ClientId,
    conditions: &Conditions,
    wanted: SecretRequest,
) -> Result<Made, Problem> {
    let (mut client, _) = locked(app, write, caller, id, conditions).await?;
    let Some(old) = client.secret.take() else {
        return Err(Problem::new(Code::StateConflict).detail("A public client has no secret."));
    };
    let (secret, now) = (Secret::generate()?, app.clock.now());
    client.secret = Some(secret.digest());
    client.previous = (!wanted.now).then(|| (old, to_micros(now + app.config.oauth.secret_grace.get())));
    (client.revision, client.updated_at) = (client.revision + 1, now);
    if wanted.now {
        end_own(app, write, &mut client).await?;
    }
    store::save(write, &client).await?;
    write.audit(event(app, audit::Kind::ClientSecretMade, caller, &client).with("at_once", wanted.now));
    Ok((client, Some(secret)))
}

/// The row of a client, locked, once the caller and `If-Match` hold; and what the caller may do.
async fn locked(
    app: &App,
    write: &Write,
    caller: &SignedIn,
    id: ClientId,
    conditions: &Conditions,
) -> Result<(Client, Leave), Problem> {
    let leave = admit(app, write, caller).await?;
    let client = store::lock(write, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    leave.with(client.trusted)?;
    conditions.require(&view::tag(&client))?;
    Ok((client, leave))
}

/// The tokens that it has got for itself are void.
async fn end_own(app: &App, write: &Write, client: &mut Client) -> Result<(), Fault> {
    let revocation = Revocation::Session { sid: client.session, expires_at: app.tokens_die_at() };
    revocations::record(write, &revocation).await?;
    client.session = SessionId::generate(&app.clock);
    Ok(())
}

/// The sessions of its users end, and nobody's leave that is being asked for leads to another; how many they were.
async fn end_users(app: &App, write: &Write, id: ClientId) -> Result<usize, Fault> {
    let (now, expires_at) = (app.clock.now_micros(), app.tokens_die_at());
    let ended = sessions::end_of_client(write, id, now).await?;
    // Of those that were not refreshed since, every token has expired.
    let span = app.config.tokens.access_lifetime.get() + app.config.tokens.leeway.get();
    let since = now.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX));
    let recent = ended.iter().filter(|(_, rotated_at)| *rotated_at >= since);
    for (sid, _) in recent {
        revocations::record(write, &Revocation::Session { sid: *sid, expires_at }).await?;
    }
    oauth::end_of_client(write, id, now).await?;
    Ok(ended.len())
}

fn event(app: &App, kind: audit::Kind, caller: &SignedIn, client: &Client) -> Event {
    let words: Vec<_> = client.scopes.words().collect();
    let event = Event::new(kind, caller.into(), &app.clock).with("client", client.id.to_string());
    let event = event.with("name", client.name.as_str()).with("scopes", words).with("trusted", client.trusted);
    event.with("redirect_uris", client.redirect_uris.clone())
}
