//! An organisation of any size, as documents: the same ones every time, valid, and like those that people write.
//!
//! A namespace holds a distributor with a tree of installers below it, customers of theirs, and about 5 000 users: seven of
//! ten in companies, three under customers. Files hold up to 1 000 documents, a user's has about 490 bytes.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// Users in a namespace.
const NAMESPACE: usize = 5_000;
/// Users for each company, counting those under its customers.
const STAFF: usize = 50;
/// Companies that stand under one other.
const BRANCHES: usize = 6;
/// Customers of a company.
const CUSTOMERS: usize = 2;
/// Documents in a file.
const FILE: usize = 1_000;

const FIRST: [&str; 12] = ["Mara", "Jonas", "Pia", "Timo", "Freja", "Nils", "Amit", "Yuki", "Ines", "Olav", "Chloe", "Mateo"];
const LAST: [&str; 14] = [
    "Lindqvist",
    "Weber",
    "Sand",
    "Krause",
    "Dahl",
    "Ek",
    "Sharma",
    "Tanaka",
    "Holm",
    "Berge",
    "Martin",
    "Silva",
    "Novak",
    "Fischer",
];
const REGIONS: [&str; 3] = ["europe", "north-america", "asia-pacific"];
const TEAMS: [&str; 5] = ["service", "planning", "warehouse", "night shift", "control room"];

/// What was written.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// Where the documents are.
    pub tenants: PathBuf,
    /// How many documents there are.
    pub documents: usize,
    /// How many bytes.
    pub bytes: usize,
    /// Every file.
    pub files: Vec<PathBuf>,
}

/// Writes an organisation of so many users as `tenants/NAMESPACE/*.yaml` below a folder.
pub fn write(folder: &Path, users: usize) -> io::Result<Organisation> {
    let tenants = folder.join("tenants");
    let mut written = Organisation { tenants: tenants.clone(), documents: 0, bytes: 0, files: Vec::new() };
    for tenant in 0..users.div_ceil(NAMESPACE) {
        let tenant = Tenant { number: tenant, users: NAMESPACE.min(users - tenant * NAMESPACE) };
        let folder = tenants.join(tenant.namespace());
        fs::create_dir_all(&folder)?;
        written.save(&folder, "companies", tenant.companies(), |row| tenant.company(row))?;
        written.save(&folder, "customers", tenant.companies() * CUSTOMERS, |row| tenant.customer(row))?;
        written.save(&folder, "users", tenant.users, |row| tenant.user(row))?;
    }
    Ok(written)
}

impl Organisation {
    fn save(&mut self, folder: &Path, what: &str, count: usize, document: impl Fn(usize) -> String) -> io::Result<()> {
        for start in (0..count).step_by(FILE) {
            let text: String = (start..count.min(start + FILE)).map(&document).collect();
            let path = folder.join(format!("{what}-{:02}.yaml", start / FILE));
            fs::write(&path, &text)?;
            self.bytes += text.len();
            self.files.push(path);
        }
        self.documents += count;
        Ok(())
    }
}

struct Tenant {
    number: usize,
    users: usize,
}

impl Tenant {
    fn namespace(&self) -> String {
        format!("fleet-{:03}", self.number)
    }

    fn companies(&self) -> usize {
        self.users.div_ceil(STAFF)
    }

    fn region(row: usize) -> &'static str {
        REGIONS[row % REGIONS.len()]
    }

    fn document(&self, kind: &str, name: &str, spec: &[(&str, &str)]) -> String {
        let mut text = format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: {}\nspec:\n",
            self.namespace()
        );
        for (field, value) in spec {
            let _ = writeln!(text, "  {field}: {value}");
        }
        text
    }

    fn company(&self, row: usize) -> String {
        let (title, mail) = (format!("Solar {} {row}", LAST[row % LAST.len()]), format!("office@{}.example", company(row)));
        let parent = row.checked_sub(1).map(|row| company(row / BRANCHES));
        let mut spec = vec![
            ("displayName", title.as_str()),
            ("type", if row == 0 { "Distributor" } else { "Installer" }),
            ("region", Self::region(row)),
            ("contact", ""),
            ("  name", FIRST[row % FIRST.len()]),
            ("  email", &mail),
            ("address", ""),
            ("  country", "DE"),
            ("  city", "Hamburg"),
            ("  line1", "Speicherstadt 4"),
        ];
        spec.extend(parent.as_ref().map(|parent| ("parent", parent.as_str())));
        self.document("Company", &company(row), &spec)
    }

    fn customer(&self, row: usize) -> String {
        let (title, mail) = (format!("Estate {row}"), format!("{}@{}.example", customer(row), self.namespace()));
        let company = company(row / CUSTOMERS);
        let spec = [("displayName", title.as_str()), ("company", &company), ("email", &mail)];
        self.document("Customer", &customer(row), &spec)
    }

    fn user(&self, row: usize) -> String {
        let (first, last) = (FIRST[row % FIRST.len()], LAST[row / FIRST.len() % LAST.len()]);
        let name = format!("{}-{}-{:03}-{row:04}", first.to_lowercase(), last.to_lowercase(), self.number);
        let mail = format!("{}@nordlicht-solar.example", name.replace('-', "."));
        let title = format!("{first} {last}");
        let (staff, team) = (row / STAFF, TEAMS[row % TEAMS.len()]);
        let (field, place, role) = match row % STAFF {
            0 => ("company", company(staff), "common-manager"),
            seat @ 1..20 => ("company", company(staff), if seat % 3 == 0 { "owner" } else { "operations-engineer" }),
            20..35 => ("company", company(staff), "operations-engineer"),
            seat => ("customer", customer(staff * CUSTOMERS + seat % CUSTOMERS), "owner"),
        };
        let description =
            format!("Belongs to the {team}; reads meters, answers alarms and keeps the records of the plants around.");
        let mut spec = vec![
            ("username", mail.split('@').next().unwrap_or_default()),
            ("email", &mail),
            ("displayName", &title),
            ("firstName", first),
            ("lastName", last),
            (field, &place),
            ("role", role),
            ("region", Self::region(staff)),
            ("description", &description),
            ("enabled", if row % 40 == 39 { "false" } else { "true" }),
            ("deletion", "Disable"),
        ];
        if Self::region(staff) == "asia-pacific" {
            spec.insert(5, ("phone", "\"+818012345678\""));
        }
        self.document("User", &name, &spec)
    }
}

fn company(row: usize) -> String {
    format!("solar-{row:03}")
}

fn customer(row: usize) -> String {
    format!("estate-{row:03}")
}
