//! What no single key can know: whether the settings fit together.

use super::outgoing::Route;
use super::places::{Database, Via, WebUrl};
use super::reader::Context;
use super::sections::{Entity, Rule, Settings};
use super::signing::KeySource;
use super::{Mode, Profile, UpstreamTls};
use sealpost_envelope::{EmailAddress, Gate, GateMethod};
use sealpost_policy::{Defaults, Period, Policy, RuleConfig};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reports everything that does not fit, and compiles the policy of each entity.
pub(super) fn check(settings: &Settings, context: &mut Context) -> Vec<Arc<Policy>> {
    entities(settings, context);
    listeners(settings, context);
    web(settings, context);
    relay(settings, context);
    trusted(settings, context);
    gates(settings, context);
    super::cards::check(settings, context);
    super::providers::check(settings, context);
    super::backends::check(settings, context);
    super::webhooks::check(settings, context);
    super::polling::check(settings, context);
    limits(settings, context);
    demo(settings, context);
    others(settings, context);
    policies(settings, context)
}

fn entities(settings: &Settings, context: &mut Context) {
    if settings.entity.is_empty() {
        context.wrong_at("entity", "at least one [[entity]] is needed, with name, domains and hostname");
    }
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for (n, entity) in settings.entity.iter().enumerate() {
        let at = |key: &str| format!("entity[{n}].{key}");
        if entity.name.trim().is_empty() {
            context.wrong_at(&at("name"), "recipients read this name: it cannot be empty");
        }
        if entity.domains.is_empty() {
            context.wrong_at(&at("domains"), "at least one domain is needed");
        }
        if entity.languages.is_empty() {
            context.wrong_at(&at("languages"), "at least one language is needed");
        }
        if entity.hostname.parse::<super::kinds::DomainName>().is_err() {
            context.wrong_at(&at("hostname"), format!("{:?} is not a host name", entity.hostname));
        }
        for (m, domain) in entity.domains.iter().enumerate() {
            if let Some(owner) = owners.insert(domain.as_str(), &entity.name) {
                let message = format!("{domain} stands here twice: it already belongs to {owner:?}");
                context.wrong_at(&format!("{}[{m}]", at("domains")), message);
            }
        }
        for (m, key) in entity.dkim.keys.iter().enumerate() {
            if let Some(domain) =
                key.domain.as_ref().filter(|d| entity.domains.iter().all(|o| o.to_ascii() != **d))
            {
                let message = format!("{domain} is none of the entity's domains");
                context.wrong_at(&format!("{}[{m}]", at("dkim.keys")), message);
            }
        }
        seal_keys(entity, n, context);
        periods_of_entity(entity, n, context);
    }
}

fn periods_of_entity(entity: &Entity, n: usize, context: &mut Context) {
    let retention = &entity.retention;
    for (key, period, least) in [
        ("access", retention.access, 1),
        ("content", retention.content, 0),
        ("evidence", retention.evidence, retention.access.as_seconds()),
    ] {
        if period.as_seconds() < least {
            context.wrong_at(&format!("entity[{n}].retention.{key}"), format!("{period} is too short"));
        }
    }
}

fn listeners(settings: &Settings, context: &mut Context) {
    let listen = &settings.listen;
    let all = listen.all();
    if all.iter().all(|(_, address)| address.is_none()) && !context.is_wrong("listen") {
        context.wrong_at("listen", "nothing listens: open at least submission and https");
    }
    let open: Vec<_> = all.iter().filter_map(|(name, address)| address.map(|a| (*name, a))).collect();
    for (n, (name, address)) in open.iter().enumerate() {
        if let Some((other, _)) = open[..n].iter().find(|(_, a)| a == address && address.port() != 0) {
            context.wrong_at(&format!("listen.{name}"), format!("{address} is already listen.{other}"));
        }
    }
    if let Some(admin) = listen.admin.filter(|a| !a.ip().is_loopback()) {
        let message = format!("{admin} would show health and metrics without TLS: use a loopback address");
        context.wrong_at("listen.admin", message);
    }
}

