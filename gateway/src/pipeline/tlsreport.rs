//! Daily reports on TLS, for the domains that ask for them in DNS.
//!
//! **Job.** Every minute each node adds what its relay has counted to the store. When a day is over, the node that
//! holds the job asks `_smtp._tls.DOMAIN` of every domain with results; whoever publishes `rua` gets the report, by
//! mail or HTTPS, and then, as for everybody else, the day's results are forgotten.
//!
//! **Exposure.** The domain decides whom we write to or post to: a few public addresses, HTTPS only, no redirects, an
//! answer that nobody reads. Counts and reports are bounded.
//!
//! **Standards.** RFC 8460 §3 (the record), §4 (the report), §5 (delivery). Mail is signed by DKIM or not sent (§3).
//!
//! **Failure.** What DNS or a web server does not answer is tried again until the next day is over, then forgotten.

use super::composition::ComposeError;
use super::notices;
use super::press::Press;
use super::spec::Spec;
use crate::gateway::{Gateway, Organisation};
use crate::strangers::{PublicOnly, may_be_asked};
use anyhow::Context;
use sealpost_envelope::{EmailAddress, Timestamp};
use sealpost_message::compose::{self, Letter, Recipe, TlsReportMail};
use sealpost_relay::Dns;
use sealpost_relay::dns::LookupError;
use sealpost_relay::tlsrpt::{TlsPolicy, TlsResult, TlsResults};
use sealpost_store::queue::{NewOutbound, Priority};
use sealpost_store::{StoreError, TlsCount};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Who reports, among several nodes.
const JOB: &str = "tls-reports";
const LOOK: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(600);
/// Seconds after a day's end from which it is reported: all nodes have added what they counted.
const SETTLED: i64 = 3600;
const DAY: i64 = 86_400;
/// Domains looked at in one round.
const DOMAINS: u32 = 200;
/// Kinds of results in one report.
const KINDS: u32 = 200;
/// Addresses that one domain's report goes to.
const PLACES: usize = 3;
/// A web server that takes longer takes no report.
const PATIENCE: Duration = Duration::from_secs(30);

/// A report as the queue keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsReport {
    /// Domain reported on.
    pub domain: String,
    /// Days since 1970.
    pub day: i64,
    /// Its identifier.
    pub id: String,
    /// The report.
    pub json: String,
}

/// Runs until `shutdown`.
pub async fn run(
    gateway: Arc<Gateway>,
    results: Arc<TlsResults>,
    dns: Dns,
    holder: String,
    stop: CancellationToken,
) {
    let holder = format!("{holder}/{JOB}");
    let client = match client(&gateway) {
        Ok(client) => client,
        Err(error) => return tracing::error!("no TLS reports are sent: {error:#}"),
    };
    let reporter = Reporter { gateway, dns, client };
    loop {
        let ended = stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_none();
        let counts = results.take().into_iter().map(|(result, sessions)| count(result, sessions)).collect();
        if let Err(error) = reporter.gateway.store.add_tls(counts).await {
            tracing::warn!(%error, "results of TLS are lost to the day's reports");
        }
        if ended {
            return;
        }
        // Broken off anywhere, a round leaves every domain's day either reported or to be reported.
        if let Some(Err(error)) = stop.run_until_cancelled(reporter.round(&holder)).await {
            tracing::error!(%error, "reporting on TLS");
        }
    }
}

/// HTTPS by the authorities that the relay trusts, or the system's.
fn client(gateway: &Gateway) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .timeout(PATIENCE)
        .https_only(true)
        .dns_resolver(Arc::new(PublicOnly))
        .redirect(reqwest::redirect::Policy::none());
    if let Some(file) = &gateway.config.relay.smarthost_ca {
        let pem = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        for authority in reqwest::Certificate::from_pem_bundle(&pem)? {
            builder = builder.add_root_certificate(authority);
        }
    }
    Ok(builder.build()?)
}

fn count(result: TlsResult, sessions: u64) -> TlsCount {
    TlsCount {
        day: result.day,
        domain: result.domain,
        policy: quoted(&result.policy).to_string(),
        fault: result.fault.map(|f| f.word().to_owned()).unwrap_or_default(),
        mx: result.mx.unwrap_or_default(),
        ip: result.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        sessions,
    }
}

/// RFC 8460 §4.4, `policy`.
fn quoted(policy: &TlsPolicy) -> Value {
    let mut value = json!({ "policy-type": policy.kind.word(), "policy-domain": policy.domain });
    if !policy.strings.is_empty() {
        value["policy-string"] = json!(policy.strings);
    }
    if !policy.mx.is_empty() {
        value["mx-host"] = json!(policy.mx);
    }
    value
}

