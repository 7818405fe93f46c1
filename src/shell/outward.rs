//! The way to remote servers as whoever started us describes it: proxies on the way
//! (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) and files of authorities to trust (`--ca-file`,
//! `SSL_CERT_FILE`, `NODE_EXTRA_CA_CERTS`). Shows no value of a proxy, which may hold a password.

use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;

use onemcp::base::origin::Scheme;
use onemcp::config::Server;
use onemcp::http1::no_proxy::NoProxy;
use onemcp::http1::proxy::{Proxies, Proxy};

use crate::shell::tls::{CaFile, Tls};

/// The flag that names a file of authorities.
const CA_FILE: &str = "--ca-file";
/// The variables that do, each as other programs know it.
const CA_VARIABLES: [&str; 2] = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"];

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Outward {
    /// Which proxy leads to which server.
    pub(crate) proxies: Rc<Proxies>,
    ca_files: Vec<CaFile>,
    /// What is wrong with it, a line for each.
    pub(crate) warnings: Vec<String>,
}

impl Outward {
    /// Reads the variables. `ca_file` is what the flag says.
    pub(crate) fn new(
        ca_file: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let mut warnings = Vec::new();
        let proxies = Proxies {
            http: proxy(["http_proxy", "HTTP_PROXY"], &variable, &mut warnings),
            https: proxy(["https_proxy", "HTTPS_PROXY"], &variable, &mut warnings),
            no: text(["no_proxy", "NO_PROXY"], &variable, &mut warnings)
                .map_or_else(NoProxy::default, |(_, list)| NoProxy::parse(&list)),
        };
        let flag = ca_file.map(|path| (CA_FILE, path));
        let named = CA_VARIABLES.into_iter().filter_map(|name| {
            let path = variable(name).filter(|path| !path.is_empty())?;
            Some((name, PathBuf::from(path)))
        });
        let ca_file = |(named_by, path)| CaFile { named_by, path };
        Self {
            proxies: Rc::new(proxies),
            ca_files: flag.into_iter().chain(named).map(ca_file).collect(),
            warnings,
        }
    }

    /// Whether the file that was asked for on the command line can be used. Those that variables
    /// name are for all programs of this user, and are looked at when they are needed.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut asked = self.ca_files.iter().filter(|file| file.named_by == CA_FILE);
        asked.try_for_each(|file| file.read()?.flaw.map_or(Ok(()), Err))
    }

    /// What is wrong with it for whoever runs these servers, a line for each.
    pub(crate) fn complaints(&self, servers: &[Server]) -> Vec<String> {
        let urls = || {
            servers
                .iter()
                .filter_map(|server| server.remote()?.url.as_ref())
        };
        let mut lines = Vec::new();
        if urls().next().is_some() {
            lines.extend(self.warnings.iter().cloned());
        }
        if urls().any(|url| url.origin().scheme == Scheme::Https) {
            let wrong = |file: &CaFile| file.read().map_or_else(Some, |found| found.flaw);
            lines.extend(self.ca_files.iter().filter_map(wrong));
        }
        lines
    }

    /// What TLS begins with.
    pub(crate) fn tls(&self) -> Tls {
        Tls::new(self.ca_files.clone())
    }
}