fn web(settings: &Settings, context: &mut Context) {
    let mut secure = |path: &str, url: Option<&WebUrl>| {
        if url.is_some_and(|u| !u.is_https()) {
            context.wrong_at(path, "links to content need https");
        }
    };
    secure("web.url", Some(&settings.web.url));
    secure("web.card_url", settings.web.card_url.as_ref());
    if settings.listen.card.is_some() != settings.web.card_url.is_some() {
        context.wrong_at("web.card_url", "listen.card and web.card_url belong together");
    }
}

fn relay(settings: &Settings, context: &mut Context) {
    let relay = &settings.relay;
    if relay.smarthost_user.is_some() != relay.smarthost_password.is_some() {
        context.wrong_at("relay.smarthost_user", "smarthost_user and smarthost_password belong together");
    }
    if relay.smarthost_user.is_some() && is_unverified(relay.smarthost_tls) {
        context.wrong_at("relay.smarthost_tls", UNVERIFIED);
    }
    if relay.smarthost_certificate.is_some() != relay.smarthost_key.is_some() {
        context.wrong_at(
            "relay.smarthost_certificate",
            "smarthost_certificate and smarthost_key belong together",
        );
    }
    if relay.retry.is_empty() || relay.retry.iter().any(|p| p.as_seconds() < 1) {
        context.wrong_at("relay.retry", "pauses of one second or more are needed");
    }
    for (key, period) in [("give_up", relay.give_up), ("hold_for", relay.hold_for)] {
        if period.as_seconds() < 60 {
            context.wrong_at(&format!("relay.{key}"), format!("{period} is too short"));
        }
    }
    for (n, route) in settings.route.iter().enumerate() {
        check_route(route, n, context);
    }
}

/// Whether anybody could be at the other end.
fn is_unverified(tls: UpstreamTls) -> bool {
    matches!(tls, UpstreamTls::None | UpstreamTls::Opportunistic)
}

const UNVERIFIED: &str = "a password is only sent over verified TLS: use \"require\" or \"tls\"";

fn check_route(route: &Route, n: usize, context: &mut Context) {
    let at = |key: &str| format!("route[{n}].{key}");
    if route.user.is_some() != route.password.is_some() {
        context.wrong_at(&at("user"), "user and password belong together");
    }
    if route.user.is_some() && is_unverified(route.tls) {
        context.wrong_at(&at("tls"), UNVERIFIED);
    }
    if route.certificate.is_some() != route.key.is_some() {
        context.wrong_at(&at("certificate"), "certificate and key belong together");
    }
    let of_one_server = [
        ("ca", route.ca.is_some()),
        ("certificate", route.certificate.is_some()),
        ("user", route.user.is_some()),
    ];
    for (key, _) in of_one_server.iter().filter(|(_, set)| *set && !matches!(route.via, Via::Smarthost(_))) {
        context.wrong_at(&at(key), "belongs to a route whose via is HOST:PORT");
    }
    if route.domains.is_empty() {
        context.wrong_at(&format!("route[{n}].domains"), "at least one domain is needed");
    }
    for (m, domain) in route.domains.iter().enumerate() {
        let name = domain.strip_prefix("*.").unwrap_or(domain);
        if domain != "*" && name.parse::<super::kinds::DomainName>().is_err() {
            context.wrong_at(&format!("route[{n}].domains[{m}]"), format!("{domain:?} is not a domain"));
        }
    }
}

fn trusted(settings: &Settings, context: &mut Context) {
    for (n, server) in settings.trusted.iter().enumerate() {
        if server.networks.is_empty() {
            context.wrong_at(&format!("trusted[{n}].networks"), "at least one network is needed");
        }
        if server.from.is_empty() {
            context.wrong_at(&format!("trusted[{n}].from"), "at least one address or @domain is needed");
        }
        for (m, from) in server.from.iter().enumerate() {
            let own = match from.strip_prefix('@') {
                Some(domain) => Some(domain.to_owned()),
                None => EmailAddress::parse(from).ok().map(|a| a.domain().to_owned()),
            };
            let at = format!("trusted[{n}].from[{m}]");
            match own {
                None => context.wrong_at(&at, format!("{from:?} is neither an address nor @domain")),
                Some(domain) if settings.entity_of(&domain).is_none() && !context.is_wrong("entity") => {
                    context.wrong_at(&at, format!("{domain} belongs to no entity"));
                }
                Some(_) => {}
            }
        }
    }
    if settings.listen.relay.is_some() && settings.trusted.is_empty() {
        context.wrong_at("listen.relay", "nobody may use it: add a [[trusted]] server or close it");
    }
}

