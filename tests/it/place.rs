//! A folder with documents, and the real binary run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A folder of its own, gone with it.
pub(crate) struct Place(pub(crate) TempDir);

/// What a run printed, and how it ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The JSON on standard output.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.out, self.err))
    }

    /// The run must have ended like this.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.err);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.file(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A program in this folder, with nothing of our environment but the way to programs.
    pub(crate) fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path());
        command
    }

    /// The words of a command line behind `tenantry`; none of them has a space.
    pub(crate) fn run(&self, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.command(env!("CARGO_BIN_EXE_tenantry"), &words).output().unwrap().into()
    }

    /// `git` in this folder, as somebody, at a time.
    pub(crate) fn git(&self, line: &str, at: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.command("git", &words);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Anna").env(format!("GIT_{who}_EMAIL"), "anna@x.example");
            command.env(format!("GIT_{who}_DATE"), at);
        }
        let ran: Ran = command.output().unwrap().into();
        ran.ended(0);
    }

    /// SQL behind our back.
    pub(crate) fn sql(&self, sql: &str) {
        rusqlite::Connection::open(self.file("tenantry.db")).unwrap().execute_batch(sql).unwrap();
    }
}

/// A company as a document.
pub(crate) fn company(name: &str) -> String {
    format!("apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: {{ name: {name} }}\nspec: {{}}\n---\n")
}

/// A user of the company `north` as a document.
pub(crate) fn user(name: &str, role: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name} }}\nspec:\n  email: {name}@x.example\n  company: north\n  role: {role}\n---\n"
    )
}
