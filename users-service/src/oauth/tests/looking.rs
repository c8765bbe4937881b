//! Who only looks (HEAD) changes nothing: a prefetch in the user's own browser takes no code away from them.

use reqwest::Method;

use crate::testing::{Backend, Browser, Setup, on_both, parameter};

on_both! {
    a_head_hands_out_and_writes_nothing,
}

async fn a_head_hands_out_and_writes_nothing(backend: Backend) {
    let service = Setup::on(backend).start().await;
    let ada = service.person("adalovelace").await;
    let client = service.web_client(&["openid"]).await;
    let mut browser = Browser::new(&service);
    let request = Browser::request(&client, "openid");
    browser.go_through(&request, &ada.email).await;
    let rows = "SELECT count(*) FROM authorizations";
    let before = service.ground.count(rows).await;
    let at = format!("/oauth/authorize?{}", serde_urlencoded::to_string(&request).unwrap());
    let look = async |path: &str, cookie: &str| {
        service.call(Method::HEAD, path).header("cookie", cookie.to_owned()).send().await.expect(200)
    };
    let looked = look(&at, &browser.cookie).await;
    let said = ["set-cookie", "location", "content-length"].map(|name| looked.header(name));
    assert_eq!((said, looked.bytes.len()), (Default::default(), 0));
    assert_eq!(service.ground.count(rows).await, before);

    // She has allowed it before, so the next GET is the one that gets the code.
    let page = browser.authorize(&request).await.expect(200);
    let next = browser.sign_in(&page, &ada.email).await.expect(303).header("location");
    for _ in 0..2 {
        assert_eq!(look(&next, &browser.cookie).await.header("location"), "");
    }
    let back = browser.get(&next).await.expect(303).header("location");
    let code = parameter(&back, "code").unwrap();
    service.redeem(&client, &code).await.expect(200);
    service.stop().await;
}
