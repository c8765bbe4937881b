//! Statements through the gateway: every form comes whole, plain or compressed, and only to whom it concerns.

use reqwest::Method;
use tests::client::{Transfer, fresh_key};
use tests::{Backend, Stack};

journeys!(a_statement_comes_through_in_every_form);

async fn a_statement_comes_through_in_every_form(backend: Backend) {
    let stack = Stack::start(backend).await;
    let (ann, bob, eve) = (stack.register("ann").await, stack.register("bob").await, stack.register("eve").await);
    let (account, other) = (stack.account_with(&ann, 10_000).await, bob.client.open("savings", "USD").await);
    for n in 1..=30 {
        let payment = Transfer::usd(&account, &other, n).reference(&format!("invoice-{n}"));
        drop(ann.client.transfer(&fresh_key(), &payment).await.expect(201));
    }
    for (format, kind, begins, ends, smaller) in [
        ("json", "application/json", "{\"account_id\":", "]}", true),
        ("csv", "text/csv; charset=utf-8", "type,seq,", ",95.35,USD\r\n", true),
        ("camt053", "application/xml", "<?xml ", "</Document>", true),
        ("pdf", "application/pdf", "%PDF-1.7", "%%EOF\n", false),
    ] {
        let path = format!("/api/v2/accounts/{account}/statement?format={format}");
        let ask = async |coding| ann.client.call(Method::GET, &path).header("accept-encoding", coding).send().await;
        let plain = ask("identity").await.expect(200);
        assert_eq!((plain.must("content-type"), plain.header("content-encoding")), (kind, None));
        assert!(plain.must("content-disposition").contains(&format!("filename=\"statement-{account}-")), "{plain}");
        assert!(plain.body.starts_with(begins.as_bytes()) && plain.body.ends_with(ends.as_bytes()), "{plain}");
        let packed = ask("gzip").await.expect(200);
        assert_eq!(packed.header("content-encoding"), smaller.then_some("gzip"));
        assert!(!smaller || packed.body.len() < plain.body.len());
        eve.client.get(&path).await.problem(404, "not_found");
        stack.client().get(&path).await.problem(401, "token_required");
    }
    let path = format!("/api/v1/accounts/{account}/statement?to=2999-01-01T00:00:00Z");
    assert_eq!(ann.client.get(&path).await.problem(422, "validation_failed")["errors"][0]["pointer"], "?to");
}
