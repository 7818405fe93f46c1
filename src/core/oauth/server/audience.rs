//! Which `resource` means us (protocol S3, RFC 8707). Clients name the gateway as whole or by the
//! URL that they were given; all of it is one audience.

use crate::base::form::Form;
use crate::base::origin::{Origin, Scheme};
use crate::base::url::Url;
use crate::settings::Settings;
use crate::web::origin::own;

const PATHS: [&str; 6] = ["/", "/mcp", "/mcp/", "/sse", "/sse/", ""];

/// Whether every `resource` of a request is this gateway. None at all is fine.
pub(super) fn is_ours(settings: &Settings, form: &Form) -> bool {
    form.all("resource")
        .all(|resource| is_one(settings, resource))
}

fn is_one(settings: &Settings, resource: &str) -> bool {
    let Ok(url) = Url::parse(resource) else {
        return false;
    };
    let plain = url.query().is_none() && !resource.contains(['#', '?']);
    plain && PATHS.contains(&url.path()) && is_own(settings, url.origin())
}

fn is_own(settings: &Settings, asked: &Origin) -> bool {
    let own = Url::parse(&own(settings));
    if own.is_ok_and(|own| own.origin() == asked) {
        return true;
    }
    settings.external_url.is_none()
        && asked.scheme == Scheme::Http
        && asked.host.is_loopback()
        && asked.port == settings.port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(settings: &Settings, resources: &[&str]) -> bool {
        let add = |form: Form, one: &&str| form.with("resource", one);
        is_ours(settings, &resources.iter().fold(Form::default(), add))
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
        for bad in [
            "https://mcp.example.com/other",
            "https://mcp.example.com/mcp?x=1",
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
