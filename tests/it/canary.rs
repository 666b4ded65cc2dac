//! No secret gets out: each one is unlike anything else, everything that is printed, stored or sent is searched for it, and it
//! is found nowhere but in its own place.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use tenantry::{
    credential::{Hasher, SecretString},
    directory::{Debt, Issue, NewSecret},
    model::{PasswordHash, RemoteId, TokenHash},
    observed::CredentialMark,
};

const VARIABLE: &str = "CANARY-7f3a-Variable-1";
const FILE: &str = "CANARY-91bc-File-2";
const SMTP: &str = "CANARY-55d0-Smtp-3";
const WEAK: &str = "CNRY1";
const TYPED: &str = "CANARY-c02e-Typed-5";
/// A salt and a hash that nobody else has.
const SALT: &str = "Q0FOQVJZLXNhbHQtNg";
const INLINE: &str = "CANARY-e801-Inline-7";

/// A folder with a project in which every kind of secret occurs, and everything that was printed in it.
struct Nest {
    folder: TempDir,
    printed: Vec<(String, String)>,
    phc: String,
}

impl Nest {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let hash = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let nest = Self { folder, printed: Vec::new(), phc: format!("$argon2id$v=19$m=65536,t=2,p=1${SALT}${hash}") };
        let user = |name: &str, credential: &str| {
            format!(
                "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name} }}\nspec:\n  email: {name}@x.example\n  \
                 company: north\n  role: owner\n  credential: {credential}\n"
            )
        };
        let mut text = "apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: north }\nspec: {}\n".to_owned();
        for (name, credential) in [
            ("invited", "{ method: Invite }"),
            ("temporary", "{ method: Temporary }"),
            ("variable", "{ method: Secret, env: CANARY_VARIABLE }"),
            ("filed", "{ method: Secret, file: secrets/canary }"),
            ("hashed", "{ method: Hash, env: CANARY_HASH }"),
            ("weak", "{ method: Secret, env: CANARY_WEAK }"),
            ("wrong-hash", "{ method: Hash, env: CANARY_VARIABLE }"),
        ] {
            text += &user(name, credential);
        }
        nest.write("tenants/all.yaml", &text);
        nest.write("secrets/canary", &format!("{FILE}\n"));
        nest.project("mail: { from: no-reply@x.example, folder: outbox }");
        nest
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn project(&self, mail: &str) {
        let text = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: canary }}\nspec:\n  paths: [tenants]\n  {mail}\n"
        );
        self.write("tenantry.yaml", &text);
    }

    /// Runs a command with every secret in its environment, as talkative as it gets.
    fn run(&mut self, args: &str, input: &str) -> (String, i32) {
        use std::io::Write;
        let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
            .args(args.split(' '))
            .arg("-v")
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("RUST_LOG", "trace"), ("TENANTRY_LOG", "trace"), ("RUST_BACKTRACE", "full")])
            .envs([("CANARY_VARIABLE", VARIABLE), ("CANARY_HASH", &self.phc), ("CANARY_WEAK", WEAK), ("CANARY_SMTP", SMTP)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        self.printed.push((format!("{args}: standard output"), out.clone()));
        self.printed.push((format!("{args}: standard error"), String::from_utf8(output.stderr).unwrap()));
        (out, output.status.code().unwrap_or(-1))
    }

    /// Every file below the folder, but not those below some of its folders.
    fn files(&self, except: &[&str]) -> Vec<PathBuf> {
        fn collect(folder: &Path, out: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { collect(&path, out) } else { out.push(path) }
            }
        }
        let mut out = Vec::new();
        collect(self.folder.path(), &mut out);
        out.retain(|path| !except.iter().any(|except| path.starts_with(self.folder.path().join(except))));
        out
    }

    /// The secrets that were mailed: a link's token, and a password.
    fn mailed(&self) -> Vec<String> {
        let letters = fs::read_dir(self.folder.path().join("outbox")).unwrap();
        let texts = letters.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        texts.map(|text| secret_of(&text)).collect()
    }
}

/// The secret that stands alone on a line of a letter, as it is written there.
fn secret_of(letter: &str) -> String {
    let line = |line: &&str| line.contains("/set-password/") && !line.contains(' ') || is_password(line);
    let found = letter.lines().map(str::trim_end).find(line).unwrap_or_else(|| panic!("no secret in {letter}"));
    found.rsplit('/').next().unwrap().to_owned()
}

fn is_password(line: &str) -> bool {
    line.len() == 20
        && line.is_ascii()
        && !line.contains(' ')
        && line.chars().any(|c| c.is_ascii_digit())
        && line.starts_with(|c: char| c.is_ascii_alphanumeric())
}

