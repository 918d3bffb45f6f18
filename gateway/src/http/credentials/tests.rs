use std::time::Duration;

use actix_web::test::TestRequest;
use events_gateway_identity::Expectations;

use super::*;
use crate::backlog::memory::{self, Store};
use crate::config::Secret;
use crate::config::secret::SecretText;
use crate::identity::issuer::{Issuer, Source};

fn store() -> Arc<dyn crate::backlog::Tickets> {
    let listener = Arc::new(crate::hub::HubListener::default());
    Arc::new(Store::default().connect(memory::Options::default(), listener))
}

const SECRET: &str = "a secret that only we two know!!";

/// Credentials with a cookie and a parameter, of an issuer whose secret is known.
async fn credentials() -> Credentials {
    let expectations = Expectations {
        issuer: "https://id".into(),
        audiences: vec!["events".into()],
        algorithms: Vec::new(),
        leeway: 0,
    };
    let source = Source::Secret(Secret::Inline(SecretText::new(SECRET.into())));
    let issuer = Arc::new(Issuer::new(expectations, source));
    tokio::spawn(issuer.clone().keep());
    while issuer.keys().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Credentials {
        identities: Arc::new(Identities::new(vec![issuer])),
        forwarded: None,
        tickets: Tickets::new(store(), Duration::from_secs(30)),
        cookie: Some("session".into()),
        parameter: Some("token".into()),
        origins: vec!["https://shop.example".into()],
    }
}

