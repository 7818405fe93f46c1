//! What a form sent, and where its sender goes next.

use crate::base::form::Form;
use crate::language::WebRequest;
use crate::limits::FORM_BYTES_MAX;
use crate::web::answer::Answer;
use crate::web::pages::refusal;

/// The fields of a form.
///
/// # Errors
/// The answer to what is none: 413 or 415 or 400.
pub fn posted(request: &WebRequest) -> Result<Form, Answer> {
    let headers = &request.head.headers;
    let kind = headers.get("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim_ascii();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let hint = "send a form: application/x-www-form-urlencoded";
        return Err(refusal(headers, 415, "this is no form", hint));
    }
    if request.body.len() > FORM_BYTES_MAX {
        let hint = format!("a form has at most {FORM_BYTES_MAX} bytes");
        return Err(refusal(headers, 413, "the form is too long", &hint));
    }
    Form::parse(&request.body).ok_or_else(|| {
        let hint = "go back, load the page again and repeat it";
        refusal(headers, 400, "the form cannot be read", hint)
    })
}

/// Sends a browser on after a form, or before one. `to` is a path of ours, or a URL that was
/// checked by whoever knows what it is for.
#[must_use]
pub fn see_other(to: &str) -> Answer {
    let answer = Answer {
        status: 303,
        headers: Vec::new(),
        body: Vec::new(),
    };
    answer
        .with("Location", to.to_owned())
        .with("Cache-Control", "no-store")
        .with("Referrer-Policy", "same-origin")
        .with("X-Content-Type-Options", "nosniff")
}
