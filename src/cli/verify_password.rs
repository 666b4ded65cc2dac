//! `tenantry verify-password`: for scripts and other programs that have a username and a password and nothing else.

use std::io::{self, Read};

use zeroize::Zeroizing;

use super::{args::ProjectArg, console::Console, exit::Exit, failure::Failure, input};
use crate::{
    credential::{Hasher, SecretString},
    model::Username,
    serve,
};

/// Bytes read at most: four times what the longest password that a project can allow takes.
const MOST: u64 = 4 * 128 * 4;

/// Arguments of `tenantry verify-password`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tenantry verify-password mara.lindqvist < password.txt
  printf '%s' \"$PASSWORD\" | tenantry verify-password mara.lindqvist

Prints `ok`, or `must change` when the password is right and temporary, and ends with 0. Ends with 4 in every other case:
there is no such user, the password is wrong or has died unused, the account is disabled or has none.")]
pub(crate) struct Args {
    /// Whose password. The password itself is one line of standard input.
    #[arg(value_name = "USERNAME")]
    pub(crate) username: String,
    #[command(flatten)]
    pub(crate) project: ProjectArg,
}

/// Reads and checks.
pub(crate) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let Args { username, project } = args;
    let accounts = input::home(project, None, console)?.accounts()?;
    if console.interactive() {
        console.note("Password (it shows as you type): ");
    }
    let password = read(io::stdin().lock())?;
    let username = Username::new(username).ok();
    match serve::sign_in(&*accounts, &Hasher::default(), username.as_ref(), password).await? {
        Some(known) => {
            console.data(if known.must_change { "must change\n" } else { "ok\n" })?;
            Ok(Exit::Done)
        }
        // One sentence for every reason.
        None => Err(Failure::refused("the username and the password do not fit together, or the account cannot sign in")),
    }
}

/// One line, without its end.
fn read(input: impl Read) -> Result<SecretString, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MOST).unwrap_or(0) + 1));
    let mut input = input.take(MOST + 1);
    let mut byte = Zeroizing::new([0]);
    // Not beyond the line: somebody at a terminal sends no end of input.
    while !bytes.ends_with(b"\n") {
        match input.read(&mut *byte) {
            Ok(0) => break,
            Ok(_) => bytes.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::invalid("standard input cannot be read").because(&error)),
        }
    }
    if bytes.len() as u64 > MOST {
        return Err(Failure::invalid(format!("a password on standard input has at most {MOST} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::invalid("the password on standard input is not UTF-8"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::ExposeSecret;

    #[test]
    fn one_line_is_read_and_no_more() {
        let text = |bytes: &[u8]| read(bytes).map(|secret| secret.expose_secret().to_owned());
        for (input, password) in [("", ""), ("\n", ""), ("a b \n", "a b "), ("ä\r\n", "ä"), ("one\ntwo\n", "one"), ("\n\n", "")] {
            assert_eq!(text(input.as_bytes()).unwrap(), password, "{input:?}");
        }
        assert_eq!(text(&[b'x'; 2048]).unwrap().len(), 2048);
        assert_eq!(text(&[b'x'; 2049]).unwrap_err().exit, Exit::Invalid);
        let wrong = text(b"caf\xe9\n").unwrap_err();
        assert_eq!((wrong.exit, wrong.message.as_str()), (Exit::Invalid, "the password on standard input is not UTF-8"));
    }
}
