//! The project file.

use std::time::Duration;

use tenantry::manifest::{Code, DirectorySpec, LoadedProject, Percent, Project, Transport, diagnose, load_project};

fn read(spec: &str) -> LoadedProject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenantry.yaml");
    let head = "apiVersion: tenantry.dev/v1alpha1\nkind: Project\nmetadata: { name: acme }\n";
    std::fs::write(&path, format!("{head}{spec}")).unwrap();
    let loaded = load_project(&path);
    if let Err(problems) = &loaded.project {
        let shown = diagnose(problems, &loaded.sources);
        assert!(!format!("{shown:?}").contains("hunter2"), "{shown:?}");
    }
    loaded
}

fn wrong(spec: &str) -> Vec<(u32, String)> {
    let loaded = read(spec);
    let problems = loaded.project.unwrap_err();
    assert!(problems.iter().all(|it| it.code == Code::Project));
    problems.iter().map(|it| (it.origin.line, it.message.clone())).collect()
}

#[test]
fn the_example() {
    let project = read(
        r#"spec:
  directory:                                  # exactly one key
    sqlite: { path: data/tenantry.db }
  paths: [tenants]
  owner: acme
  actor: sofia.berg
  regions: [ { name: asia-pacific, phone: true }, { name: europe }, { name: north-america } ]
  deletion: Disable
  retention: 30d
  budget: { removals: "10%", atLeast: 5, atMost: 100, window: 24h, creates: 100000, mails: 1000 }
  protected: [user/nordlicht/root-admin]
  passwords: { minLength: 8, maxLength: 128, classes: 2, generated: 20, validFor: { invite: 72h, temporary: 72h, reset: 24h } }
  mail: { from: "Tenantry <no-reply@acme.example>", folder: outbox }
  links: { baseUrl: "https://accounts.acme.example" }
"#,
    )
    .project
    .unwrap();
    let default = Project::default();
    assert_eq!(project.directory, DirectorySpec::Sqlite { path: "data/tenantry.db".into() });
    assert_eq!(project.actor.as_ref().unwrap().as_str(), "sofia.berg");
    assert_eq!((&project.regions, &project.budget, &project.passwords), (&default.regions, &default.budget, &default.passwords));
    assert_eq!(project.retention, Duration::from_hours(720));
    assert_eq!(project.protected.len(), 1);
    assert_eq!(project.mail.unwrap().transport, Transport::Folder("outbox".into()));
}

#[test]
fn defaults() {
    let project = read("spec: {}\n").project.unwrap();
    let name = tenantry::model::Name::new("acme").unwrap();
    assert_eq!(project, Project { name: name.clone(), owner: name, ..Project::default() });
    let project = read("spec: { budget: { removals: \"0.5%\" } }\n").project.unwrap();
    assert_eq!(project.budget.removals, Percent(50));
}

#[test]
fn other_directories_are_understood() {
    for (name, spec) in [
        ("postgres", "postgres: { url: { env: DATABASE_URL }, schema: tenantry }"),
        (
            "keycloak",
            "keycloak: { url: \"https://id.example\", realm: acme, clientId: tenantry, clientSecret: { env: KEYCLOAK_SECRET }, companies: organizations }",
        ),
        ("scim", "scim: { url: \"https://id.example/scim/v2\", token: { file: /run/secrets/scim } }"),
        (
            "ldap",
            "ldap: { url: \"ldaps://ldap.example\", baseDn: \"dc=acme,dc=example\", bindDn: \"cn=x\", password: { env: LDAP_PASSWORD } }",
        ),
        ("thingsboard", "thingsboard: { url: \"https://iot.example\", apiKey: { env: TB_KEY } }"),
        (
            "thingsboard",
            "thingsboard: { url: \"https://iot.example\", username: sysadmin@iot.example, password: { env: TB }, invites: thingsboard }",
        ),
    ] {
        let project =
            read(&format!("spec:\n  directory:\n    {spec}\n  ledger: {{ postgres: {{ url: {{ env: LEDGER_URL }} }} }}\n"))
                .project
                .unwrap();
        let found = match &project.directory {
            DirectorySpec::Sqlite { path: _ } => "sqlite",
            DirectorySpec::Postgres(_) => "postgres",
            DirectorySpec::Keycloak(_) => "keycloak",
            DirectorySpec::Scim(_) => "scim",
            DirectorySpec::Ldap(_) => "ldap",
            DirectorySpec::Thingsboard(_) => "thingsboard",
        };
        assert_eq!(found, name);
        assert!(project.directory.secret().is_some());
    }
}

#[test]
fn everything_that_is_wrong() {
    for (spec, most) in [
        ("spec: { directory: {} }\n", 1),
        ("spec: { directory: { thingsboard: { url: \"https://iot.example\" } } }\n", 1),
        ("spec: { directory: { thingsboard: { url: \"https://iot.example\", username: a@b.example } } }\n", 1),
        (
            "spec: { directory: { thingsboard: { url: \"https://iot.example\", apiKey: { env: A }, username: a@b.example, password: { env: B } } } }\n",
            1,
        ),
        ("spec: { directory: { sqlite: {}, postgres: { url: { env: X } } } }\n", 1),
        (
            "spec: { directory: { keycloak: { url: \"https://x:hunter2@id.example\", realm: a, clientId: b, clientSecret: hunter2 } } }\n",
            2,
        ),
        ("spec:\n  mail:\n    from: x\n    smtp:\n      host: mail.example\n      tls: None\n      password: hunter2\n", 3),
        ("spec: { retention: 30, budget: { removals: 10%, atLeast: 200, windw: 24h }, passwords: { minLength: 4 } }\n", 4),
        ("spec: { regions: [ { name: a }, { name: a } ], protected: [mara], owner: A_B, paths: [\"\"] }\n", 4),
        ("spec: {}\n---\nkind: Project\n", 1),
        ("spec:\n", 1),
        ("", 1),
        ("spec: {", 1),
        ("spec: { links: { baseUrl: \"javascript:x\" }, deletion: delete, unknown: x }\n", 3),
    ] {
        let found = wrong(spec);
        assert_eq!(found.len(), most, "{spec}\n{found:#?}");
    }
}
