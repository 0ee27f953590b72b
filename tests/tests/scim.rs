//! SCIM 2.0 on the wire, as Entra ID and Okta speak it: users and groups of one organisation, and what a deactivation
//! ends at once.

use anyhow::{Context, Result, ensure};
use sealpost_tests::api::{Answer, Api};
use sealpost_tests::idle::Idle;
use sealpost_tests::sending::Place;
use sealpost_tests::staff::Staff;
use sealpost_tests::{Demo, DemoOptions};
use serde_json::{Value, json};

const USERS: &str = "/scim/v2/Users";
const GROUPS: &str = "/scim/v2/Groups";
const TYPE: &str = "Content-Type: application/scim+json";

fn send(api: &Api, method: &str, path: &str, body: &Value, more: &[&str]) -> Result<Answer> {
    let text = body.to_string();
    api.request(path, &[&["-X", method, "-H", TYPE, "--data-binary", &text][..], more].concat())
}

/// An error of RFC 7644 §3.12.
fn error(answer: &Answer, status: u16, kind: Option<&str>) -> Result<()> {
    let body = answer.expect(status)?;
    ensure!(body["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:Error"]), "{body}");
    let word = status.to_string();
    ensure!(body["status"] == word.as_str() && body["scimType"].as_str() == kind, "{body}");
    ensure!(answer.header("content-type") == Some("application/scim+json"), "{answer:?}");
    Ok(())
}

fn id(body: &Value) -> Result<String> {
    Ok(body["id"].as_str().context("no id")?.to_owned())
}

fn user(name: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("{name}@sealpost.test"),
        "externalId": format!("ext-{name}"), "active": true,
        "name": {"givenName": "Anne", "familyName": "Petit"}, "password": "ignored",
        "emails": [{"primary": true, "type": "work", "value": format!("{name}@sealpost.test")}],
    })
}