/// A token of `sub`, good for an hour.
fn token(sub: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let expires = crate::clock::now().0 / 1_000 + 3_600;
    let claims = serde_json::json!({ "iss": "https://id", "sub": sub, "aud": "events", "exp": expires });
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Who it is, or the kind of problem.
async fn told(credentials: &Credentials, target: &str, fields: &[(&str, &str)]) -> Result<Option<String>, Kind> {
    let mut request = TestRequest::with_uri(target).insert_header(("host", "gateway.example"));
    for (name, value) in fields {
        request = request.append_header((*name, *value));
    }
    match credentials.identify(&request.to_http_request()).await {
        Ok(who) => Ok(who.map(|who| who.identity.subject)),
        Err(Unproven::Refused(problem)) => Err(problem.kind),
        Err(Unproven::Unavailable) => Err(Kind::Unavailable),
    }
}

#[tokio::test]
async fn a_token_is_taken_from_the_field_and_a_wrong_one_is_never_taken_for_none() {
    let credentials = credentials().await;
    let ann = token("ann");
    let bearer = |token: &str| format!("Bearer {token}");
    for (value, expected) in [
        (bearer(&ann), Ok(Some("ann".to_owned()))),
        (format!("bearer {ann}"), Ok(Some("ann".to_owned()))),
        (bearer("nonsense"), Err(Kind::InvalidToken)),
        ("Bearer".to_owned(), Err(Kind::InvalidToken)),
        ("Bearer ".to_owned(), Err(Kind::InvalidToken)),
        (format!("Basic {ann}"), Err(Kind::InvalidToken)),
        (ann.clone(), Err(Kind::InvalidToken)),
        (format!("Bearer {ann} {ann}"), Err(Kind::InvalidToken)),
        (format!("Bearer {ann}, Bearer {ann}"), Err(Kind::InvalidToken)),
    ] {
        assert_eq!(told(&credentials, "/", &[("authorization", &value)]).await, expected, "{value}");
    }
    assert_eq!(told(&credentials, "/", &[]).await, Ok(None));
    let twice = [("authorization", bearer(&ann)), ("authorization", bearer(&token("bob")))];
    let twice: Vec<(&str, &str)> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(told(&credentials, "/", &twice).await, Err(Kind::BadRequest));
}

#[tokio::test]
async fn a_cookie_counts_only_in_requests_of_own_and_listed_pages() {
    let credentials = credentials().await;
    let cookie = format!("a=b; session={}; session2=x", token("ann"));
    let ann = || Ok(Some("ann".to_owned()));
    for (fields, expected) in [
        (&[("sec-fetch-site", "same-origin")][..], ann()),
        (&[("sec-fetch-site", "none")], ann()),
        (&[("origin", "https://gateway.example")], ann()),
        (&[("origin", "http://GATEWAY.example")], ann()),
        (&[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")], ann()),
        (&[("origin", "https://evil.example")], Err(Kind::ForeignHost)),
        (&[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")], Err(Kind::ForeignHost)),
        (&[("origin", "https://shop.example.evil.example")], Err(Kind::ForeignHost)),
        (&[("origin", "https://shop.example:8443")], Err(Kind::ForeignHost)),
        (&[("origin", "http://shop.example")], Err(Kind::ForeignHost)),
        (&[("origin", "https://gateway.example.evil.example")], Err(Kind::ForeignHost)),
        (&[("origin", "https://gateway.example:1")], Err(Kind::ForeignHost)),
        (&[("origin", "null")], Err(Kind::ForeignHost)),
        (&[("origin", "")], Err(Kind::ForeignHost)),
        (&[("sec-fetch-site", "cross-site")], Err(Kind::ForeignHost)),
        (&[("sec-fetch-site", "same-site")], Err(Kind::ForeignHost)),
        (&[("sec-fetch-site", "")], Err(Kind::ForeignHost)),
        (&[], Err(Kind::InvalidToken)),
    ] {
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("cookie", cookie.as_str())]).collect();
        assert_eq!(told(&credentials, "/", &fields).await, expected, "{:?}", &fields[..fields.len() - 1]);
    }
    let own = ("sec-fetch-site", "same-origin");
    for (cookie, expected) in [
        ("session=".to_owned(), Ok(None)),
        ("sessio=x; xsession=y".to_owned(), Ok(None)),
        (format!("session=\"{}\"", token("ann")), ann()),
        (format!("session={}; session={}", token("ann"), token("bob")), Err(Kind::InvalidToken)),
        ("session=nonsense".to_owned(), Err(Kind::InvalidToken)),
    ] {
        assert_eq!(told(&credentials, "/", &[own, ("cookie", &cookie)]).await, expected, "{cookie}");
    }
    // What a page can't send by itself needs no such proof.
    let bearer = format!("Bearer {}", token("bob"));
    let fields = [("authorization", bearer.as_str()), ("cookie", &cookie), ("origin", "https://evil.example")];
    assert_eq!(told(&credentials, "/", &fields).await, Ok(Some("bob".to_owned())));
}

#[tokio::test]
async fn a_token_stands_in_the_query_only_where_it_may() {
    let mut credentials = credentials().await;
    let target = format!("/?channels=a&token={}", token("ann"));
    assert_eq!(told(&credentials, &target, &[]).await, Ok(Some("ann".to_owned())));
    assert_eq!(told(&credentials, "/?token=x", &[]).await, Err(Kind::InvalidToken));
    credentials.parameter = None;
    assert_eq!(told(&credentials, &target, &[]).await, Ok(None));
}

#[test]
fn another_cookie_in_any_bytes_hides_none_of_ours() {
    let read = |sent: &[u8]| {
        let mut fields = HeaderMap::new();
        fields.insert(COOKIE, actix_web::http::header::HeaderValue::from_bytes(sent).unwrap());
        cookie(&fields, "session").map(|found| found.map(str::to_owned)).map_err(|problem| problem.kind)
    };
    assert_eq!(read(b"name=\xe9\xff; session=ours"), Ok(Some("ours".into())));
    assert_eq!(read(b"\xff; =; session = \"ours\" ; name"), Ok(Some("ours".into())));
    assert_eq!(read(b"session=\xff"), Err(Kind::InvalidToken));
    assert_eq!(read(b"name=\xff; session=a; session=b"), Err(Kind::InvalidToken));
    assert_eq!(read(b"sessions=\xff"), Ok(None));
}

/// Credentials of a service that knows sessions and opaque tokens, and what it was sent: names and values, joined.
async fn with_service() -> (Credentials, Arc<parking_lot::Mutex<Vec<String>>>) {
    use crate::identity::forward_auth::{ForwardAuth, Options, tests};
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let sent = seen.clone();
    let (url, _) = tests::server(Arc::new(move |head, socket| {
        let mut fields: Vec<String> = head.lines().skip(1).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        fields.retain(|field| {
            let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !["host", "accept", "accept-encoding", "user-agent"].contains(&name.as_str())
        });
        let is_known = fields.iter().any(|field| field.contains("opaque") || field.contains("sid=ann"));
        sent.lock().push(fields.join(", "));
        match is_known {
            true => tests::answer(socket, "200 OK", br#"{"sub":"ann of the service"}"#),
            false => tests::answer(socket, "401 Unauthorized", b""),
        }
    }));
    let service = ForwardAuth::new(Options {
        url,
        ca_file: None,
        issuer: "session".into(),
        timeout: Duration::from_secs(5),
        cache: Duration::ZERO,
        lifetime: Duration::from_secs(60),
    });
    let forwarded = Forwarded {
        service,
        headers: vec!["authorization".into(), "x-tenant".into()],
        cookies: vec!["sid".into(), "csrf".into()],
    };
    (Credentials { forwarded: Some(forwarded), ..credentials().await }, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_is_sent_what_is_listed_of_what_no_issuer_knows_and_nothing_else() {
    let (credentials, seen) = with_service().await;
    let own = ("sec-fetch-site", "same-origin");
    let others = [("x-secret", "s"), ("x-tenant", "shop"), ("cookie", "other=o; sid=ann; csrf=c; session=")];
    let with = |more: &[(&'static str, &'static str)]| [more, &others, &[own]].concat();
    assert_eq!(
        told(&credentials, "/", &with(&[("authorization", "Bearer opaque")])).await,
        Ok(Some("ann of the service".into()))
    );
    assert_eq!(told(&credentials, "/", &with(&[])).await, Ok(Some("ann of the service".into())));
    assert_eq!(told(&credentials, "/", &with(&[("authorization", "Bearer other")])).await, Err(Kind::InvalidToken));
    assert_eq!(told(&credentials, "/", &[own, ("cookie", "sid=bob")]).await, Err(Kind::InvalidToken));
    assert_eq!(told(&credentials, "/", &[own, ("cookie", "other=o")]).await, Ok(None));
    assert_eq!(
        *seen.lock(),
        [
            "authorization: Bearer opaque, x-tenant: shop",
            "x-tenant: shop, cookie: sid=ann; csrf=c",
            "authorization: Bearer other, x-tenant: shop",
            "cookie: sid=bob",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_an_issuer_is_proven_here_and_a_foreign_page_asks_nothing() {
    let (credentials, seen) = with_service().await;
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(told(&credentials, "/", &[("authorization", &bearer(&token("bob")))]).await, Ok(Some("bob".into())));
    let mut parts: Vec<String> = token("bob").split('.').map(str::to_owned).collect();
    parts[2] = "opaque".into();
    let forged = bearer(&parts.join("."));
    assert_eq!(told(&credentials, "/", &[("authorization", &forged)]).await, Err(Kind::InvalidToken));
    let cookie = ("cookie", "sid=ann");
    for (page, expected) in [
        (&[("origin", "https://evil.example")][..], Kind::ForeignHost),
        (&[("sec-fetch-site", "cross-site")], Kind::ForeignHost),
        (&[], Kind::InvalidToken),
    ] {
        assert_eq!(told(&credentials, "/", &[page, &[cookie]].concat()).await, Err(expected), "{page:?}");
    }
    let twice = [("sec-fetch-site", "same-origin"), ("cookie", "sid=ann; sid=bob")];
    assert_eq!(told(&credentials, "/", &twice).await, Err(Kind::InvalidToken));
    assert!(seen.lock().is_empty(), "{:?}", seen.lock());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_service_has_proven_can_be_asked_again_and_a_token_of_an_issuer_is_never_asked_about() {
    let (credentials, _) = with_service().await;
    let can_be_asked = |known: Known| known.session.is_some();
    assert!(can_be_asked(credentials.prove("opaque").await.unwrap()));
    assert!(!can_be_asked(credentials.prove(&token("bob")).await.unwrap()));
    for (name, value, expected) in [
        ("cookie", "sid=ann".to_owned(), true),
        ("authorization", "Bearer opaque".to_owned(), true),
        ("authorization", format!("Bearer {}", token("bob")), false),
    ] {
        let request = TestRequest::with_uri("/").insert_header(("sec-fetch-site", "same-origin"));
        let request = request.insert_header((name, value)).to_http_request();
        let known = credentials.identify(&request).await.unwrap().unwrap();
        assert_eq!(can_be_asked(known), expected, "{name}");
    }
}
