//! What `tenantry completions` and `tenantry man` print, in the hands of those who read it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

fn tenantry(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tenantry")).args(words).env_clear().output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The verbs that `--help` lists.
fn verbs() -> Vec<String> {
    let help = tenantry(&["--help"]);
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
    let starts = |line: &&str| !line[2..].starts_with(' ');
    let verbs: Vec<String> = listed.lines().filter(starts).map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
    assert!(verbs.len() >= 15 && verbs.contains(&"plan".to_owned()), "{verbs:?}");
    verbs
}

/// Gives a text to a program; what it writes back, if it accepts it.
fn accepted(program: &str, words: &[&str], text: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let clean = output.status.success() && errors.is_empty();
    if clean { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(errors) }
}

#[test]
fn completions_of_every_shell_know_every_verb() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = tenantry(&["completions", shell]);
        for verb in verbs() {
            assert!(script.contains(&verb), "{shell} does not know {verb}");
        }
        assert!(script.contains("allow-last-holder"), "{shell}");
    }
}

#[test]
fn bash_reads_its_completions_and_completes_with_them() {
    let script = tenantry(&["completions", "bash"]);
    accepted("bash", &["-n"], &script).unwrap();
    let ask = "\nCOMP_WORDS=(tenantry plan --detail) COMP_CWORD=2 COMP_LINE='tenantry plan --detail'\n\
               _tenantry tenantry --detail plan\necho \"${COMPREPLY[@]}\"\n";
    assert_eq!(accepted("bash", &["--norc"], &format!("{script}{ask}")).unwrap(), "--detailed-exitcode\n");
}

#[test]
fn every_page_is_written_and_reads_well_where_groff_is() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man1");
    tenantry(&["man", "--into", into.to_str().unwrap()]);
    let mut expected: Vec<String> = verbs().iter().map(|verb| format!("tenantry-{verb}.1")).collect();
    expected.extend(["tenantry.1", "tenantry-history-export.1", "tenantry-history-verify.1"].map(str::to_owned));
    expected.sort();
    let mut found: Vec<String> = fs::read_dir(&into).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, expected);
    for file in found {
        let page = fs::read_to_string(into.join(&file)).unwrap();
        let verb = file.strip_prefix("tenantry-").and_then(|rest| rest.strip_suffix(".1"));
        assert_eq!(page, tenantry(&["man"].into_iter().chain(verb).collect::<Vec<_>>()), "{file}");
        if Path::new("/usr/bin/groff").exists() {
            let text =
                accepted("groff", &["-man", "-Tutf8", "-ww", "-P-cbou"], &page).unwrap_or_else(|error| panic!("{file}: {error}"));
            let nested = file.starts_with("tenantry-history-");
            assert!((nested || text.contains("EXAMPLES")) && text.contains("SYNOPSIS"), "{file}: {text}");
        }
    }
}
