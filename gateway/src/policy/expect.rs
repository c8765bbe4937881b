//! Clients that wait to be asked for their body (`Expect: 100-continue`; RFC 9110, section 10.1.1): they are asked when
//! somebody begins to read it. Who is refused before that has sent nothing in vain.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use futures_util::{Stream, StreamExt, stream};

use crate::listener::Consent;

/// The body, which asks for itself as soon as it is polled, and what tells whether it has.
pub fn on_demand(request: &HttpRequest, payload: Payload) -> (Payload, Option<Consent>) {
    let consent =
        request.conn_data::<Consent>().filter(|_| request.head().expect() && !matches!(payload, Payload::None));
    match consent {
        None => (payload, None),
        Some(consent) => {
            (Payload::Stream { payload: Box::pin(asking(payload, consent.clone())) }, Some(consent.clone()))
        }
    }
}

fn asking(mut payload: Payload, consent: Consent) -> impl Stream<Item = <Payload as Stream>::Item> {
    stream::poll_fn(move |context| {
        consent.give();
        payload.poll_next_unpin(context)
    })
}
