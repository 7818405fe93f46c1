//! The owner's password: made at the first start that is open to others, taken from a file that
//! somebody else manages, or set by a command. Only its hash is kept.

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use onemcp::base::digest::same;
use onemcp::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN, PASSWORD_ROUNDS};
use onemcp::oauth::server::record::{Password, Record};

use super::store::{self, Opened};
use crate::cli::cmd::open;
use crate::cli::failure::{Failure, reason};
use crate::cli::out;
use crate::cli::places::Places;
use crate::shell::disk::{read_bounded, replace_atomically};
use crate::shell::{ServeOptions, stretched};

/// A file with the password, for who keeps his secrets elsewhere. No flag: a password that is
/// given at every start belongs into no command line.
const VARIABLE: &str = "ONE_MCP_OWNER_PASSWORD_FILE";
/// Digits that cannot be mistaken for each other.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Before `serve`: makes sure that the owner can log in, if anybody else can reach us, and that
/// there is a key before the first client comes.
pub(crate) fn prepare(options: &mut ServeOptions) -> Result<(), Failure> {
    if options.settings.stdio || options.demo && !options.settings.auth {
        return Ok(());
    }
    let places = Places {
        config_file: options.config_file.clone(),
        config_dir: options.config_dir.clone(),
        state_dir: options.state_dir.clone(),
    };
    owner(&places, options)?;
    if options.settings.auth {
        draw_keys(&places)?;
    }
    Ok(())
}

/// A token that was shown a moment after the start is judged by a key, not refused for want of one.
fn draw_keys(places: &Places) -> Result<(), Failure> {
    if !store::look(places)?.wants_key(super::now()) {
        return Ok(());
    }
    let mut opened = Opened::lock(places)?;
    let mut entropy = store::entropy()?;
    opened.record.draw_keys(super::now(), &mut entropy);
    opened.save()
}

fn owner(places: &Places, options: &mut ServeOptions) -> Result<(), Failure> {
    if let Some(file) = env::var_os(VARIABLE).filter(|file| !file.is_empty()) {
        return from_file(places, &PathBuf::from(file), &mut options.warnings);
    }
    if !options.settings.auth && !open::is_open(&options.settings) {
        return Ok(());
    }
    match first(places, &mut options.warnings) {
        // Without tokens to be given nothing but the dashboard stays closed.
        Err(failure) if !options.settings.auth => {
            let why = failure.line().unwrap_or_default();
            let line = format!("nobody can log in at /oauth: {why}");
            options.warnings.push(line);
            Ok(())
        }
        other => other,
    }
}

/// The first start: there is no password yet.
fn first(places: &Places, warnings: &mut Vec<String>) -> Result<(), Failure> {
    if store::look(places)?.owner.is_some() {
        return Ok(());
    }
    let mut opened = Opened::lock(places)?;
    if opened.record.owner.is_some() {
        return Ok(());
    }
    let password = invent()?;
    opened.record.set_owner(stretch(&password)?);
    if io::stderr().is_terminal() {
        opened.save()?;
        out::note(&format!(
            "the owner's password, shown this once: {password}\n\
             1mcp: it logs you in at /oauth/login; 1mcp auth set-password makes another one"
        ));
        return Ok(());
    }
    // First the password, then what it is compared with: a password that nobody can read would
    // be worse than one that is not good yet.
    let file = file(&places.config_dir);
    // An old one may be open to others, and its permissions would stay.
    let _gone = fs::remove_file(&file);
    replace_atomically(&file, format!("{password}\n").as_bytes(), 0o600)
        .map_err(|error| Failure::Failed(error.to_string()))?;
    opened.save()?;
    warnings.push(format!(
        "the owner's password is in {}: keep it elsewhere, and remove the file",
        file.display()
    ));
    Ok(())
}