#[test]
fn users_come_change_and_go() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let api = Api::new(&demo, "adele@sealpost.test", &["scim"])?;
    // Who may not: no token, another scope, another role.
    error(&Api::with_token(&demo, "")?.get(USERS)?, 401, None)?;
    error(&Api::new(&demo, "adele@sealpost.test", &["statistics"])?.get(USERS)?, 403, None)?;
    error(&Api::new(&demo, "alice@sealpost.test", &["scim"])?.get(USERS)?, 403, None)?;
    for (path, word) in [
        ("ServiceProviderConfig", "oauthbearertoken"),
        ("ResourceTypes", "\"/Users\""),
        ("ResourceTypes/Group", "\"/Groups\""),
        ("Schemas", "userName"),
        ("Schemas/urn:ietf:params:scim:schemas:core:2.0:Group", "members"),
    ] {
        let answer = api.get(&format!("/scim/v2/{path}"))?;
        ensure!(answer.status == 200 && answer.text().contains(word), "{path}: {answer:?}");
    }

    let made = send(&api, "POST", USERS, &user("anne"), &[])?;
    let anne = made.expect(201)?;
    ensure!(anne["displayName"] == "Anne Petit" && anne["active"] == true, "{anne}");
    ensure!(anne["externalId"] == "ext-anne" && anne["roles"][0]["value"] == "sender", "{anne}");
    ensure!(made.header("location") == anne["meta"]["location"].as_str(), "{made:?}");
    ensure!(made.header("etag") == anne["meta"]["version"].as_str(), "{made:?}");
    let path = format!("{USERS}/{}", id(&anne)?);
    error(&send(&api, "POST", USERS, &user("anne"), &[])?, 409, Some("uniqueness"))?;
    let mut foreign = user("anne");
    foreign["userName"] = "anne@elsewhere.test".into();
    error(&send(&api, "POST", USERS, &foreign, &[])?, 400, Some("invalidValue"))?;
    error(&send(&api, "POST", USERS, &json!({"displayName": "x"}), &[])?, 400, Some("invalidValue"))?;

    // Found as the providers look for somebody; what is not understood finds nobody.
    for filter in [
        "userName eq \"ANNE@sealpost.test\"",
        "externalId eq \"ext-anne\"",
        "emails[type eq \"work\"].value eq \"anne@sealpost.test\" and active eq true",
    ] {
        let encoded = filter.replace(' ', "%20").replace('"', "%22").replace('[', "%5B").replace(']', "%5D");
        let found = api.get(&format!("{USERS}?filter={encoded}"))?.expect(200)?;
        ensure!(found["totalResults"] == 1 && found["Resources"][0]["id"] == anne["id"], "{filter}: {found}");
    }
    let nobody =
        api.get(&format!("{USERS}?filter=userName%20eq%20%22nobody@sealpost.test%22"))?.expect(200)?;
    ensure!(nobody["totalResults"] == 0 && nobody["Resources"] == json!([]), "{nobody}");
    error(&api.get(&format!("{USERS}?filter=userName%20sw%20%22a%22"))?, 400, Some("invalidFilter"))?;
    let first = api.get(&format!("{USERS}?startIndex=1&count=2"))?.expect(200)?;
    let second = api.get(&format!("{USERS}?startIndex=3&count=2"))?.expect(200)?;
    ensure!(first["itemsPerPage"] == 2 && first["totalResults"] == second["totalResults"], "{first}");
    ensure!(first["Resources"][0]["id"] != second["Resources"][0]["id"], "{second}");

    // An older version is not overwritten; a newer one is.
    let renamed =
        json!({"Operations": [{"op": "Replace", "path": "displayName", "value": "Anne Petit-Roux"}]});
    let old = "If-Match: W/\"00000000000000000000000000000000\"";
    error(&send(&api, "PATCH", &path, &renamed, &["-H", old])?, 412, None)?;
    let known = format!("If-Match: {}", made.header("etag").unwrap_or_default());
    let now = send(&api, "PATCH", &path, &renamed, &["-H", &known])?.expect(200)?;
    ensure!(now["displayName"] == "Anne Petit-Roux" && now["externalId"] == "ext-anne", "{now}");
    let given = json!({"Operations": [{"op": "replace", "value": {"name.givenName": "Annie", "name.familyName": "Roux"}}]});
    ensure!(send(&api, "PATCH", &path, &given, &[])?.expect(200)?["displayName"] == "Annie Roux");
    let moved =
        json!({"Operations": [{"op": "replace", "path": "userName", "value": "other@sealpost.test"}]});
    error(&send(&api, "PATCH", &path, &moved, &[])?, 400, Some("mutability"))?;
    error(&send(&api, "PATCH", &path, &json!({"Operations": []}), &[])?, 400, Some("invalidSyntax"))?;
    let own = api.get(&format!("{USERS}?filter=userName%20eq%20%22adele@sealpost.test%22"))?.expect(200)?;
    let own = format!("{USERS}/{}", id(&own["Resources"][0])?);
    error(&send(&api, "DELETE", &own, &json!({}), &[])?, 400, Some("mutability"))?;

    // Deleted: not listed any more, and found again under the same name.
    ensure!(send(&api, "DELETE", &path, &json!({}), &[])?.status == 204);
    error(&api.get(&path)?, 404, None)?;
    ensure!(demo.sealpost(&["user", "list"])?.lines().any(|l| l.contains("anne@") && l.contains("disabled")));
    let back = send(&api, "POST", USERS, &user("anne"), &[])?.expect(201)?;
    ensure!(back["id"] == anne["id"] && back["active"] == true, "{back}");
    Ok(())
}