fn gates(settings: &Settings, context: &mut Context) {
    let gate = &settings.gate;
    let check = |path: &str, gate: &Gate, context: &mut Context| {
        let alone = gate.alternatives().iter().any(|way| {
            way.iter().all(|m| matches!(m, GateMethod::OtpMail | GateMethod::Link | GateMethod::Password))
                && way.len() == 1
        });
        if settings.profile == Profile::Health && alone {
            let message = "under the health profile one factor alone (link, otp-mail, password) opens nothing; \
                           combine it, as in \"password+otp-mail\"";
            context.wrong_at(path, message);
        }
    };
    check("gate.default", &gate.default, context);
    for (n, rule) in settings.rule.iter().enumerate() {
        if let Some(gate) = &rule.gate {
            check(&format!("rule[{n}].gate"), gate, context);
        }
    }
    for (key, period, most) in
        [("code_validity", gate.code_validity, 3600), ("sms_code_validity", gate.sms_code_validity, 3600)]
    {
        if !(30..=most).contains(&period.as_seconds()) {
            context
                .wrong_at(&format!("gate.{key}"), format!("{period} is not between 30 seconds and 1 hour"));
        }
    }
    if let Err((key, message)) = super::sms::check(&gate.sms) {
        context.wrong_at(&format!("gate.sms.{key}"), message);
    }
    if gate.session.as_seconds() < 60 {
        context.wrong_at("gate.session", format!("{} is too short", gate.session));
    }
    // Six digits: ten tries are one chance in a hundred thousand.
    if !(1..=10).contains(&gate.tries) {
        context.wrong_at("gate.tries", "from 1 to 10 tries make sense for six digits");
    }
    if gate.country.len() != 2 || !gate.country.bytes().all(|b| b.is_ascii_uppercase()) {
        context.wrong_at("gate.country", "a country is two capital letters, as in \"FR\"");
    }
}

fn limits(settings: &Settings, context: &mut Context) {
    let limits = &settings.limits;
    // RFC 5321 §4.5.3.1.8 asks for at least 100 recipients.
    for (key, value, least) in [
        ("connections", u64::from(limits.connections), 1),
        ("connections_per_address", limits.connections_per_address.into(), 1),
        ("commands_per_session", limits.commands_per_session.into(), 10),
        ("errors_per_session", limits.errors_per_session.into(), 1),
        ("recipients", limits.recipients.into(), 100),
        ("header_bytes", limits.header_bytes.0, 16_384),
        ("mime_depth", limits.mime_depth.into(), 5),
        ("mime_parts", limits.mime_parts.into(), 10),
        ("codes_per_hour", limits.codes_per_hour.into(), 1),
        ("logins_per_account", limits.logins_per_account.into(), 3),
        ("logins_per_address", limits.logins_per_address.into(), 3),
        ("request_body", limits.request_body.0, 4096),
        ("command_timeout", limits.command_timeout.as_seconds().try_into().unwrap_or(0), 5),
        ("data_timeout", limits.data_timeout.as_seconds().try_into().unwrap_or(0), 5),
    ] {
        if value < least {
            context.wrong_at(&format!("limits.{key}"), format!("{value} is too small; at least {least}"));
        }
    }
}

fn demo(settings: &Settings, context: &mut Context) {
    let demo = &settings.demo;
    if (demo.outside_mailboxes || !demo.mailboxes.is_empty()) && demo.password.is_none() {
        context.wrong_at("demo.password", "is missing; for example password = \"file:demo.password\"");
    }
    for (n, mailbox) in demo.mailboxes.iter().enumerate() {
        if settings.entity_of(mailbox.domain()).is_some() {
            context
                .wrong_at(&format!("demo.mailboxes[{n}]"), format!("{mailbox} is in a domain of an entity"));
        }
    }
}

