//! `-o html` in a real browser, opened as the file that it is, and `-o svg` as well.
//!
//! `SCREENSHOTS=FOLDER` keeps pictures, for whoever changes the page.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::serve::{
    browser::{dark, is_legible, narrow},
    webdriver::Browser,
};

/// Users in one of the companies: more than are shown at once.
const MANY: usize = 450;
/// What somebody might call a company.
const HOSTILE: [&str; 3] = [
    "<img src=x onerror=window.hacked=1>",
    "</script><script>window.hacked=2</script><!--<script>",
    "{{script}} &lt;b&gt; \\\" ' <svg/onload=window.hacked=3>",
];

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: tenantry.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: north }}\nspec:\n{spec}")
}

fn company(name: &str, title: &str, parent: &str) -> String {
    let title = title.replace('\'', "''");
    let parent = if parent.is_empty() { String::new() } else { format!("  parent: {parent}\n") };
    document("Company", name, &format!("  displayName: '{title}'\n{parent}"))
}

fn user(name: &str, company: &str, role: &str) -> String {
    document("User", name, &format!("  email: {name}@x.example\n  company: {company}\n  role: {role}\n"))
}

/// A folder with a project in it.
struct Nest(TempDir);

impl Nest {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, text: &str) {
        fs::create_dir_all(self.0.path().join("tenants")).unwrap();
        fs::write(self.0.path().join("tenants/all.yaml"), text).unwrap();
    }

    fn output(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.args(line.split(' ')).current_dir(self.0.path()).env_clear().output().unwrap()
    }

    fn run(&self, line: &str) -> i32 {
        self.output(line).status.code().unwrap()
    }

    fn url(&self, file: &str) -> String {
        format!("file://{}", self.0.path().canonicalize().unwrap().join(file).display())
    }
}

/// A plan with something of everything: a page and the folder it is in.
fn planned() -> Nest {
    let nest = Nest::new();
    let base = [company("top", HOSTILE[0], ""), company("side", "Side", ""), company("below", HOSTILE[1], "top")].concat();
    let base = base + &document("Customer", "shop", "  displayName: Shop\n  company: side\n");
    let staff = ["anna", "bea", "cleo"].map(|name| user(name, "below", "common-manager")).concat();
    nest.write(&format!("{base}{staff}"));
    assert_eq!(nest.run("apply tenants --yes"), 0);
    // Anna goes, Bea loses a privileged role, one waits for what is not there, many come.
    let many: String = (0..MANY).map(|row| user(&format!("user-{row:04}"), "side", "owner")).collect();
    let changed = base.replace("displayName: Shop", &format!("displayName: '{}'", HOSTILE[2].replace('\'', "''")));
    let staff = user("bea", "below", "owner") + &user("cleo", "below", "common-manager") + &user("dora", "nowhere", "owner");
    let off = user("emil", "side", "customer-user").replace("role: customer-user", "role: owner\n  enabled: false");
    nest.write(&format!("{changed}{staff}{many}{off}"));
    nest
}

async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = env::var_os("SCREENSHOTS") {
        fs::write(Path::new(&folder).join(format!("{name}.png")), browser.screenshot().await).unwrap();
    }
}

