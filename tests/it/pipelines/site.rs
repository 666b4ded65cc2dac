//! A repository with clones of it, a directory, and the scripts of an example run in a clone as a job would run them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The program, under the name that the scripts call.
const PROGRAM: &str = "#!/bin/sh\nexec \"$REAL\" \"$@\"\n";

/// A company with people in it, one for each name.
pub(super) fn tenants(people: &[&str]) -> String {
    let mut text =
        String::from("apiVersion: tenantry.dev/v1alpha1\nkind: Company\nmetadata: { name: north }\nspec: { displayName: North }\n");
    for (row, name) in people.iter().enumerate() {
        let role = if row == 0 { "common-manager" } else { "owner" };
        text += &format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: User\nmetadata: {{ name: {name} }}\n\
             spec: {{ email: {name}@north.example, company: north, role: {role} }}\n"
        );
    }
    text
}

/// What a script came to.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ended {
    pub(super) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(super) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }
}

/// The repository and the directory.
pub(super) struct Site {
    folder: TempDir,
    forge: &'static str,
}

impl Site {
    /// With Sofia and Timo in `main` and in the directory.
    pub(super) fn new(forge: &'static str) -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), forge };
        let path = site.path("bin/tenantry");
        fs::create_dir_all(site.path("bin")).unwrap();
        fs::write(&path, PROGRAM).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        site.git(".", &["init", "--quiet", "--bare", "--initial-branch=main", "hub.git"]);
        site.git(".", &["clone", "--quiet", "hub.git", "seed"]);
        for from in ["pipelines", forge] {
            for entry in fs::read_dir(examples().join(from)).unwrap() {
                let entry = entry.unwrap();
                if entry.path().extension().is_some_and(|it| it == "sh") {
                    fs::create_dir_all(site.path("seed/ci")).unwrap();
                    fs::copy(entry.path(), site.path("seed/ci").join(entry.file_name())).unwrap();
                }
            }
        }
        let database = site.path("directory.db");
        let project = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: {{ name: acme }}\n\
             spec:\n  directory: {{ sqlite: {{ path: {} }} }}\n  paths: [tenants]\n",
            database.display()
        );
        fs::write(site.path("seed/tenantry.yaml"), project).unwrap();
        site.commit("seed", &tenants(&["sofia", "timo"]));
        site.git("seed", &["push", "--quiet", "origin", "HEAD:main"]);
        let applied = site.command("seed", "/bin/sh").args(["-c", "tenantry apply --yes"]).output().unwrap();
        Ended::of(applied).with(0);
        site
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    /// Runs git in a clone, with nobody's settings; gives what it says.
    #[track_caller]
    pub(super) fn git(&self, clone: &str, args: &[&str]) -> String {
        let output = self.command(clone, "git").args(args).output().unwrap();
        Ended::of(output).with(0).out.trim().to_owned()
    }

    /// Writes what a clone declares, and commits it.
    fn commit(&self, clone: &str, tenants: &str) {
        fs::create_dir_all(self.path(clone).join("tenants")).unwrap();
        fs::write(self.path(clone).join("tenants/all.yaml"), tenants).unwrap();
        self.git(clone, &["add", "--all"]);
        self.git(clone, &["commit", "--quiet", "--message", "Change"]);
    }

    /// A branch that changes what is declared: pushed, merged into main as it is now in a clone of its own, as a pull request is
    /// checked out, and planned there. Gives what the script came to.
    pub(super) fn plan(&self, branch: &str, change: impl FnOnce(String) -> String, variables: &[(&str, &str)]) -> Ended {
        self.branch(branch, change);
        let clone = format!("plan-{branch}");
        if self.path(&clone).exists() {
            fs::remove_dir_all(self.path(&clone)).unwrap();
        }
        self.git(".", &["clone", "--quiet", "hub.git", &clone]);
        self.git(&clone, &["merge", "--quiet", "--no-edit", &format!("origin/{branch}")]);
        Ended::of(self.script(&clone, &["ci/plan.sh", "out"], variables).output().unwrap())
    }

