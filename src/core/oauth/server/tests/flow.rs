//! What works.

use super::*;

#[test]
fn r5_the_resource_says_whose_tokens_it_wants() {
    let mut world = World::new();
    for (path, resource) in [
        ("", "https://mcp.example.com"),
        ("/mcp", "https://mcp.example.com/mcp"),
        ("/sse", "https://mcp.example.com/sse"),
        // As it was asked: clients compare it with their URL byte by byte.
        ("/mcp/", "https://mcp.example.com/mcp/"),
        ("/mcp?preset=x", "https://mcp.example.com/mcp?preset=x"),
    ] {
        let answer = world.get(&format!("/.well-known/oauth-protected-resource{path}"));
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        let expected = format!(
            "{{\"resource\":\"{resource}\",\"authorization_servers\":[\"https://mcp.example.com\"],\
             \"scopes_supported\":[\"mcp\"],\"bearer_methods_supported\":[\"header\"],\
             \"resource_name\":\"1mcp\"}}"
        );
        assert_eq!(String::from_utf8(answer.body).unwrap(), expected);
    }
    let other = world.get("/.well-known/oauth-protected-resource/other");
    assert_eq!(other.status, 404);
    assert_eq!(other.field("access-control-allow-origin"), Some("*"));
}

#[test]
fn s1_the_server_says_what_it_can_do() {
    let mut world = World::new();
    let document = world.get("/.well-known/oauth-authorization-server");
    assert_eq!(document.field("access-control-allow-origin"), Some("*"));
    let at = |path: &str| format!("https://mcp.example.com{path}");
    let expected = serde_json::json!({
        "issuer": at(""),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "registration_endpoint": at("/register"),
        "revocation_endpoint": at("/revoke"),
        "scopes_supported": ["mcp", "tag:files"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
    });
    assert_eq!(json(&document), expected);
    for path in ["oauth-authorization-server/mcp", "openid-configuration"] {
        assert_eq!(world.get(&format!("/.well-known/{path}")).status, 404);
    }
}

#[test]
fn s1_without_enable_auth_there_is_nothing_but_the_password() {
    let mut world = World::cold(&Settings::default());
    let mut record = Record::default();
    let rounds = std::num::NonZeroU32::MIN;
    record.set_owner(record::Password::new([1; 16], rounds, [2; 32]));
    let text = record.write();
    world.act(|server, cx| server.record(cx, Some(&text)));
    world.configure(&[]);
    assert_eq!(world.password, record.owner);
    for path in [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/authorize",
    ] {
        let answer = world.get(path);
        assert_eq!(answer.status, 404);
        let hint = text_of(&json(&answer), "hint");
        assert_eq!(hint, "it comes with --enable-auth");
    }
    assert_eq!(world.post("/token", &Form::default()).status, 404);
    assert_eq!((world.locks, world.keys), (0, None));
    assert_eq!(world.timers.next(), None);
}

#[test]
fn s1_on_loopback_the_issuer_is_spelled_as_it_was_asked() {
    let settings = Settings {
        auth: true,
        ..Settings::default()
    };
    let mut world = World::with(&settings);
    for (host, issuer) in [
        ("localhost:3050", "http://localhost:3050"),
        ("127.0.0.1:3050", "http://127.0.0.1:3050"),
        // The near end of a tunnel, or of a container's port.
        ("localhost:8080", "http://localhost:8080"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("evil.example:1", "http://127.0.0.1:3050"),
    ] {
        world.host = host;
        let document = world.get("/.well-known/oauth-authorization-server");
        assert_eq!(text_of(&json(&document), "issuer"), issuer);
        let document = world.get("/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            text_of(&json(&document), "resource"),
            format!("{issuer}/mcp")
        );
        let client = world.client();
        let request = but(
            &request_of(&client),
            "resource",
            Some(&format!("{issuer}/mcp")),
        );
        let sent = world.consent(&request);
        assert_eq!(sent.get("iss"), Some(issuer));
        let form = redeem(&client, sent.get("code").unwrap());
        let tokens = json(&world.post("/token", &but(&form, "resource", Some(issuer))));
        let claims = world.claims(&tokens).unwrap();
        assert_eq!(&*claims.issuer, "http://127.0.0.1:3050");
    }
}

#[test]
fn s3_s4_s6_s7_a_client_registers_asks_and_is_let_in() {
    let mut world = World::new();
    let client = world.client();
    let request = request_of(&client);
    let page = world.get(&format!("/authorize?{}", request.text()));
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert_eq!(page.status, 200);
    assert!(text.contains("App") && text.contains("app.example") && text.contains("csrf-of-1"));
    assert_eq!(page.field("set-cookie"), Some("c=1"));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("form-action"));

    let sent = world.consent(&request);
    assert_eq!(sent.fields().count(), 3);
    assert_eq!(sent.once("state"), Ok(Some("s&1")));
    assert_eq!(sent.once("iss"), Ok(Some("https://mcp.example.com")));
    let answer = world.post("/token", &redeem(&client, sent.get("code").unwrap()));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let tokens = json(&answer);
    assert_eq!(text_of(&tokens, "token_type"), "Bearer");
    assert_eq!(tokens["expires_in"], 3_600);
    assert_eq!(text_of(&tokens, "scope"), "mcp");
    let claims = world.claims(&tokens).unwrap();
    assert_eq!(*claims.client, *client);
    assert_eq!(&*claims.audience, "https://mcp.example.com");
    assert_eq!(claims.expires, UnixSeconds(WALL + 3_600));
    let record = Record::read(world.disk.as_deref()).unwrap();
    assert_eq!(record.grants[0].id, claims.grant);
    assert_eq!(record.clients[0].known, record::Known::Consented);
    let stored = String::from_utf8(world.disk.clone().unwrap()).unwrap();
    let log = world.log.join("\n");
    for secret in ["access_token", "refresh_token"] {
        let secret = text_of(&tokens, secret);
        assert!(!stored.contains(&secret) && !log.contains(&secret));
    }
}

#[test]
fn s5_the_owner_logs_in_first_and_comes_back() {
    let mut world = World::new();
    let client = world.client();
    let request = request_of(&client);
    for who in [Who::Stranger, Who::Local] {
        world.who = who;
        let target = format!("/authorize?{}&evil=1", request.text());
        for answer in [
            world.get(&target),
            world.post("/authorize", &allow(&request)),
        ] {
            assert_eq!(answer.status, 303);
            let to = answer.field("location").unwrap();
            let query = to.strip_prefix("/oauth/login?").unwrap();
            let query = Form::parse(query.as_bytes()).unwrap();
            assert_eq!(query.fields().count(), 1);
            let next = format!("/authorize?{}", request.text());
            assert_eq!(query.get("next"), Some(next.as_str()));
        }
    }
    assert!(world.server.codes.deadline().is_none());
}

#[test]
fn s5_a_long_request_has_its_login_at_once() {
    let mut world = World::new();
    let client = world.client();
    world.who = Who::Stranger;
    let request = |spaces: usize| {
        let form = but(&request_of(&client), "state", Some(&" ".repeat(spaces)));
        let short = form.text().replace("%20", "+");
        (form, format!("/authorize?{short}"))
    };
    let (form, target) = request(2_000);
    let page = world.get(&target);
    assert_eq!((page.status, page.field("location")), (200, None));
    let text = String::from_utf8(page.body).unwrap();
    let next = format!("/authorize?{}", form.text()).replace('&', "&amp;");
    assert!(text.contains(&next) && text.contains("csrf-of-1"));
    // Nobody could come back to this one.
    let (_, target) = request(5_000);
    assert_eq!(world.get(&target).status, 400);
}

#[test]
fn s4_the_owner_says_no() {
    let mut world = World::new();
    let client = world.client();
    let deny = but(&allow(&request_of(&client)), "decision", Some("deny"));
    let sent = back(&world.post("/authorize", &deny));
    assert_eq!(sent.get("error"), Some("access_denied"));
    assert_eq!(sent.once("state"), Ok(Some("s&1")));
    assert_eq!(sent.once("iss"), Ok(Some("https://mcp.example.com")));
    assert_eq!(sent.get("code"), None);
}

#[test]
fn s3_scopes_are_everything_unless_the_client_asks_for_less() {
    let mut world = World::new();
    let client = world.client();
    for (asked, given) in [
        (None, "mcp"),
        (Some(""), "mcp"),
        (Some("mcp tag:a"), "mcp"),
        (Some("tag:B tag:a"), "tag:a tag:b"),
        // What clients ask everybody for.
        (Some("openid email profile"), "mcp"),
        (Some("claudeai"), "mcp"),
        (Some("openid tag:a offline_access"), "tag:a"),
        (Some("mcp openid"), "mcp"),
    ] {
        let sent = world.consent(&but(&request_of(&client), "scope", asked));
        let form = redeem(&client, sent.get("code").unwrap());
        let tokens = json(&world.post("/token", &form));
        assert_eq!(text_of(&tokens, "scope"), given);
        assert_eq!(world.claims(&tokens).unwrap().scopes.text(), given);
    }
}

#[test]
fn s8_refresh_tokens_rotate_and_scopes_only_shrink() {
    let mut world = World::new();
    let client = world.client();
    let sent = world.consent(&but(&request_of(&client), "scope", Some("tag:a tag:b")));
    let code = sent.get("code").unwrap().to_owned();
    let first = json(&world.post("/token", &redeem(&client, &code)));
    let narrow = refresh(&client, &first).with("scope", "tag:a");
    let second = json(&world.post("/token", &narrow));
    assert_eq!(text_of(&second, "scope"), "tag:a");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let wide = refresh(&client, &second).with("scope", "mcp");
    assert_eq!(
        error_of(&world.post("/token", &wide)),
        (400, "invalid_scope".into())
    );
    let unknown = refresh(&client, &second).with("scope", "openid");
    let third = json(&world.post("/token", &unknown));
    assert_eq!(text_of(&third, "scope"), "tag:a tag:b");
    let grants: Vec<_> = [&first, &second, &third]
        .map(|tokens| world.claims(tokens).unwrap().grant)
        .into();
    assert!(grants.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn s9_confidential_clients_show_their_secret_either_way() {
    let mut world = World::new();
    for method in ["client_secret_basic", "client_secret_post"] {
        let body = format!(
            "{{\"redirect_uris\":[\"{BACK}\"],\"token_endpoint_auth_method\":\"{method}\"}}"
        );
        let answer = json(&world.register(&body));
        let (id, secret) = (
            text_of(&answer, "client_id"),
            text_of(&answer, "client_secret"),
        );
        assert_eq!(answer["client_secret_expires_at"], 0);
        assert_eq!(text_of(&answer, "token_endpoint_auth_method"), method);
        let code = world.code(&id);
        let form = redeem(&id, &code);
        let wrong = form.clone().with("client_secret", "x");
        let none = world.post("/token", &form);
        assert_eq!(error_of(&none), (401, "invalid_client".into()));
        assert_eq!(world.post("/token", &wrong).status, 401);
        let pair = base64::encode(format!("{id}:{secret}").as_bytes());
        let answer = if method == "client_secret_post" {
            world.post("/token", &form.with("client_secret", &secret))
        } else {
            let field = format!("Authorization: Basic {pair}\r\n");
            let text = world.post_text("/token", &but(&form, "client_id", None), &field);
            world.ask(&text)
        };
        assert_eq!(answer.status, 200);
        let wrong = base64::encode(format!("{id}:x").as_bytes());
        let field = format!("Authorization: Basic {wrong}\r\n");
        let text = world.post_text("/token", &redeem(&id, "x"), &field);
        let answer = world.ask(&text);
        assert!(
            answer
                .field("www-authenticate")
                .unwrap()
                .starts_with("Basic")
        );
        assert_eq!(answer.status, 401);
    }
}

#[test]
fn s9_the_answer_to_a_registration_says_how_it_was_understood() {
    let mut world = World::new();
    let answer = world.register(
        "{\"redirect_uris\":[\"cursor://x/cb\"],\"client_name\":\" A\\nb\",\
         \"grant_types\":[\"authorization_code\",\"refresh_token\",\"implicit\"],\
         \"response_types\":[\"code\"],\"scope\":\"mcp\",\"application_type\":\"native\",\
         \"token_endpoint_auth_method\":\"client_secret_post\",\"jwks\":{},\
         \"client_uri\":\"https://a.example\",\"software_id\":\"s\",\"software_version\":\"1\"}",
    );
    assert_eq!(answer.status, 201);
    let mut said = json(&answer);
    let id = said.as_object_mut().unwrap().remove("client_id").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 32);
    let expected = serde_json::json!({
        "client_id_issued_at": WALL,
        "redirect_uris": ["cursor://x/cb"],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "client_name": "A b",
        "scope": "mcp",
        "application_type": "native",
        "client_uri": "https://a.example",
        "software_id": "s",
        "software_version": "1",
    });
    assert_eq!(said, expected);
    let only = format!(
        "{{\"redirect_uris\":[\"{BACK}\"],\"grant_types\":[\"authorization_code\"],\
                        \"token_endpoint_auth_method\":\"none\"}}"
    );
    let id = text_of(&json(&world.register(&only)), "client_id");
    let tokens = world.tokens(&id);
    assert!(tokens.get("refresh_token").is_none());
    assert!(world.claims(&tokens).is_ok());
}

#[test]
fn s3_a_client_with_one_redirect_need_not_name_it() {
    let mut world = World::new();
    let client = world.client();
    let sent = world.consent(&but(&request_of(&client), "redirect_uri", None));
    let code = sent.get("code").unwrap();
    let form = but(&redeem(&client, code), "redirect_uri", None);
    assert_eq!(world.post("/token", &form).status, 200);
}

#[test]
fn s6_the_redirect_need_not_be_repeated_for_the_token() {
    let mut world = World::new();
    let client = world.client();
    let code = world.code(&client);
    let form = but(&redeem(&client, &code), "redirect_uri", None);
    assert_eq!(world.post("/token", &form).status, 200);
    // Sent though it was not named before, it has to be where the code went.
    let sent = world.consent(&but(&request_of(&client), "redirect_uri", None));
    let form = redeem(&client, sent.get("code").unwrap());
    assert_eq!(world.post("/token", &form).status, 200);
}

#[test]
fn rfc7009_either_token_ends_the_grant_of_its_own_client() {
    let mut world = World::new();
    let (one, two) = (world.client(), world.client());
    for name in ["access_token", "refresh_token"] {
        let tokens = world.tokens(&one);
        let revoke = |client: &str| {
            let form = Form::default().with("client_id", client);
            form.with("token", &text_of(&tokens, name))
        };
        assert_eq!(world.post("/revoke", &revoke(&two)).status, 200);
        assert!(world.claims(&tokens).is_ok());
        assert_eq!(world.post("/revoke", &revoke("x")).status, 401);
        let answer = world.post("/revoke", &revoke(&one));
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(world.claims(&tokens), Err(Bad::Revoked));
        let again = world.post("/token", &refresh(&one, &tokens));
        assert_eq!(error_of(&again), (400, "invalid_grant".into()));
        assert_eq!(world.post("/revoke", &revoke(&one)).status, 200);
    }
    let unknown = Form::default().with("client_id", &one).with("token", "x");
    assert_eq!(world.post("/revoke", &unknown).status, 200);
    let none = Form::default().with("client_id", &one);
    assert_eq!(
        error_of(&world.post("/revoke", &none)),
        (400, "invalid_request".into())
    );
}

#[test]
fn s11_keys_are_renewed_and_old_ones_stay_until_their_tokens_have_expired() {
    let mut world = World::new();
    let client = world.client();
    let mut tokens = world.tokens(&client);
    let first = world.keys.clone().unwrap().keys;
    for _ in 0..30 {
        world.pass(24 * 3_600 - 100);
        tokens = json(&world.post("/token", &refresh(&client, &tokens)));
    }
    world.pass(3_000);
    let both = world.keys.clone().unwrap().keys;
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    assert!(world.claims(&tokens).is_ok());
    world.pass(7_200);
    let last = world.keys.clone().unwrap().keys;
    assert_eq!(last, both[1..]);
    let tokens = json(&world.post("/token", &refresh(&client, &tokens)));
    assert!(world.claims(&tokens).is_ok());
}
