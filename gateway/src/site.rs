//! The web pages' side of the composition root: what `sealpost-web` is told about this gateway.

use crate::config::{self, Config, Profile};
use crate::gateway::{Gateway, Organisation};
use anyhow::Result;
use axum::Router;
use futures_util::FutureExt;
use sealpost_envelope::GateMethod;
use sealpost_gate::{
    CodeKey, ElsewhereMethod, LinkMethod, Method, MethodLimits, Methods, Needs, OtpMail, OtpSms,
    PasswordMethod, TypedCodeMethod,
};
use sealpost_store::account::CodeRule;
use sealpost_web::{
    AdminState, EntitySite, Hooks, MailAccess, Metrics, SentCodes, ServeLimits, StaffRules, TextCodes,
    VerifyState, WebKeys, WebLimits, WebParts, WebState,
};
use std::sync::Arc;

/// The state of the recipients' pages.
pub fn state(gateway: &Arc<Gateway>) -> Result<WebState> {
    let config = &gateway.config;
    let keys = gateway.store.keys();
    let limits = MethodLimits {
        lifetime: config.gate.code_validity.duration(),
        tries: config.gate.tries,
        per_hour: config.limits.codes_per_hour,
        ..MethodLimits::default()
    };
    let codes = Arc::new(CodeKey::new(keys.purpose("codes")?.expose()));
    let (queue, bells) = (gateway.queue.clone(), gateway.clone());
    Ok(WebState::new(WebParts {
        store: gateway.store.clone(),
        clock: gateway.clock.clone(),
        entities: gateway.organisations.iter().map(|o| site_of(o, config)).collect(),
        url: config.web.url.as_str().trim_end_matches('/').to_owned(),
        keys: WebKeys { csrf: *keys.purpose("csrf")?.expose(), rates: *keys.purpose("rates")?.expose() },
        card_url: config.web.card_url.as_ref().map(|u| u.as_str().trim_end_matches('/').to_owned()),
        methods: methods(gateway, codes, limits)?,
        accounts: gateway.accounts.clone(),
        staff: staff_rules(config),
        texts: text_codes(gateway),
        mail: mail_access(config),
        providers: gateway.providers.clone(),
        login_providers: crate::providers::for_login(config),
        elsewhere: crate::backends::open(config, &gateway.organisations)?,
        limits: web_limits(config),
        hooks: Hooks {
            outbound: Arc::new(move || {
                queue.wake();
                bells.bells.sms.notify_one();
            }),
            desk: Arc::new(crate::desk::RunningDesk(gateway.clone())),
            operations: Arc::new(crate::operations::Running(gateway.clone())),
        },
        demo: config.demo.outside_mailboxes,
    }))
}

/// The ways through the gate that this installation has all it needs for.
fn methods(gateway: &Gateway, codes: Arc<CodeKey>, limits: MethodLimits) -> Result<Methods> {
    let config = &gateway.config;
    let mut all: Vec<Arc<dyn Method>> = vec![
        Arc::new(LinkMethod),
        Arc::new(OtpMail::new(codes, limits)),
        Arc::new(PasswordMethod::new(limits)),
        Arc::new(TypedCodeMethod::totp(limits)),
        Arc::new(TypedCodeMethod::hotp(limits)),
    ];
    if gateway.sms.is_some() {
        let key = CodeKey::new(gateway.store.keys().purpose(crate::sms::CODES)?.expose());
        let limits = MethodLimits { lifetime: config.gate.sms_code_validity.duration(), ..limits };
        all.push(Arc::new(OtpSms::new(Arc::new(key), limits)));
    }
    if config.listen.card.is_some() {
        all.push(Arc::new(ElsewhereMethod::new(GateMethod::Cps, Needs::Nothing)));
    }
    for provider in &gateway.providers {
        let name = GateMethod::Oidc(provider.settings().name.clone());
        let method = ElsewhereMethod::new(name, Needs::Nothing).called(&provider.settings().label);
        all.push(Arc::new(method));
    }
    all.push(Arc::new(ElsewhereMethod::new(GateMethod::Tiqr, Needs::Enrolment)));
    Ok(Methods::new(all))
}

/// `limits.request_body` is for programs' requests; forms need far less, so that for them it can only lower the bound.
fn web_limits(config: &Config) -> WebLimits {
    let usual = WebLimits::default();
    let program_body = usize::try_from(config.limits.request_body.0).unwrap_or(usize::MAX);
    WebLimits {
        session: config.gate.session.duration(),
        body: program_body.min(usual.body),
        program_body,
        guest: config.limits.guest_size.0,
        sms_per_number: config.gate.sms.per_number,
        sms_per_network: config.gate.sms.per_network,
        ..usual
    }
}

