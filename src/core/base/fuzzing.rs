//! What must hold for any text at all that is read as a URL. [`url`] is a fuzz target of fuzz/ and
//! panics when it is broken.

use crate::base::authority::Authority;
use crate::base::origin::Host;
use crate::base::url::Url;
use crate::limits::URL_BYTES_MAX;

/// Fuzzes URLs and references: the first line is a URL, the second is resolved against it. What
/// is accepted is written in one form, and that form can stand in a request.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (base, reference) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(base) = Url::parse(base) else {
        return;
    };
    keeps_its_form(&base);
    assert_eq!(base.join("").as_ref(), Ok(&base));
    if let Ok(joined) = base.join(reference) {
        keeps_its_form(&joined);
    }
}

fn keeps_its_form(url: &Url) {
    let text = url.to_string();
    // Written out, a URL at the limit can be longer than what was read.
    if text.len() <= URL_BYTES_MAX {
        assert_eq!(Url::parse(&text).as_ref(), Ok(url));
        assert_eq!(url.join(&text).as_ref(), Ok(url));
    }
    let sendable = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    assert!(url.target().starts_with('/') && url.target().bytes().all(sendable));
    assert!(
        !url.path()
            .split('/')
            .any(|segment| matches!(segment, "." | ".."))
    );
    let origin = url.origin();
    for text in [origin.authority(), origin.host_and_port()] {
        let authority = Authority::parse(&text).map(|one| (Host::of(&one), one.port));
        let port = Some(origin.port).filter(|port| text.ends_with(&format!(":{port}")));
        let port = authority
            .as_ref()
            .and_then(|(_, written)| *written)
            .and(port);
        assert_eq!(authority, Some((Some(origin.host.clone()), port)));
    }
    assert_ne!(origin.port, 0);
}