/// Somebody else manages it: what the file says is the password from now on.
fn from_file(places: &Places, file: &Path, warnings: &mut Vec<String>) -> Result<(), Failure> {
    let shown = file.display();
    let cannot = |why: &str| Failure::Failed(format!("{VARIABLE}: {shown} {why}"));
    let bytes = read_bounded(file, PASSWORD_BYTES_MAX + 2)
        .map_err(|error| cannot(&format!("cannot be read: {}", reason(&error))))?
        .ok_or_else(|| cannot("does not exist"))?;
    let mode = fs::metadata(file).map_or(0, |found| found.mode());
    if mode & 0o022 != 0 {
        let why = format!("may be written by others: chmod 600 {shown}");
        return Err(cannot(&why));
    }
    // Secrets of containers are mounted like this, for one user to read.
    if mode & 0o044 != 0 {
        warnings.push(format!(
            "{shown}, the owner's password, may be read by others"
        ));
    }
    let text = String::from_utf8(bytes).map_err(|_| cannot("is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let password = text.strip_suffix('\r').unwrap_or(text);
    check(password).map_err(|why| cannot(&format!("holds no password: {why}")))?;
    if is_of(&store::look(places)?, password) {
        return Ok(());
    }
    set(places, password)
}

/// Sets the password. One that we wrote down before is good no more.
pub(super) fn set(places: &Places, password: &str) -> Result<(), Failure> {
    // Stretched before the lock is taken, as it takes a while.
    let password = stretch(password)?;
    let mut opened = Opened::lock(places)?;
    opened.record.set_owner(password);
    opened.save()?;
    let _was_none = fs::remove_file(file(&places.config_dir));
    Ok(())
}

/// What a password must be; the error completes "a password".
pub(super) fn check(password: &str) -> Result<(), String> {
    let characters = password.chars().count();
    if characters < PASSWORD_CHARS_MIN {
        return Err(format!("it needs at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("it has at most {PASSWORD_BYTES_MAX} bytes"));
    }
    if password.chars().any(char::is_control) {
        return Err("it has one line, without control characters".to_owned());
    }
    Ok(())
}

/// Where a password is written down that nobody could be shown.
fn file(config_dir: &Path) -> PathBuf {
    config_dir.join("owner-password")
}

fn is_of(record: &Record, password: &str) -> bool {
    record.owner.as_ref().is_some_and(|owner| {
        let key = stretched(password, &owner.salt, owner.rounds);
        same(&key, &owner.key)
    })
}

fn stretch(password: &str) -> Result<Password, Failure> {
    let mut salt = [0; 16];
    let block = store::entropy()?.block();
    salt.copy_from_slice(&block[..16]);
    let rounds = NonZeroU32::new(PASSWORD_ROUNDS).unwrap_or(NonZeroU32::MIN);
    let key = stretched(password, &salt, rounds);
    Ok(Password::new(salt, rounds, key))
}

/// 130 random bits, to be read aloud and typed.
fn invent() -> Result<String, Failure> {
    let block = store::entropy()?.block();
    let digits = block.iter().take(26).map(|byte| {
        let digit = DIGITS.get(usize::from(byte & 31));
        char::from(*digit.unwrap_or(&b'0'))
    });
    let digits: Vec<char> = digits.collect();
    let groups: Vec<String> = digits
        .chunks(5)
        .map(|group| group.iter().collect())
        .collect();
    Ok(groups.join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_password_has_128_bits_and_can_be_typed() {
        let (one, other) = (invent().unwrap(), invent().unwrap());
        assert_ne!(one, other);
        let digits = one.replace('-', "");
        assert_eq!((digits.len(), one.len()), (26, 31));
        assert!(digits.bytes().all(|digit| DIGITS.contains(&digit)));
        assert_eq!(check(&one), Ok(()));
    }

    #[test]
    fn password_chars_min_and_password_bytes_max_are_kept() {
        assert!(check("1234567").unwrap_err().contains("at least 8"));
        assert!(check("").is_err());
        assert_eq!(check("12345678"), Ok(()));
        assert_eq!(check(&"x".repeat(PASSWORD_BYTES_MAX)), Ok(()));
        let why = check(&"x".repeat(PASSWORD_BYTES_MAX + 1)).unwrap_err();
        assert!(why.contains("at most"), "{why}");
        assert!(check("1234\n5678").is_err());
    }

    #[test]
    fn a_stretched_password_is_of_its_text_only() {
        let mut record = Record::default();
        assert!(!is_of(&record, "password"));
        record.set_owner(stretch("password").unwrap());
        assert!(is_of(&record, "password") && !is_of(&record, "Password"));
        assert_eq!(record.owner.unwrap().rounds.get(), PASSWORD_ROUNDS);
    }
}