fn others(settings: &Settings, context: &mut Context) {
    timestamp(settings, context);
    if settings.mode == Mode::Observe && settings.alerts.mail.is_none() {
        context.wrong_at("alerts.mail", "mode = \"observe\" writes to this address: it is missing");
    }
    let store = &settings.store;
    if store.s3_access_key.is_some() != store.s3_secret_key.is_some() {
        context.wrong_at("store.s3_access_key", "s3_access_key and s3_secret_key belong together");
    }
    if matches!(&store.database, Database::Sqlite(path) if path.starts_with(&store.keys)) {
        context.wrong_at("store.database", "the database must not lie among the keys that open its content");
    }
    if matches!(&store.blobs, super::Blobs::Files(path) if *path == store.keys) {
        context.wrong_at("store.blobs", "content and keys need directories of their own");
    }
}

fn timestamp(settings: &Settings, context: &mut Context) {
    let timestamp = &settings.timestamp;
    if timestamp.url.is_some() != timestamp.ca.is_some() {
        let message =
            "timestamp.url and timestamp.ca belong together: an answer is believed for its certificate";
        context.wrong_at("timestamp.ca", message);
    }
    if timestamp.fallback_url.is_some() && timestamp.url.is_none() {
        context.wrong_at("timestamp.fallback_url", "there is no first authority: call this one `url`");
    }
    if timestamp.fallback_ca.is_some() && timestamp.fallback_url.is_none() {
        context.wrong_at("timestamp.fallback_ca", "belongs to timestamp.fallback_url, which is missing");
    }
    for (key, period, least, most) in [
        ("every", timestamp.every, 0, 3600),
        ("timeout", timestamp.timeout, 1, 120),
        ("tolerance", timestamp.tolerance, 1, 3600),
    ] {
        if !(least..=most).contains(&period.as_seconds()) {
            let range = format!("from {} to {}", Period::seconds(least), Period::seconds(most));
            context.wrong_at(&format!("timestamp.{key}"), format!("{period} is not {range}"));
        }
    }
}

/// A key from elsewhere and its certificate.
fn seal_keys(entity: &Entity, n: usize, context: &mut Context) {
    let seal = &entity.seal;
    for (name, prefix, key, certificate, password) in [
        ("key", "", &seal.key, &seal.certificate, &seal.password),
        ("mail_key", "mail_", &seal.mail_key, &seal.mail_certificate, &seal.mail_password),
    ] {
        let at = |key: &str| format!("entity[{n}].seal.{prefix}{key}");
        if key.is_none() && certificate.is_some() {
            context.wrong_at(&at("certificate"), format!("belongs to {name}, which is missing"));
        }
        if key.is_none() && password.is_some() {
            context.wrong_at(&at("password"), format!("belongs to {name}, which is missing"));
        }
        if matches!(key, Some(KeySource::Token(_))) && certificate.is_none() {
            context.wrong_at(&at("certificate"), "a key in a token needs its certificate in a file");
        }
    }
}

/// Compiles the rules for each entity; their mistakes are the same for all.
fn policies(settings: &Settings, context: &mut Context) -> Vec<Arc<Policy>> {
    let rules: Vec<RuleConfig> = settings.rule.iter().map(Rule::for_policy).collect();
    let mut compiled = Vec::new();
    for (n, entity) in settings.entity.iter().enumerate() {
        match Policy::compile(&rules, defaults(settings, entity)) {
            Ok(policy) => compiled.push(Arc::new(policy)),
            Err(errors) if n == 0 => {
                for error in errors {
                    let hint = error.suggestion.map(|s| format!("; did you mean {s:?}?")).unwrap_or_default();
                    let message = format!("{}{hint}", error.message);
                    context.wrong_at(&format!("rule[{}].{}", error.index, error.key), message);
                }
            }
            Err(_) => {}
        }
    }
    compiled
}

fn defaults(settings: &Settings, entity: &Entity) -> Defaults {
    Defaults {
        domains: entity.domains.iter().map(|d| d.as_str().to_owned()).collect(),
        seal_always: entity.seal.always,
        gate: settings.gate.default.clone(),
        expires: entity.retention.access,
        retention_after: entity.retention.content,
        link_over: entity.link_over.0,
        country: settings.gate.country.clone(),
        sms: settings.gate.sms.provider.is_some(),
        sms_prefixes: settings.gate.sms.prefixes.clone(),
        blocked_types: settings.antivirus.blocked_types.iter().map(|t| t.as_str().to_owned()).collect(),
        hold_typos: entity.hold_typos,
        observe: settings.mode == Mode::Observe,
    }
}
