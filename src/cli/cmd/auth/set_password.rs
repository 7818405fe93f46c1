//! `auth set-password`: another password for the owner. Asked for twice where somebody sits, else
//! the first line of stdin.

use onemcp::json::write;

use super::{owner, store, tell};
use crate::cli::args::Line;
use crate::cli::failure::Failure;
use crate::cli::terminal::hidden;
use crate::cli::{places, variable};

/// Runs it.
pub(crate) fn run(line: &Line) -> Result<u8, Failure> {
    line.no_operands()?;
    let places = places::resolve(line, variable)?;
    let answers = hidden(&["New password of the owner", "The same again"])?;
    let [password, again] = &answers[..] else {
        return Err(Failure::Failed("no password was given".to_owned()));
    };
    if password != again {
        let text = "the two are not the same; nothing was changed".to_owned();
        return Err(Failure::Failed(text));
    }
    owner::check(password).map_err(|why| {
        Failure::Usage(format!("that is no password: {why}; nothing was changed"))
    })?;
    owner::set(&places, password)?;
    let members = [
        ("action", write::string("set-password")),
        ("file", write::string(&store::file(&places))),
    ];
    let text = "the owner's password is another one now; only its hash is kept";
    tell(line, text, &members).map(|()| 0)
}
