//! Which `resource` means us (protocol S3, RFC 8707). Clients name the gateway as whole or by the
//! URL that they were given; all of it is one audience.

use crate::base::form::Form;
use crate::base::origin::{Origin, Scheme};
use crate::base::url::Url;
use crate::settings::Settings;
use crate::web::origin::own;

/// Where we are as a whole, and where clients are served.
const WHOLE: [&str; 2] = ["", "/"];
const SERVED: [&str; 4] = ["/mcp", "/mcp/", "/sse", "/sse/"];

/// Whether every `resource` of a request is this gateway, which its sender knows as `asked`
/// ([`crate::web::origin::asked`]). None at all is fine.
pub(super) fn is_ours(settings: &Settings, asked: &str, form: &Form) -> bool {
    form.all("resource")
        .all(|resource| is_one(settings, asked, resource))
}

fn is_one(settings: &Settings, asked: &str, resource: &str) -> bool {
    let Ok(url) = Url::parse(resource) else {
        return false;
    };
    // The URL that a client was given may say which servers it wants (`/mcp?preset=work`).
    let is_whole = WHOLE.contains(&url.path()) && !resource.contains('?');
    let is_served = SERVED.contains(&url.path());
    (is_whole || is_served) && !resource.contains('#') && is_own(settings, asked, url.origin())
}

/// Ours is what the metadata of this very request say: behind `ssh -L` or `docker -p` the port is
/// another one than that on which we listen.
fn is_own(settings: &Settings, asked: &str, named: &Origin) -> bool {
    let ours = [own(settings), asked.to_owned()];
    let ours: Vec<Url> = ours.iter().filter_map(|one| Url::parse(one).ok()).collect();
    let is_it = |one: &Origin| {
        let loopback = one.host.is_loopback() && named.host.is_loopback();
        one == named || (loopback && (one.scheme, one.port) == (named.scheme, named.port))
    };
    let own_port = named.scheme == Scheme::Http
        && named.host.is_loopback()
        && named.port == settings.port
        && settings.external_url.is_none();
    own_port || ours.iter().any(|one| is_it(one.origin()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(settings: &Settings, resources: &[&str]) -> bool {
        let add = |form: Form, one: &&str| form.with("resource", one);
        let form = resources.iter().fold(Form::default(), add);
        is_ours(settings, &own(settings), &form)
    }

    #[test]
    fn s3_the_port_by_which_we_were_asked_is_ours_as_well() {
        let settings = Settings::default();
        let says = |asked: &str, resource: &str| {
            let form = Form::default().with("resource", resource);
            is_ours(&settings, asked, &form)
        };
        for good in [
            "http://localhost:8080/mcp",
            "http://127.0.0.1:8080",
            "http://localhost:3050/mcp",
        ] {
            assert!(says("http://localhost:8080", good), "{good}");
        }
        for bad in [
            "http://localhost:8081/mcp",
            "https://localhost:8080/mcp",
            "http://evil.example:8080/mcp",
        ] {
            assert!(!says("http://localhost:8080", bad), "{bad}");
        }
        assert!(says(
            "http://192.168.1.5:3050",
            "http://192.168.1.5:3050/mcp"
        ));
        assert!(!says(
            "http://192.168.1.5:3050",
            "http://192.168.1.6:3050/mcp"
        ));
    }

    #[test]
    fn s3_every_spelling_of_this_gateway_is_one_audience() {
        let settings = Settings {
            external_url: Some("https://mcp.example.com".to_owned()),
            ..Settings::default()
        };
        assert!(says(&settings, &[]));
        for path in ["", "/", "/mcp", "/mcp/", "/sse", "/sse/"] {
            assert!(
                says(&settings, &[&format!("https://mcp.example.com{path}")]),
                "{path}"
            );
        }
        assert!(says(&settings, &["HTTPS://MCP.example.com:443/mcp"]));
        assert!(says(
            &settings,
            &["https://mcp.example.com/mcp", "https://mcp.example.com"]
        ));
        assert!(says(&settings, &["https://mcp.example.com/mcp?preset=x"]));
        for bad in [
            "https://mcp.example.com/other",
            "https://mcp.example.com/?x=1",
            "https://mcp.example.com?x=1",
            "https://mcp.example.com/mcp#x",
            "https://mcp.example.com:8443/mcp",
            "http://mcp.example.com/mcp",
            "https://evil.example/mcp",
            "http://127.0.0.1:3050/mcp",
            "mcp",
            "",
        ] {
            assert!(!says(&settings, &["https://mcp.example.com", bad]), "{bad}");
        }
    }

    #[test]
    fn s3_all_loopback_spellings_of_our_port_are_this_gateway() {
        let settings = Settings::default();
        for good in [
            "http://localhost:3050/mcp",
            "http://[::1]:3050",
            "http://127.0.0.1:3050/",
        ] {
            assert!(says(&settings, &[good]), "{good}");
        }
        for bad in [
            "http://localhost:3051/mcp",
            "https://localhost:3050",
            "http://10.0.0.1:3050",
        ] {
            assert!(!says(&settings, &[bad]), "{bad}");
        }
    }
}