    /// Changes what a branch declares, and pushes it.
    fn branch(&self, branch: &str, change: impl FnOnce(String) -> String) {
        let clone = format!("work-{branch}");
        if !self.path(&clone).exists() {
            self.git(".", &["clone", "--quiet", "hub.git", &clone]);
            self.git(&clone, &["checkout", "--quiet", "-b", branch]);
        }
        let now = self.read(&format!("{clone}/tenants/all.yaml"));
        self.commit(&clone, &change(now));
        self.git(&clone, &["push", "--quiet", "origin", branch]);
    }

    /// Merges a branch into main, and checks the result out for an apply. Gives the commits: of the merge, and of its head.
    pub(super) fn merge(&self, branch: &str) -> (String, String) {
        let clone = format!("apply-{branch}");
        self.git(".", &["clone", "--quiet", "hub.git", &clone]);
        self.git(&clone, &["merge", "--quiet", "--no-ff", "--no-edit", &format!("origin/{branch}")]);
        self.git(&clone, &["push", "--quiet", "origin", "HEAD:main"]);
        (self.git(&clone, &["rev-parse", "HEAD"]), self.git(&clone, &["rev-parse", &format!("origin/{branch}")]))
    }

    /// The job that applies a merge, with the plan that was made for the branch.
    pub(super) fn apply(&self, branch: &str, variables: &[(&str, &str)]) -> Ended {
        Ended::of(self.start_apply(branch, variables).wait_with_output().unwrap())
    }

    pub(super) fn start_apply(&self, branch: &str, variables: &[(&str, &str)]) -> Child {
        self.check_out(&format!("apply-{branch}"));
        let plan = self.path(&format!("plan-{branch}/out/plan.json"));
        let mut apply = self.script(&format!("apply-{branch}"), &["ci/apply.sh", plan.to_str().unwrap(), "out"], variables);
        apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Checks out what the job's definition says, in a clone that has the commit which started it.
    fn check_out(&self, clone: &str) {
        let read = |path: &str| {
            let text = fs::read_to_string(examples().join(path)).unwrap();
            serde_yaml::from_str::<Value>(&text).unwrap()
        };
        if self.forge == "github-actions" {
            let workflow = read("github-actions/workflows/tenantry-apply.yaml");
            match workflow["jobs"]["apply"]["steps"][0]["with"]["ref"].as_str() {
                // What that action does without: the commit.
                None => return,
                Some(it) => assert_eq!(it, "${{ github.ref }}"),
            }
            self.git(clone, &["fetch", "--quiet", "origin", "refs/heads/main"]);
            self.git(clone, &["checkout", "--quiet", "--detach", "FETCH_HEAD"]);
        } else {
            let jobs = read("gitlab-ci/gitlab-ci.yaml");
            let lines = jobs["apply"]["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
            let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("ci/")).collect();
            let script = self.script(clone, &["-euc", &lines.join("\n")], &[("CI_DEFAULT_BRANCH", "main")]).output().unwrap();
            Ended::of(script).with(0);
        }
    }

    /// A script of the example, in a clone.
    pub(super) fn script(&self, clone: &str, words: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut command = self.command(clone, "/bin/sh");
        command.args(words).envs(variables.iter().copied());
        command
    }

    fn command(&self, clone: &str, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path().join(clone))
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("REAL", env!("CARGO_BIN_EXE_tenantry"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Tester").env(format!("GIT_{role}_EMAIL"), "tester@acme.example");
        }
        command
    }

    /// Who is in the directory, and whether they can sign in.
    pub(super) fn people(&self) -> Vec<String> {
        let output = self.command("seed", "tenantry").args(["get", "users", "-o", "json"]).output().unwrap();
        let list: Value = serde_json::from_str(&Ended::of(output).with(0).out).unwrap();
        let word = |item: &Value| {
            let name = item["metadata"]["name"].as_str().unwrap();
            if item["status"]["enabled"] == true { name.to_owned() } else { format!("{name} (off)") }
        };
        list["items"].as_array().unwrap().iter().map(word).collect()
    }

    /// The example that is run here.
    pub(super) fn forge(&self) -> &'static str {
        self.forge
    }
}

/// The folder with all examples.
pub(super) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}