struct Reporter {
    gateway: Arc<Gateway>,
    dns: Dns,
    client: reqwest::Client,
}

impl Reporter {
    async fn round(&self, holder: &str) -> Result<(), StoreError> {
        let store = &self.gateway.store;
        let Some(organisation) = self.gateway.organisations.first() else { return Ok(()) };
        if store.claim(JOB, holder, LEASE).await?.is_none() {
            return Ok(());
        }
        let today = (self.gateway.clock.now().as_second() - SETTLED).div_euclid(DAY);
        for (day, domain) in store.tls_due(today, DOMAINS).await? {
            // Slow servers of many domains together may take longer than a claim lasts.
            if store.claim(JOB, holder, LEASE).await?.is_none() {
                return Ok(());
            }
            let record = self.dns.txt(&format!("_smtp._tls.{domain}")).await;
            let places = match record {
                Ok(answer) => places(&answer.records),
                Err(LookupError::Nothing { .. }) => Vec::new(),
                // Another day is enough patience.
                Err(error) if today > day + 1 => {
                    tracing::info!(domain, %error, "a TLS report is given up");
                    Vec::new()
                }
                Err(_) => continue,
            };
            let counts = store.tls_results(day, &domain, KINDS).await?;
            let report = report(organisation, &domain, day, &counts);
            let Some(mail) = self.deliver(organisation, &report, &places, today > day + 1).await else {
                continue;
            };
            if store.take_tls(day, &domain, mail).await? && !places.is_empty() {
                tracing::info!(domain, "a TLS report leaves");
                self.gateway.queue.wake();
            }
        }
        Ok(())
    }

    /// Posts the report and writes the rows for those who want it by mail; `None` while a web server may still take it.
    async fn deliver(
        &self,
        organisation: &Organisation,
        report: &TlsReport,
        places: &[Place],
        last: bool,
    ) -> Option<Vec<NewOutbound>> {
        let mut mail = Vec::new();
        for place in places {
            match place {
                Place::Web(url) => {
                    let request = self.client.post(url).header("content-type", "application/tlsrpt+json");
                    // RFC 8460 §5.4: success is 2xx, and the rest is tried again.
                    let sent = request.body(report.json.clone()).send().await;
                    match sent.and_then(reqwest::Response::error_for_status) {
                        Ok(_) => {}
                        Err(error) if last => tracing::info!(url, %error, "a TLS report is given up"),
                        Err(error) => {
                            tracing::info!(url, %error, "a TLS report is posted again later");
                            return None;
                        }
                    }
                }
                Place::Mail(_)
                    if organisation.signing(self.gateway.clock.now()).is_ok_and(|k| k.dkim.is_empty()) =>
                {
                    tracing::info!(
                        domain = report.domain,
                        "no TLS report by mail without `entity.dkim.keys`"
                    );
                }
                Place::Mail(to) => {
                    let spec = Spec::TlsReport(report.clone());
                    let now = self.gateway.clock.now();
                    mail.push(notices::row(organisation.id, to.clone(), &spec, Priority::Mail, now));
                }
            }
        }
        Some(mail)
    }
}

/// Where a report is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Mail(EmailAddress),
    Web(String),
}

/// What the one record says (RFC 8460 §3); two records are none.
fn places(records: &[String]) -> Vec<Place> {
    let mut found = records.iter().filter(|r| r.split(';').next().is_some_and(|v| v.trim() == "v=TLSRPTv1"));
    let Some(record) = found.next().filter(|_| found.next().is_none()) else { return Vec::new() };
    let fields = record.split(';').filter_map(|f| f.split_once('='));
    let rua = fields.filter(|(name, _)| name.trim() == "rua").map(|(_, value)| value);
    let uris = rua.flat_map(|value| value.split(',')).map(str::trim);
    uris.filter_map(|uri| {
        if uri.starts_with("https://") && uri.len() <= 500 && !uri.contains(char::is_whitespace) {
            return may_be_asked(uri).then(|| Place::Web(uri.to_owned()));
        }
        let address = uri.strip_prefix("mailto:")?.split('?').next()?;
        EmailAddress::parse(address).ok().map(Place::Mail)
    })
    .take(PLACES)
    .collect()
}