/// Ports as people reach them; the name that our certificates carry.
fn mail_access(config: &Config) -> MailAccess {
    let listen = &config.listen;
    let port = |address: &Option<std::net::SocketAddr>| address.map(|a| a.port());
    let host = config.entity.first().map(|e| e.hostname.clone()).unwrap_or_default();
    MailAccess {
        host,
        smtp: (port(&listen.submissions), port(&listen.submission)),
        imap: (port(&listen.imaps), port(&listen.imap)),
        domains: config
            .entity
            .iter()
            .flat_map(|e| e.domains.iter().map(|d| (d.as_str().to_owned(), e.name.clone())))
            .collect(),
    }
}

fn staff_rules(config: &Config) -> StaffRules {
    let (usual, accounts) = (StaffRules::default(), &config.accounts);
    StaffRules {
        idle: accounts.session_idle.duration(),
        longest: accounts.session.duration(),
        logins: config.login_limits(),
        codes: CodeRule {
            lifetime: config.gate.code_validity.duration(),
            tries: config.gate.tries,
            per_hour: config.limits.codes_per_hour,
            ..usual.codes
        },
        code_by_mail: sent_codes(accounts.code_by_mail),
    }
}

fn sent_codes(setting: config::SentCodes) -> SentCodes {
    match setting {
        config::SentCodes::All => SentCodes::All,
        config::SentCodes::WithoutApp => SentCodes::WithoutApp,
        config::SentCodes::None => SentCodes::None,
    }
}

/// Codes by SMS for people of ours, where a service sends them.
fn text_codes(gateway: &Gateway) -> Option<TextCodes> {
    gateway.sms.as_ref()?;
    let gate = &gateway.config.gate;
    let rule = CodeRule { lifetime: gate.sms_code_validity.duration(), ..staff_rules(&gateway.config).codes };
    let (country, prefixes) = (gate.country.clone(), gate.sms.prefixes.clone());
    let number = move |text: &str| {
        let number = sealpost_policy::to_e164(text, &country).ok()?;
        prefixes.iter().any(|p| number.starts_with(p.as_str())).then_some(number)
    };
    Some(TextCodes { rule, login: sent_codes(gateway.config.accounts.code_by_sms), number: Arc::new(number) })
}

fn site_of(organisation: &Organisation, config: &Config) -> EntitySite {
    let settings = &organisation.settings;
    EntitySite {
        issuer: organisation.issuer.clone(),
        name: settings.name.clone(),
        siren: settings.siren.as_ref().map(ToString::to_string),
        address: organisation.seal_address.clone(),
        support_mail: settings.support.mail.as_ref().map(ToString::to_string),
        support_phone: settings.support.phone.clone(),
        home: settings.support.portal.as_ref().map(|u| u.as_str().to_owned()),
        language: organisation.language(),
        zone: crate::gateway::zone(),
        health: config.profile == Profile::Health,
    }
}

/// The public pages; in a demonstration, also the mailboxes of outside recipients.
pub fn router(gateway: &Arc<Gateway>, state: &WebState) -> Result<Router> {
    let mut router = sealpost_web::router(state.clone());
    router = router.merge(sealpost_web::verify_router(verify_state(gateway, state)));
    if gateway.config.demo.outside_mailboxes {
        router = router.merge(crate::demo::pages::router(gateway, state));
    }
    router = router.merge(crate::timeroutes::lists(gateway)).merge(crate::sms::callback::router(gateway));
    if gateway.config.timestamp.public {
        router = router.merge(crate::timeroutes::router(gateway));
    }
    Ok(router)
}

/// What the verification page needs: a judge in another process, and whom it trusts.
fn verify_state(gateway: &Arc<Gateway>, state: &WebState) -> VerifyState {
    let root = gateway.credentials.root();
    let limits = &gateway.config.limits;
    VerifyState {
        web: state.clone(),
        judge: gateway.judge.clone(),
        roots: vec![(root.subject(), root.fingerprint().to_hex())],
        size: limits.proof_size.0,
        per_hour: limits.proofs_per_hour,
    }
}

/// Health, readiness and numbers.
pub fn admin_router(gateway: &Arc<Gateway>) -> Router {
    let (ready, numbers) = (gateway.clone(), gateway.clone());
    sealpost_web::admin_router(AdminState {
        ready: Arc::new(move || {
            let gateway = ready.clone();
            async move { gateway.store.log_head().await.map(drop).map_err(|e| e.to_string()) }.boxed()
        }),
        metrics: Arc::new(move || {
            let gateway = numbers.clone();
            async move { metrics(&gateway).await }.boxed()
        }),
    })
    .merge(crate::timeroutes::router(gateway))
}

async fn metrics(gateway: &Gateway) -> Metrics {
    let mut metrics = Metrics::new();
    if let Ok(head) = gateway.store.log_head().await {
        metrics = metrics.set("journal_entries_total", "Entries in the log.", head.size as f64);
    }
    metrics
}

/// Bounds of the web listeners.
pub fn serve_limits(config: &Config) -> ServeLimits {
    let limits = &config.limits;
    ServeLimits {
        connections: limits.connections as usize,
        per_address: limits.connections_per_address as usize,
        ..ServeLimits::default()
    }
}
