//! Runs a golden script and writes it again with what really happened.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The script with the output of each command as it is now.
pub(super) fn run(script: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut digest = String::new();
    let mut out = String::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(path) = line.strip_prefix("=== write ") {
            let mut content = String::new();
            for line in lines.by_ref().take_while(|line| *line != "=== end") {
                content.push_str(line);
                content.push('\n');
            }
            write(&folder.path().join(path), &content);
            out.push_str(&content);
            out.push_str("=== end\n");
        } else if let Some(path) = line.strip_prefix("=== delete ") {
            fs::remove_file(folder.path().join(path)).unwrap();
        } else if let Some(command) = line.strip_prefix("$ ") {
            for _ in lines.by_ref().take_while(|line| !line.starts_with("[exit ")) {}
            out.push_str(&execute(command, folder.path(), &mut digest));
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "not a line of a script: {line}");
        }
    }
    out
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn execute(line: &str, folder: &Path, digest: &mut String) -> String {
    let (line, input) = match line.split_once(" < ") {
        Some((line, file)) => (line, fs::read(folder.join(file)).unwrap()),
        None => (line, Vec::new()),
    };
    let line = line.replace("{digest}", digest);
    let mut words = line.split_whitespace().peekable();
    let mut variables = Vec::new();
    while let Some(variable) = words.peek().and_then(|word| word.split_once('=')) {
        variables.push(variable);
        words.next();
    }
    let (stdout, stderr, code) = match words.next() {
        Some("cat") => (fs::read_to_string(folder.join(words.next().unwrap())).unwrap(), String::new(), 0),
        Some("mails") => (mails(&folder.join(words.next().unwrap())), String::new(), 0),
        Some("tenantry") => binary(&words.collect::<Vec<_>>(), &variables, &input, folder),
        other => panic!("`{other:?}` is not a command of a script"),
    };
    if let Some(found) = stdout.find("sha256:") {
        stdout[found..found + 71].clone_into(digest);
    }
    let errors: String = stderr.lines().map(|line| format!("2| {line}\n").replace("2| \n", "2|\n")).collect();
    let stdout = if stdout.is_empty() || stdout.ends_with('\n') { stdout } else { format!("{stdout}\n") };
    redact(&format!("{stdout}{errors}[exit {code}]\n"), folder)
}

/// Who got a letter, and what about, sorted: those of one run go out in no order.
fn mails(folder: &Path) -> String {
    let letters = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let header = |text: &str, name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap();
    let letter = |path: PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        format!("{}: {}\n", header(&text, "To: "), header(&text, "Subject: "))
    };
    let mut lines: Vec<String> = letters.map(letter).collect();
    lines.sort();
    lines.concat()
}

fn binary(args: &[&str], variables: &[(&str, &str)], input: &[u8], folder: &Path) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        // Nothing that is printed or decided depends on where it runs.
        .env("TZ", "Asia/Kathmandu")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not read its input closes the pipe, which is no failure.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap_or(-1))
}

/// Takes out what differs from run to run.
fn redact(text: &str, folder: &Path) -> String {
    let mut text = text.to_owned();
    for path in [folder.canonicalize().unwrap().as_path(), folder] {
        text = text.replace(path.to_str().unwrap(), "[folder]");
    }
    text = replace(&text, "sha256:", "0123456789abcdef", 64, "sha256:[digest]");
    for word in ["read ", "planned "] {
        text = replace(&text, word, "0123456789.", 4, &format!("{word}[time]"));
    }
    uuids(&text)
}

/// Replaces `prefix` and the `length` characters of `alphabet` behind it.
fn replace(text: &str, prefix: &str, alphabet: &str, length: usize, by: &str) -> String {
    let mut parts = text.split(prefix);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let run = part.chars().take_while(|c| alphabet.contains(*c)).count();
        if run == length {
            out.push_str(by);
            out.push_str(&part[length..]);
        } else {
            out.push_str(prefix);
            out.push_str(part);
        }
    }
    out
}

/// Replaces what looks like a UUID by `[id]`.
fn uuids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.get(..36).is_some_and(is_uuid) {
            out.push_str("[id]");
            rest = &rest[36..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn is_uuid(text: &str) -> bool {
    let fits = |(place, c): (usize, char)| if matches!(place, 8 | 13 | 18 | 23) { c == '-' } else { c.is_ascii_hexdigit() };
    text.chars().enumerate().all(fits)
}

#[test]
fn what_differs_from_run_to_run_is_taken_out() {
    let text = format!("sha256:{}  read 0.21 s at 0190b5a0-1111-7abc-8def-0123456789ab", "0f".repeat(32));
    assert_eq!(redact(&text, Path::new("/")).replace("[folder]", "/"), "sha256:[digest]  read [time] s at [id]");
}