async fn wide(browser: &Browser) {
    let size = json!({ "width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false });
    browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
}

/// The keys of the rows that are shown.
async fn keys(browser: &Browser) -> Vec<String> {
    let keys = browser.script("return [...document.querySelectorAll('#rows tr td:nth-child(2)')].map(it => it.textContent)").await;
    keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

async fn said(browser: &Browser) -> String {
    browser.text(&browser.one("#count").await).await
}

/// Clicks the button whose text begins so.
async fn press(browser: &Browser, within: &str, text: &str) {
    let find = format!(
        "const it = [...document.querySelectorAll({})].find(it => it.textContent.startsWith({})); it.click(); return it !== null",
        json!(within),
        json!(text)
    );
    assert_eq!(browser.script(&find).await, true, "{text}");
}

/// Nothing that was fetched but the file itself, nothing in the console, and no name that became a script.
async fn assert_clean(browser: &Browser, url: &str) {
    assert_eq!(browser.script("return window.hacked ?? null").await, Value::Null);
    let requests = browser.requests().await;
    assert!(!requests.is_empty() && requests.iter().all(|request| request == url), "{requests:?}");
    let log = browser.log("browser").await;
    assert!(log.is_empty(), "{log:?}");
}

#[tokio::test]
async fn a_plan_is_read_and_filtered_in_a_browser() {
    let nest = planned();
    assert_eq!(nest.run("plan tenants -o html=plan.html"), 3, "one refers to nothing");
    let (browser, url) = (Browser::start().await, nest.url("plan.html"));
    browser.open(&url).await;

    // Losses first, and not all at once.
    assert_eq!(said(&browser).await, format!("{} rows, the first 200 are shown.", MANY + 5));
    let shown = keys(&browser).await;
    assert_eq!(shown[..4], ["user/north/anna", "user/north/bea", "user/north/dora", "user/north/emil"]);
    assert_eq!(shown.len(), 200);
    press(&browser, "#next", "").await;
    assert_eq!(keys(&browser).await.len(), 400);
    press(&browser, "#next", "").await;
    assert_eq!(said(&browser).await, format!("{} rows.", MANY + 5));
    picture(&browser, "plan").await;

    // By verb, by kind, and what is grave alone.
    press(&browser, "#verbs button", "Disable").await;
    assert_eq!(keys(&browser).await, ["user/north/anna"]);
    press(&browser, "#verbs button", "Held").await;
    assert_eq!(keys(&browser).await, ["user/north/anna", "user/north/dora"]);
    press(&browser, "#everything", "").await;
    press(&browser, "#kinds button", "Customer").await;
    assert_eq!(keys(&browser).await, ["customer/north/shop"]);
    press(&browser, "#everything", "").await;
    browser.click(&browser.one("#grave").await).await;
    assert_eq!(keys(&browser).await, ["user/north/anna", "user/north/bea", "user/north/dora"]);
    press(&browser, "#everything", "").await;
    assert_eq!(keys(&browser).await.len(), 200);

    // By text, from the keyboard.
    browser.type_into(&browser.one("#search").await, "USER-0012").await;
    for _ in 0..100 {
        if keys(&browser).await.len() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(keys(&browser).await, ["user/north/user-0012"]);
    press(&browser, "#everything", "").await;

    // By company: what is in it and below it, with what people called it as text.
    press(&browser, "#tree .pick", HOSTILE[0]).await;
    assert_eq!(keys(&browser).await, ["user/north/anna", "user/north/bea"]);
    assert_eq!(said(&browser).await, format!("2 of {} rows in {}.", MANY + 5, HOSTILE[0]));
    picture(&browser, "plan-company").await;
    press(&browser, "#tree .pick", "Side").await;
    press(&browser, "#kinds button", "Customer").await;
    assert_eq!(keys(&browser).await, ["customer/north/shop"]);
    press(&browser, "#everything", "").await;
    press(&browser, "#tree .pick", HOSTILE[1]).await;
    assert_eq!(keys(&browser).await, ["user/north/anna", "user/north/bea"]);
    press(&browser, "#tree .pick", HOSTILE[1]).await;
    assert_eq!(keys(&browser).await.len(), 200, "again shows everything");
    let tree = browser.text(&browser.one("#tree").await).await;
    for part in ["north (455)", "Side (452)", "451 users; here 451 owner, 1 of them disabled", HOSTILE[2]] {
        assert!(tree.contains(part), "{part} in {tree}");
    }

    // Everything can be reached and is called something.
    let nameless = "return [...document.querySelectorAll('button, input')].filter(it => !(it.textContent.trim() || it.ariaLabel || it.labels?.length))
        .map(it => it.outerHTML)";
    assert_eq!(browser.script(nameless).await, json!([]));
    press(&browser, "#verbs button", "Held").await;
    narrow(&browser).await;
    is_legible(&browser, "the page").await;
    picture(&browser, "plan-narrow").await;
    wide(&browser).await;
    dark(&browser, true).await;
    is_legible(&browser, "the page in the dark").await;
    picture(&browser, "plan-dark").await;
    // On paper it is light all the same, and there is nothing to click.
    let media = json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.devtools("Emulation.setEmulatedMedia", media).await;
    is_legible(&browser, "the page on paper").await;
    let paper =
        "return ['nav', 'form', '#count', 'table'].map(it => getComputedStyle(document.querySelector(it)).display === 'none')
        .concat(getComputedStyle(document.body).backgroundColor)";
    assert_eq!(browser.script(paper).await, json!([true, true, false, false, "rgb(255, 255, 255)"]));
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "", "features": [] })).await;
    press(&browser, "#everything", "").await;
    picture(&browser, "plan-wide").await;
    assert_clean(&browser, &url).await;

    // The policy is in force: what gets into the page in whichever way does not run, and nothing gets out.
    let tried = "const it = document.createElement('script'); it.textContent = 'window.hacked = 4'; document.body.append(it);
        const image = document.createElement('img'); image.src = 'https://x.example/'; document.body.append(image);
        return window.hacked ?? null";
    assert_eq!(browser.script(tried).await, Value::Null);
    let mut refused = Vec::new();
    for _ in 0..100 {
        refused.extend(browser.log("browser").await.iter().map(|entry| entry["message"].to_string()));
        if refused.len() >= 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(refused.len(), 2, "the script and the image: {refused:?}");
    assert!(refused.iter().all(|message| message.contains("Content Security Policy")), "{refused:?}");
}

#[tokio::test]
async fn without_scripts_losses_are_there() {
    let nest = planned();
    nest.run("plan tenants -o html=plan.html");
    let browser = Browser::start().await;
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.open(&nest.url("plan.html")).await;
    let text = browser.text(&browser.one("body").await).await;
    for part in
        ["Plan: 451 to create, 2 to edit, 1 to disable", "user/north/anna", "user/north/bea", "Loss: edit", "T0016", "Digest"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("Search"), "{text}");
    is_legible(&browser, "the page without scripts").await;
    picture(&browser, "plan-without-scripts").await;
}

#[tokio::test]
async fn an_apply_says_what_became_of_each() {
    let nest = planned();
    assert_eq!(nest.run("apply tenants --yes -o html=done.html"), 6, "one waits for what is not there");
    let (browser, url) = (Browser::start().await, nest.url("done.html"));
    browser.open(&url).await;
    let text = browser.text(&browser.one("body").await).await;
    assert!(text.contains("Applied 454") && text.contains("Not all that is declared is true yet: 1 held"), "{text}");
    let first = "return document.querySelector('#rows tr td').textContent";
    assert_eq!(browser.script(first).await, "Disableapplied");
    assert_clean(&browser, &url).await;
}

#[tokio::test]
async fn many_changes_do_not_stop_a_browser() {
    let nest = Nest::new();
    let mut text: String = (0..200).map(|row| company(&format!("c{row:03}"), &format!("Company {row}"), "")).collect();
    text.extend((0..10_000).map(|row| user(&format!("user-{row:05}"), &format!("c{:03}", row % 200), "owner")));
    nest.write(&text);
    assert_eq!(nest.run("plan tenants -o html=plan.html"), 0);
    let (browser, url) = (Browser::start().await, nest.url("plan.html"));
    browser.open(&url).await;
    assert_eq!(said(&browser).await, "10 200 rows, the first 200 are shown.");
    // The longest that it does not answer while somebody filters.
    let took = "const start = performance.now(); for (const it of document.querySelectorAll('#kinds button')) it.click();
        document.querySelectorAll('#tree .pick')[7].click(); return performance.now() - start";
    let took = browser.script(took).await.as_f64().unwrap();
    assert!(took < 2_000.0, "{took} ms");
    assert_clean(&browser, &url).await;
}

#[tokio::test]
async fn a_drawing_is_a_picture_whatever_things_are_called() {
    let nest = Nest::new();
    nest.write(&[company("top", HOSTILE[0], ""), company("below", HOSTILE[1], "top"), company("odd", "b & c", "top")].concat());
    assert_eq!(nest.run("graph tenants -o svg=graph.svg"), 0);
    let (browser, url) = (Browser::start().await, nest.url("graph.svg"));
    browser.open(&url).await;
    // The browser takes it for XML: with one thing wrong it would show an error instead.
    let texts = "return [document.documentElement.tagName, document.querySelectorAll('parsererror, script').length,
        [...document.querySelectorAll('g g')].map(it => it.querySelector('title').textContent)]";
    let found = browser.script(texts).await;
    let titles = [format!("{} · top", HOSTILE[0]), format!("{} · below", HOSTILE[1]), "b & c · odd".into()];
    assert_eq!(found, json!(["svg", 0, [titles[0], titles[1], titles[2]]]));
    picture(&browser, "graph").await;
    assert_clean(&browser, &url).await;
}

#[test]
fn graphviz_reads_what_is_written_for_it() {
    let nest = Nest::new();
    nest.write(
        &[company("top", HOSTILE[0], ""), company("below", "a\\\" b \\N", "top"), company("odd", HOSTILE[2], "top")].concat(),
    );
    assert_eq!(nest.run("graph tenants -o dot=graph.dot"), 0);
    // Where it is installed, which it need not be.
    let Ok(output) = Command::new("dot").args(["-Tsvg", "graph.dot"]).current_dir(nest.0.path()).output() else { return };
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("&lt;img src=x onerror=window.hacked=1&gt;"));
}

#[test]
fn a_large_organisation_is_drawn_and_says_how_to_draw_less() {
    let nest = Nest::new();
    let parent = |row: usize| if row < 10 { String::new() } else { format!("c{:04}", row / 10) };
    nest.write(&(0..3_000).map(|row| company(&format!("c{row:04}"), "Company", &parent(row))).collect::<String>());
    for form in ["mermaid", "dot", "svg"] {
        let output = nest.output(&format!("graph tenants -o {form}"));
        assert!(output.status.success());
        let note = "note: the picture has 3 000 boxes: `--namespace NAME` or `--depth N` draws fewer\n";
        assert_eq!(String::from_utf8(output.stderr).unwrap(), note);
    }
    let output = nest.output("graph tenants --depth 2");
    assert_eq!(output.stderr, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.matches("[\"").count(), 1 + 100, "{text}");
    assert!(text.contains("Company<br/>c0010<br/>and 110 below\""), "{text}");
}