#[test]
fn groups_give_roles_and_a_deactivation_ends_everything_at_once() -> Result<()> {
    let demo = Demo::start_edited(DemoOptions::default(), |text| {
        let groups = "\n[accounts]\ngroups = [\"Auditeurs=auditor\"]\n";
        if text.contains("\n[accounts]\n") {
            text.replacen("\n[accounts]\n", groups, 1)
        } else {
            text + groups
        }
    })?;
    let api = Api::new(&demo, "adele@sealpost.test", &["scim"])?;
    let alice = api.get(&format!("{USERS}?filter=userName%20eq%20%22alice@sealpost.test%22"))?.expect(200)?;
    let alice = id(&alice["Resources"][0])?;
    let role = || -> Result<Value> {
        Ok(api.get(&format!("{USERS}/{alice}"))?.expect(200)?["roles"][0]["value"].clone())
    };

    let made = send(&api, "POST", GROUPS, &json!({"displayName": "Auditeurs", "externalId": "g1"}), &[])?
        .expect(201)?;
    let path = format!("{GROUPS}/{}", id(&made)?);
    error(&send(&api, "POST", GROUPS, &json!({"displayName": "AUDITEURS"}), &[])?, 409, Some("uniqueness"))?;
    let unknown = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": "999999"}]}]});
    error(&send(&api, "PATCH", &path, &unknown, &[])?, 400, Some("invalidValue"))?;
    let add = json!({"Operations": [{"op": "Add", "path": "members", "value": [{"value": alice}]}]});
    let with = send(&api, "PATCH", &path, &add, &[])?.expect(200)?;
    ensure!(with["members"][0]["value"] == alice.as_str() && role()? == "auditor", "{with}");
    let lean = api
        .get(&format!("{GROUPS}?excludedAttributes=members&filter=displayName%20eq%20%22Auditeurs%22"))?
        .expect(200)?;
    ensure!(
        lean["Resources"][0]["displayName"] == "Auditeurs" && lean["Resources"][0].get("members").is_none(),
        "{lean}"
    );
    let out = json!({"Operations": [{"op": "remove", "path": format!("members[value eq \"{alice}\"]")}]});
    ensure!(
        send(&api, "PATCH", &path, &out, &[])?.expect(200)?["members"] == json!([]) && role()? == "sender"
    );
    ensure!(
        send(&api, "PUT", &path, &json!({"displayName": "Auditeurs", "members": [{"value": alice}]}), &[])?
            .status
            == 200
    );
    ensure!(role()? == "auditor" && send(&api, "DELETE", &path, &json!({}), &[])?.status == 204);
    ensure!(role()? == "sender", "a group that is gone gives nothing");

    // In by every way: a page, a mail program that waits, one that is about to send, a program.
    let browser = Staff::logged_in(&demo, "alice")?;
    let program = Api::new(&demo, "alice@sealpost.test", &["deposits:read"])?;
    let place = Place::new(&demo, "alice")?;
    let mut sending = place.connect()?;
    let account = demo.account("alice").clone();
    let waiting = Idle::start(&demo, &account)?;

    let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    let now = send(&api, "PATCH", &format!("{USERS}/{alice}"), &off, &[])?.expect(200)?;
    ensure!(now["active"] == false, "{now}");
    ensure!(!browser.is_in()?, "the page");
    ensure!(program.get("/api/v1/deposits")?.status == 401, "the program");
    // Were the connection kept, this would wait for ever.
    let said = waiting.until_the_end()?;
    ensure!(said.contains("BYE"), "{said}");
    let refused = sending
        .begin(&account.login, &["bob@example.test"])
        .and_then(|()| sending.data(b"Subject: x\r\n\r\nx\r\n"));
    ensure!(refused.is_err(), "the mail program goes on sending");
    ensure!(place.connect().is_err(), "a new login");

    let on = json!({"Operations": [{"op": "replace", "value": {"active": true}}]});
    ensure!(send(&api, "PATCH", &format!("{USERS}/{alice}"), &on, &[])?.expect(200)?["active"] == true);
    ensure!(!browser.is_in()?, "a session does not come back");
    ensure!(place.connect().is_ok(), "the person does");
    let journal = demo.sealpost(&["journal", "search", "--json", "--event", "AccountChanged"])?;
    ensure!(journal.contains("scim") && journal.contains("adele@sealpost.test"), "{journal}");
    Ok(())
}

#[test]
fn a_forced_logout_ends_everything_too() -> Result<()> {
    let demo = Demo::start(DemoOptions::default())?;
    let account = demo.account("alice").clone();
    let browser = Staff::logged_in(&demo, "alice")?;
    let program = Api::new(&demo, &account.login, &["deposits:read"])?;
    let (waiting, place) = (Idle::start(&demo, &account)?, Place::new(&demo, "alice")?);
    place.connect()?;
    demo.sealpost(&["user", "logout", &account.login])?;
    ensure!(!browser.is_in()?, "the page");
    ensure!(program.get("/api/v1/deposits")?.status == 401, "the program");
    ensure!(waiting.until_the_end()?.contains("BYE"), "the mail program");
    ensure!(place.connect().is_err(), "a new login with the former app password");
    ensure!(Staff::logged_in(&demo, "carol")?.is_in()?, "nobody else");
    Ok(())
}