/// Moment of a day, UTC.
fn moment(day: i64, seconds: i64) -> String {
    Timestamp::from_second(day * DAY + seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// RFC 8460 §4.4.
fn report(organisation: &Organisation, domain: &str, day: i64, counts: &[TlsCount]) -> TlsReport {
    let submitter = organisation.seal_address.domain();
    let contact = organisation.settings.support.mail.as_ref();
    let contact = contact.map_or_else(|| format!("postmaster@{submitter}"), ToString::to_string);
    // The same for every attempt, so that receivers know a report that comes twice.
    let id = format!("{}-{domain}@{}", moment(day, 0), organisation.settings.hostname);
    let value = json!({
        "organization-name": organisation.settings.name,
        "date-range": { "start-datetime": moment(day, 0), "end-datetime": moment(day, DAY - 1) },
        "contact-info": contact,
        "report-id": id,
        "policies": policies(counts),
    });
    TlsReport { domain: domain.to_owned(), day, id, json: value.to_string() }
}

fn policies(counts: &[TlsCount]) -> Vec<Value> {
    let mut texts: Vec<&str> = counts.iter().map(|c| c.policy.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    let one = |text: &str| {
        let of_it = || counts.iter().filter(|c| c.policy == text);
        let sum =
            |failed: bool| of_it().filter(|c| c.fault.is_empty() != failed).map(|c| c.sessions).sum::<u64>();
        let failures: Vec<Value> = of_it().filter(|c| !c.fault.is_empty()).map(failure).collect();
        let mut value = json!({
            "policy": serde_json::from_str::<Value>(text).unwrap_or_default(),
            "summary": {
                "total-successful-session-count": sum(false),
                "total-failure-session-count": sum(true),
            },
        });
        if !failures.is_empty() {
            value["failure-details"] = json!(failures);
        }
        value
    };
    texts.into_iter().map(one).collect()
}

fn failure(count: &TlsCount) -> Value {
    let mut value = json!({ "result-type": count.fault, "failed-session-count": count.sessions });
    for (name, text) in [("receiving-mx-hostname", &count.mx), ("receiving-ip", &count.ip)] {
        if !text.is_empty() {
            value[name] = json!(text);
        }
    }
    value
}

/// The mail with a report.
pub async fn mail(press: &Press<'_>, letter: Letter<'_>, report: &TlsReport) -> Result<Recipe, ComposeError> {
    let address = &press.organisation.seal_address;
    let submitter = address.domain();
    let (start, end) = (report.day * DAY, report.day * DAY + DAY - 1);
    let recipe = compose::tls_report(&TlsReportMail {
        letter,
        domain: &report.domain,
        submitter,
        id: &report.id,
        // RFC 8460 §5.2.
        file: &format!("{submitter}!{}!{start}!{end}.json", report.domain),
        json: report.json.as_bytes(),
    });
    super::dkim::signed(press, recipe, address).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(records: &[&str]) -> Vec<Place> {
        places(&records.iter().map(|r| (*r).to_owned()).collect::<Vec<_>>())
    }
    fn mail(address: &str) -> Place {
        Place::Mail(EmailAddress::parse(address).unwrap())
    }

    #[test]
    fn records_say_where_reports_go() {
        assert_eq!(of(&["v=TLSRPTv1; rua=mailto:a@b.example"]), [mail("a@b.example")]);
        assert_eq!(
            of(&["other", "v=TLSRPTv1;rua=https://b.example/tls,mailto:a@b.example?subject=x;"]),
            [Place::Web("https://b.example/tls".into()), mail("a@b.example")]
        );
        for bad in [
            &["v=TLSRPTv2; rua=mailto:a@b.example"][..],
            &["v=TLSRPTv1; rua=http://b.example/tls"],
            &["v=TLSRPTv1; rua=mailto:nobody"],
            &["v=TLSRPTv1"],
            &["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@b.example"],
            &[],
        ] {
            assert_eq!(of(bad), [], "{bad:?}");
        }
        let many =
            "v=TLSRPTv1; rua=mailto:a@b.example,mailto:b@b.example,mailto:c@b.example,mailto:d@b.example";
        assert_eq!(of(&[many]).len(), PLACES);
    }

    #[test]
    fn sessions_are_summed_by_policy() {
        let count = |policy: &str, fault: &str, sessions| TlsCount {
            day: 1,
            domain: "b.example".into(),
            policy: policy.into(),
            fault: fault.into(),
            mx: if fault.is_empty() { String::new() } else { "mx.b.example".into() },
            ip: String::new(),
            sessions,
        };
        let sts = r#"{"policy-type":"sts"}"#;
        let none = r#"{"policy-type":"no-policy-found"}"#;
        let found = policies(&[count(sts, "", 7), count(sts, "certificate-expired", 2), count(none, "", 1)]);
        assert_eq!(
            found,
            [
                json!({ "policy": { "policy-type": "no-policy-found" },
                    "summary": { "total-successful-session-count": 1, "total-failure-session-count": 0 } }),
                json!({ "policy": { "policy-type": "sts" },
                    "summary": { "total-successful-session-count": 7, "total-failure-session-count": 2 },
                    "failure-details": [{ "result-type": "certificate-expired", "failed-session-count": 2,
                        "receiving-mx-hostname": "mx.b.example" }] }),
            ]
        );
        assert_eq!(
            (moment(0, 0), moment(1, DAY - 1)),
            ("1970-01-01T00:00:00Z".into(), "1970-01-02T23:59:59Z".into())
        );
    }

    /// A name server for one zone: every `_smtp._tls` name below `asks.` wants reports by mail, nothing else exists.
    fn name_server() -> std::net::SocketAddr {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((size, peer)) = socket.recv_from(&mut buffer) {
                let question = &buffer[12..size];
                let Some(end) = question.iter().position(|b| *b == 0) else { continue };
                let question = &question[..end + 5];
                let asked = question[end + 2] == 16 && question.windows(5).any(|w| w == b"\x04asks");
                let mut answer = buffer[..2].to_vec();
                let (flags, count) = if asked { ([0x85, 0x80], 1) } else { ([0x85, 0x83], 0) };
                answer.extend_from_slice(&[flags[0], flags[1], 0, 1, 0, count, 0, 0, 0, 0]);
                answer.extend_from_slice(question);
                if asked {
                    let text = b"v=TLSRPTv1; rua=mailto:tls@asks.test";
                    answer.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, text.len() as u8 + 1]);
                    answer.push(text.len() as u8);
                    answer.extend_from_slice(text);
                }
                socket.send_to(&answer, peer).unwrap();
            }
        });
        at
    }

    #[tokio::test]
    async fn a_day_is_reported_once_when_it_is_over() {
        use crate::config::{Profile, parse, template};
        use futures_util::TryStreamExt;
        use sealpost_envelope::{Clock, FixedClock};
        use sealpost_relay::DnsConfig;
        use sealpost_store::queue::Filter;

        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let text = template(Profile::General, "sealpost.test", "localhost");
        let config = parse(&text, &dir.path().join("sealpost.toml")).unwrap();
        crate::dkim::create(&config.entity[0]).unwrap();
        let clock = Arc::new(FixedClock::new("2026-11-22T00:30:00Z".parse().unwrap()));
        let gateway = Gateway::open(config, clock.clone()).await.unwrap();
        let dns = DnsConfig { servers: vec![name_server()], validate: false, trust_anchor: None };
        let reporter = Reporter {
            gateway: gateway.clone(),
            dns: Dns::new(&dns).unwrap(),
            client: client(&gateway).unwrap(),
        };
        let day = clock.now().as_second().div_euclid(DAY) - 1;
        let count = |domain: &str, fault: &str, sessions| TlsCount {
            day,
            domain: domain.into(),
            policy: r#"{"policy-type":"tlsa"}"#.into(),
            fault: fault.into(),
            mx: String::new(),
            ip: String::new(),
            sessions,
        };
        let counts = [
            count("asks.test", "", 5),
            count("asks.test", "validation-failure", 1),
            count("mute.test", "", 9),
        ];
        gateway.store.add_tls(counts.to_vec()).await.unwrap();
        let queued = async || -> Vec<_> {
            let filter = Filter { rcpt: Some("tls@asks.test".into()), ..Filter::default() };
            gateway.queue.list(&filter).try_collect().await.unwrap()
        };
        // All nodes have an hour to add what they counted.
        reporter.round("node").await.unwrap();
        assert!(queued().await.is_empty());
        clock.advance(jiff::SignedDuration::from_hours(1));
        reporter.round("node").await.unwrap();
        reporter.round("node").await.unwrap();
        let rows = queued().await;
        let [row] = &rows[..] else { panic!("{} rows", rows.len()) };
        let Ok(Spec::TlsReport(report)) = Spec::read(&row.spec) else { panic!("{}", row.spec) };
        let json: Value = serde_json::from_str(&report.json).unwrap();
        let summary = &json["policies"][0]["summary"];
        assert_eq!(
            (&summary["total-successful-session-count"], &summary["total-failure-session-count"]),
            (&json!(5), &json!(1))
        );
        assert_eq!(json["date-range"]["start-datetime"], "2026-11-21T00:00:00Z");
        // It can be written and signed, and nothing of the day is left, of those who asked for nothing either.
        notices::compose(&gateway, &gateway.organisations[0], row).await.unwrap();
        assert!(gateway.store.tls_due(day + 1, 10).await.unwrap().is_empty());
    }
}