#[test]
fn no_secret_gets_out() {
    let mut nest = Nest::new();
    for form in ["json", "jsonl", "markdown", "html"] {
        nest.run(&format!("plan -o {form}"), "");
    }
    let (_, code) = nest.run("apply --yes", "");
    assert_eq!(code, 6, "two of them cannot be given");
    let mailed = nest.mailed();
    assert_eq!(mailed.len(), 2, "{mailed:?}");
    for args in
        ["apply --yes -o json", "plan", "get users -o yaml", "get users -o json", "import -o yaml=imported.yaml", "get users"]
    {
        nest.run(args, "");
    }
    assert_eq!(nest.run("verify-password variable", VARIABLE).1, 0);
    assert_eq!(nest.run("verify-password filed", FILE).1, 0);
    assert_eq!(nest.run("verify-password variable", TYPED).1, 4);
    assert_eq!(nest.run("verify-password nobody", TYPED).1, 4);
    nest.run("reset variable", "");
    nest.run("lock filed --reason gone", "");
    // A mail server that is not there, with a password to sign in with.
    nest.project("mail: { from: no-reply@x.example, smtp: { host: 127.0.0.1, port: 9, tls: None, username: u, password: { env: CANARY_SMTP } } }");
    assert_eq!(nest.run("reset temporary --method Invite", "").1, 6);
    // Secrets where none belong: every message quotes the line, and blanks the value.
    let inline = format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: inline }}\nspec: {{ email: i@x.example, company: north, role: owner, credential: {{ method: Secret, password: {INLINE} }} }}\n"
    );
    nest.write("tenants/inline.yaml", &inline);
    for args in [
        "validate tenants",
        "plan -o json",
        "apply --yes",
        "validate -o sarif -o junit=found.xml",
        "plan -o github",
        "apply --yes -o junit",
    ] {
        nest.run(args, "");
    }

    let mut secrets: Vec<String> = [VARIABLE, FILE, SMTP, WEAK, TYPED, INLINE].map(str::to_owned).into();
    secrets.extend(nest.mailed());
    for secret in secrets.iter().map(String::as_str).chain([SALT]) {
        for (what, text) in &nest.printed {
            assert!(!text.contains(secret), "{what} shows {secret}:\n{text}");
        }
    }
    // On the disk: what a document says stands in the document, what was mailed stands in the mail, and the database, its
    // log and its lock have none of it. A hash is kept, in one place.
    for file in nest.files(&["outbox", "secrets", "tenants"]) {
        let bytes = fs::read(&file).unwrap();
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", file.display());
        }
    }
    for file in nest.files(&[]).iter().filter(|file| !file.starts_with(nest.folder.path().join("tenants"))) {
        let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let ours = name.starts_with("tenantry.db") || file.extension().is_some_and(|it| it == "eml");
        assert!(!ours || mode == 0o600, "{name} has mode {mode:o}");
    }
    let outbox = fs::metadata(nest.folder.path().join("outbox")).unwrap().permissions().mode() & 0o777;
    assert_eq!(outbox, 0o700);
    audit_is_silent(&nest);
}

/// The audit trail says that something was given, and nothing of it: not even a hash.
fn audit_is_silent(nest: &Nest) {
    let database = rusqlite::Connection::open(nest.folder.path().join("tenantry.db")).unwrap();
    let mut statement = database.prepare("SELECT * FROM audit").unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut records = 0;
    while let Some(row) = rows.next().unwrap() {
        records += 1;
        for column in 0..columns {
            if let Ok(text) = row.get::<_, String>(column) {
                assert!(!text.contains("argon2") && !text.contains(SALT), "{text}");
            }
        }
    }
    assert!(records > 8);
}

#[test]
fn nothing_that_holds_a_secret_can_be_shown() {
    let debt = Debt { key: "user/a/b".parse().unwrap(), id: RemoteId("1".into()), owed: CredentialMark::Owed("".into()) };
    let password = NewSecret::Password { hash: PasswordHash::new("$argon2id$CANARY"), plain: None, must_change: false };
    for secret in [password, NewSecret::Link(TokenHash::of(b"CANARY"))] {
        let shown = format!("{:?}", Issue { debt: debt.clone(), secret, until: None });
        assert!(!shown.contains("CANARY") && !shown.contains("argon2") && shown.contains("(…)"), "{shown}");
    }
    assert!(!format!("{:?}", SecretString::from("CANARY")).contains("CANARY"));
}

/// A panic in the middle of hashing says nothing of what was hashed.
#[tokio::test]
async fn a_panic_shows_no_secret() {
    let hasher = Hasher::default();
    let secret = SecretString::from(VARIABLE);
    let panicked = tokio::spawn(async move {
        let _hash = hasher.hash(secret.clone()).await.unwrap();
        panic!("{secret:?}");
    });
    let message = panicked.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(!message.contains(VARIABLE), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_core_dump_keeps_a_secret() {
    let nest = Nest::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(["apply", "-", "--yes"])
        .current_dir(nest.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for its input: time enough to look at it.
    let limits = PathBuf::from(format!("/proc/{}/limits", child.id()));
    let closed = |text: &str| {
        let core = text.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default();
        core.split_whitespace().filter(|word| *word == "0").count() == 2
    };
    let begin = std::time::Instant::now();
    while !fs::read_to_string(&limits).is_ok_and(|text| closed(&text)) {
        assert!(begin.elapsed().as_secs() < 30, "the limit is not zero: {:?}", fs::read_to_string(&limits));
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}
