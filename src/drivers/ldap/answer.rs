//! What an answer of the server means: <https://www.rfc-editor.org/rfc/rfc4511#section-4.1.9>.

use ldap3::{LdapError, LdapResult};

use crate::directory::{DirectoryError, ErrorKind};

pub(super) const NO_SUCH_ATTRIBUTE: u32 = 16;
pub(super) const VALUE_EXISTS: u32 = 20;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
pub(super) const INVALID_CREDENTIALS: u32 = 49;
pub(super) const INSUFFICIENT_RIGHTS: u32 = 50;
pub(super) const NOT_A_LEAF: u32 = 66;
pub(super) const ENTRY_EXISTS: u32 = 68;
pub(super) const OTHER: u32 = 80;

/// What kind of failure a result is.
fn kind_of(result: &LdapResult) -> ErrorKind {
    match result.rc {
        // What was read is a part: a time, size or administrative limit, or the rest is on another server.
        3 | 4 | 10 | 11 => ErrorKind::Incomplete,
        // The method, the protection of the connection, the password, the right.
        7 | 8 | 13 | 48 | INVALID_CREDENTIALS | INSUFFICIENT_RIGHTS => ErrorKind::Refused,
        // The overlay `unique` (slapo-unique(5)) says: some attributes not unique.
        19 if result.text.contains("unique") => ErrorKind::Conflict,
        ENTRY_EXISTS => ErrorKind::Conflict,
        // Busy, unavailable, and what OpenLDAP says when its database or another server behind it fails.
        51 | 52 | OTHER => ErrorKind::Unavailable,
        // Gone, or not as it was read: the assertion failed (RFC 4528).
        NO_SUCH_OBJECT | 122 => ErrorKind::Moved,
        // Not asked for rightly: schema, syntax, names, things that stand under it, policy.
        12 | NO_SUCH_ATTRIBUTE..=21 | 34 | 53 | 64 | 65 | NOT_A_LEAF | 67 | 69 | 71 => ErrorKind::Rejected,
        _ => ErrorKind::Failed,
    }
}

/// The failure that a result is.
pub(super) fn refused(operation: impl Into<String>, result: &LdapResult) -> DirectoryError {
    let LdapResult { rc, matched: _, text, refs, ctrls: _ } = result;
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    let cause = match *rc {
        3 => format!("the server's time limit came first (3){said}"),
        4 => format!(
            "the server's size limit came first (4){said}; give the account that signs in `limits … size.pr=unlimited size.prtotal=unlimited`"
        ),
        10 => format!("that part is on another server (10): {}", refs.join(", ")),
        11 => format!("a limit of the server came first (11){said}"),
        INVALID_CREDENTIALS => format!("the name or the password is wrong, or the account is locked (49){said}"),
        INSUFFICIENT_RIGHTS => {
            format!("the account that signs in has not the right to (50){said}; see the access rules in `docs/directories/ldap.md`")
        }
        122 => "it is not as it was read any more (122)".to_owned(),
        _ => {
            // The library's word for the code, without the fields that are given already.
            let shown = result.to_string();
            let word = shown.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("unknown", |(word, _)| word);
            format!("{word} ({rc}){said}")
        }
    };
    DirectoryError::new(operation, kind_of(result)).because(cause)
}

/// The result, where it says that all went well.
pub(super) fn checked(result: LdapResult, operation: impl Fn() -> String) -> Result<LdapResult, DirectoryError> {
    if result.rc == 0 { Ok(result) } else { Err(refused(operation(), &result)) }
}

/// The failure that came instead of a result.
pub(super) fn failed(operation: impl Into<String>, error: &LdapError) -> DirectoryError {
    let kind = match error {
        LdapError::LdapResult { result } => return refused(operation, result),
        LdapError::Io { .. }
        | LdapError::OpSend { .. }
        | LdapError::ResultRecv { .. }
        | LdapError::IdScrubSend { .. }
        | LdapError::MiscSend { .. }
        | LdapError::Timeout { .. }
        | LdapError::EndOfStream => ErrorKind::Unavailable,
        LdapError::Rustls { .. } | LdapError::DNSName { .. } => ErrorKind::Refused,
        LdapError::EmptyUnixPath
        | LdapError::PortInUnixPath
        | LdapError::MismatchedStreamType
        | LdapError::UrlParsing { .. }
        | LdapError::UnknownScheme(_) => ErrorKind::Rejected,
        // The rest of them are about what we asked, or features that were left out.
        _ => ErrorKind::Failed,
    };
    let cause = match error {
        LdapError::Timeout { .. } => "it did not answer within 30 seconds".into(),
        LdapError::OpSend { .. } | LdapError::ResultRecv { .. } | LdapError::EndOfStream => "the connection broke".into(),
        _ => error.to_string(),
    };
    DirectoryError::new(operation, kind).because(cause)
}
