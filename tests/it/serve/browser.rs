//! The pages in a real browser: what people see, hear and type.
//!
//! `SCREENSHOTS=FOLDER` keeps pictures of the pages, for whoever changes them.

use std::{env, fs, path::Path};

use serde_json::json;

use super::{
    fixture::{GOOD, World},
    webdriver::Browser,
};

async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = env::var_os("SCREENSHOTS") {
        fs::write(Path::new(&folder).join(format!("{name}.png")), browser.screenshot().await).unwrap();
    }
}

/// As wide as a small telephone, or a window of 640 pixels at 200 %.
pub(crate) async fn narrow(browser: &Browser) {
    let size = json!({ "width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
}

pub(crate) async fn dark(browser: &Browser, on: bool) {
    let value = if on { "dark" } else { "light" };
    let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
    browser.devtools("Emulation.setEmulatedMedia", media).await;
}

/// Nothing sticks out to the side, and every text stands out from what is behind it: WCAG 2.2, 1.4.10 and 1.4.3.
pub(crate) async fn is_legible(browser: &Browser, what: &str) {
    let fits = browser.script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth").await;
    assert_eq!(fits, true, "{what} fits into the window");
    let contrast = "
        const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data]; };
        const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
        const behind = it => { for (; it; it = it.parentElement) { const c = rgb(getComputedStyle(it).backgroundColor);
            if (c[3] === 255) return c; } return [255, 255, 255]; };
        return [...document.querySelectorAll('h1, p, label, input, button, a')].map(it => {
            const [a, b] = [light(rgb(getComputedStyle(it).color)), light(behind(it))].sort((x, y) => y - x);
            return [it.outerHTML.slice(0, 80), (a + 0.05) / (b + 0.05)]; })";
    let found = browser.script(contrast).await;
    let found = found.as_array().unwrap();
    assert!(!found.is_empty());
    for text in found {
        assert!(text[1].as_f64().unwrap() >= 4.5, "{what}: {text}");
    }
}

#[tokio::test]
async fn somebody_sets_a_password() {
    let world = World::new().await;
    world.person("mara").await;
    let link = world.link("mara", 5).await;
    let server = world.serve();
    let browser = Browser::start().await;
    narrow(&browser).await;
    let address = format!("{}{link}", server.url);
    browser.open(&address).await;
    browser.arrives_at("Set your password").await;
    assert_eq!(browser.text(&browser.one("h1").await).await, "Set your password");
    assert_eq!(browser.all("[role=alert]").await.len(), 0);
    picture(&browser, "set").await;
    is_legible(&browser, "the form").await;
    dark(&browser, true).await;
    is_legible(&browser, "the form in the dark").await;
    picture(&browser, "set-dark").await;
    dark(&browser, false).await;

    // Two that differ: the message belongs to the field, and what was typed is gone.
    browser.type_into(&browser.labelled("New password").await, GOOD).await;
    browser.type_into(&browser.labelled("New password, once more").await, "correct horse Batterie").await;
    browser.click(&browser.labelled("Set password").await).await;
    browser.arrives_at("Error: Set your password").await;
    assert_eq!(browser.url().await, address);
    let alert = browser.one("[role=alert]").await;
    assert_eq!(browser.role(&alert).await, "alert");
    assert!(browser.text(&alert).await.contains("not the same"));
    let said = "const it = document.activeElement; return [it.name, it.value, document.getElementById(it.getAttribute('aria-describedby')).textContent]";
    let said = browser.script(said).await;
    assert_eq!((&said[0], &said[1]), (&json!("again"), &json!("")));
    assert!(said[2].as_str().unwrap().contains("not the same"));
    picture(&browser, "set-problem").await;
    is_legible(&browser, "the message").await;
    dark(&browser, true).await;
    is_legible(&browser, "the message in the dark").await;
    picture(&browser, "set-problem-dark").await;
    dark(&browser, false).await;

    // By keyboard alone.
    browser.type_into(&browser.labelled("New password").await, GOOD).await;
    browser.type_into(&browser.labelled("New password, once more").await, &format!("{GOOD}\u{e007}")).await;
    browser.arrives_at("Your password is set").await;
    assert_eq!(browser.url().await, format!("{}/set-password/done", server.url));
    picture(&browser, "done").await;
    is_legible(&browser, "the end").await;
    assert_eq!(world.verify("mara", GOOD.as_bytes()).0, 0);
    assert_clean(&browser, &server.url, &[]).await;

    // The same link again.
    browser.open(&address).await;
    browser.type_into(&browser.labelled("New password").await, GOOD).await;
    browser.type_into(&browser.labelled("New password, once more").await, GOOD).await;
    browser.click(&browser.labelled("Set password").await).await;
    browser.arrives_at("This link cannot be used").await;
    picture(&browser, "dead").await;
    is_legible(&browser, "the dead link").await;
    assert_clean(&browser, &server.url, &["410"]).await;
}

#[tokio::test]
async fn somebody_changes_a_temporary_password() {
    let world = World::new().await;
    world.person("mara").await;
    world.password("mara", "Temporary-1", true, 5).await;
    let server = world.serve();
    let browser = Browser::start().await;
    browser.open(&format!("{}/", server.url)).await;
    is_legible(&browser, "the first page").await;
    picture(&browser, "welcome").await;
    browser.click(&browser.labelled("Change your password").await).await;
    browser.arrives_at("Change your password").await;
    let fill = async |current: &str| {
        browser.type_into(&browser.labelled("Current password").await, current).await;
        browser.type_into(&browser.labelled("New password").await, GOOD).await;
        browser.type_into(&browser.labelled("New password, once more").await, GOOD).await;
        browser.click(&browser.labelled("Change password").await).await;
    };
    browser.type_into(&browser.labelled("Username").await, "mara").await;
    picture(&browser, "change").await;
    fill("Temporary-2").await;
    browser.arrives_at("Error: Change your password").await;
    assert!(browser.text(&browser.one("[role=alert]").await).await.contains("do not fit together"));
    narrow(&browser).await;
    is_legible(&browser, "the refusal").await;
    picture(&browser, "change-problem").await;
    fill("Temporary-1").await;
    browser.arrives_at("Your password is changed").await;
    assert_eq!(world.verify("mara", GOOD.as_bytes()), (0, "ok\n".into(), String::new()));
    assert_clean(&browser, &server.url, &["403"]).await;
}

/// No request went elsewhere, and the console says nothing but that answers had these statuses.
async fn assert_clean(browser: &Browser, server: &str, statuses: &[&str]) {
    let requests = browser.requests().await;
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|url| url.starts_with(&format!("{server}/"))), "{requests:?}");
    for entry in browser.log("browser").await {
        let text = entry["message"].as_str().unwrap();
        let mut expected = ["422", "404"].iter().chain(statuses).any(|status| text.contains(&format!("status of {status} ")));
        // The form behind a link does not know whose it is: looking that up would tell whether the link is alive.
        expected |= text.contains("Password forms should have (optionally hidden) username fields");
        assert!(expected && !text.contains("Content Security Policy"), "{text}");
    }
}