/// The first of two variables that is set, as curl reads them: the lower case one beats the other,
/// and an empty one says that there is none.
fn text(
    names: [&'static str; 2],
    variable: &impl Fn(&str) -> Option<OsString>,
    warnings: &mut Vec<String>,
) -> Option<(&'static str, String)> {
    let set = |name| Some((name, variable(name)?));
    let (name, value) = names.into_iter().find_map(set)?;
    match value.into_string() {
        Ok(text) => Some((name, text)).filter(|(_, text)| !text.trim().is_empty()),
        Err(_) => {
            warnings.push(format!("{name} is ignored: it is no text"));
            None
        }
    }
}

fn proxy(
    names: [&'static str; 2],
    variable: &impl Fn(&str) -> Option<OsString>,
    warnings: &mut Vec<String>,
) -> Option<Proxy> {
    let (name, text) = text(names, variable, warnings)?;
    match Proxy::parse(text.trim()) {
        Ok(proxy) => Some(proxy),
        Err(bad) => {
            warnings.push(format!(
                "{name} is ignored, servers are reached directly: {bad}"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    use onemcp::base::url::Url;

    fn outward(variables: &'static [(&'static str, &'static str)]) -> Outward {
        Outward::new(None, |name| {
            let found = variables.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn way(outward: &Outward, url: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        let proxy = outward.proxies.on_the_way_to(url.origin());
        proxy.map(|proxy| proxy.origin().to_string())
    }

    #[test]
    fn proxies_are_taken_from_the_environment_and_lower_case_beats_upper_case() {
        let none = outward(&[]);
        assert_eq!(way(&none, "http://a.example"), None);
        let both = outward(&[
            ("HTTP_PROXY", "http://upper:1"),
            ("http_proxy", "lower:2"),
            ("HTTPS_PROXY", "http://user:pass@secure:3"),
            ("NO_PROXY", ".internal,10.0.0.0/8"),
        ]);
        assert_eq!(way(&both, "http://a.example").unwrap(), "http://lower:2");
        assert_eq!(way(&both, "https://a.example").unwrap(), "http://secure:3");
        assert_eq!(way(&both, "https://x.internal"), None);
        assert_eq!(way(&both, "http://10.1.2.3"), None);
        assert_eq!(both.warnings, [""; 0]);
        let emptied = outward(&[("http_proxy", ""), ("HTTP_PROXY", "upper:1")]);
        assert_eq!(way(&emptied, "http://a.example"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_read_is_a_warning_without_its_value() {
        let bad = outward(&[
            ("HTTP_PROXY", "socks5://user:hunter2@proxy"),
            ("https_proxy", "http://user:hunter2@pro xy"),
        ]);
        assert_eq!(way(&bad, "http://a.example"), None);
        assert_eq!(bad.warnings.len(), 2);
        assert!(
            bad.warnings[0].starts_with(
                "HTTP_PROXY is ignored, servers are reached directly: the only proxies"
            )
        );
        assert!(
            bad.warnings[1].starts_with("https_proxy is ignored, servers are reached directly: ")
        );
        assert!(!bad.warnings.concat().contains("hunter2"));
        let binary = Outward::new(None, |name| {
            (name == "NO_PROXY").then(|| OsString::from_vec(vec![0xff]))
        });
        assert_eq!(binary.warnings, ["NO_PROXY is ignored: it is no text"]);
    }

    #[test]
    fn a_ca_file_of_the_flag_is_checked_and_those_of_variables_are_not() {
        let variables = |name: &str| {
            let known = ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"].contains(&name);
            known.then(|| OsString::from("/nowhere/ca.pem"))
        };
        let outward = Outward::new(None, variables);
        assert_eq!(outward.ca_files.len(), 2);
        assert_eq!(outward.check(), Ok(()));
        let asked = Outward::new(Some("/nowhere/asked.pem".into()), variables);
        assert_eq!(
            asked.check().unwrap_err(),
            "--ca-file: cannot use /nowhere/asked.pem: there is no such file"
        );
        let dir = crate::shell::disk::tests::TempDir::new();
        let damaged = dir.path().join("damaged.pem");
        let ca = include_str!("../../tests/tls/ca.pem");
        let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, why) in [
            (block.to_owned(), "no certificate can be read"),
            ([ca, block].concat(), "1 of its 2 certificates are used"),
        ] {
            std::fs::write(&damaged, text).unwrap();
            let asked = Outward::new(Some(damaged.clone()), variables);
            assert!(asked.check().unwrap_err().ends_with(why));
        }
        let empty = Outward::new(None, |_| Some(OsString::new()));
        assert_eq!(empty.ca_files, []);
    }
}
