//! One attempt for one row: route, connection, message, conclusion.

use crate::config::{RelayConfig, Smarthost, Target};
use crate::connection::{Broken, Connection, Dialer, Ended};
use crate::delivery::{Content, Decision, Delivery, DeliveryError, LocalOutcome, Remote, Report};
use crate::mx::{Exchangers, Unreachable};
use crate::pool::{Busy, Pool};
use crate::tls::Tls;
use sealpost_envelope::{EmailAddress, Timestamp};
use sealpost_smtp::Reply;
use sealpost_smtp::client::{Outcome, Recipient, Transaction};
use sealpost_store::queue::{Outbound, Priority};

/// What an attempt came to, before the schedule has its say.
#[derive(Debug)]
enum Verdict {
    Sent(Reply),
    Local,
    Temporary(String, Option<Reply>),
    Permanent(String, Option<Reply>),
    NoRoute(String),
    /// No attempt at all: the row goes back for a moment.
    Busy(std::time::Duration),
}

/// What attempts share.
pub(crate) struct Attempts<'a, D> {
    pub config: &'a RelayConfig,
    pub tls: &'a Tls,
    pub pool: &'a Pool,
    pub delivery: &'a D,
    pub exchangers: Option<&'a Exchangers>,
}

impl<D: Delivery> Attempts<'_, D> {
    /// Makes one attempt; `now` is asked when it has ended. None is made while all connections that the server gets
    /// are taken.
    pub(crate) async fn make(&self, item: &Outbound, now: impl Fn() -> Timestamp) -> Result<Report, Busy> {
        let (verdict, remote) = match self.config.route(&item.rcpt) {
            Some(Target::Local) => (self.local(item).await, None),
            Some(Target::Smarthost(host)) => self.relay(item, host).await,
            Some(Target::Mx) => self.exchange(item).await,
            None => {
                let text = format!("there is no route for mail to {}", item.rcpt.domain());
                (Verdict::NoRoute(text), None)
            }
        };
        self.conclude(item, verdict, remote, now())
    }

    fn conclude(
        &self,
        item: &Outbound,
        verdict: Verdict,
        remote: Option<Remote>,
        at: Timestamp,
    ) -> Result<Report, Busy> {
        let attempt = item.attempts.saturating_add(1);
        let (decision, text, reply) = match verdict {
            Verdict::Sent(reply) => (Decision::Sent, reply.to_string(), Some(reply)),
            Verdict::Local => (Decision::Sent, "delivered to the mailbox".into(), None),
            Verdict::Permanent(text, reply) => (Decision::Failed, text, reply),
            Verdict::NoRoute(text) => (Decision::Held, text, None),
            Verdict::Busy(wait) => return Err(Busy(wait)),
            Verdict::Temporary(text, reply) => {
                match self.config.retry.next(attempt, item.created, at, rand::random()) {
                    Some(next) => (Decision::Retry(next), text, reply),
                    None => (Decision::Failed, format!("given up: {text}"), reply),
                }
            }
        };
        Ok(Report { decision, remote, reply, text, attempt, at })
    }

    async fn local(&self, item: &Outbound) -> Verdict {
        match self.delivery.local(item).await {
            Ok(LocalOutcome::Delivered) => Verdict::Local,
            Ok(LocalOutcome::Refused(why)) => Verdict::Permanent(why, None),
            Err(e) => not_produced(e),
        }
    }

    /// To the domain's own servers, the next one when one cannot be reached (RFC 5321 §5.1).
    async fn exchange(&self, item: &Outbound) -> (Verdict, Option<Remote>) {
        let Some(exchangers) = self.exchangers else {
            return (Verdict::NoRoute("no resolver is configured".into()), None);
        };
        let unreachable = |why| match why {
            Unreachable::Never(text) => Verdict::Permanent(text, None),
            Unreachable::Later(text) => Verdict::Temporary(text, None),
        };
        let plan = match exchangers.plan(&item.rcpt.ascii_domain(), rand::random).await {
            Ok(plan) => plan,
            Err(why) => return (unreachable(why), None),
        };
        let mut last = (Verdict::Temporary("the domain has no server".into(), None), None);
        let (mut for_now, mut any) = (false, false);
        for name in &plan.hosts {
            let host = match exchangers.host(name, &plan).await {
                Ok(host) if self.delivery.waives_tls(item) => host.whatever_tls(),
                Ok(host) => host,
                Err(why) => {
                    for_now |= matches!(why, Unreachable::Later(_));
                    if !any {
                        last = (unreachable(why), None);
                    }
                    continue;
                }
            };
            match self.try_host(item, &host).await {
                // Once content was on its way, another server might get it a second time.
                Err(broken) if !broken.content_begun => {
                    (for_now, any) = (true, true);
                    last = settle(Err(broken));
                }
                // Another of its servers may be free; what another did say counts more.
                Ok((Verdict::Busy(wait), remote)) => {
                    for_now = true;
                    if !any {
                        (last, any) = ((Verdict::Busy(wait), Some(remote)), true);
                    }
                }
                decided => return settle(decided),
            }
        }
        match last {
            // One server that may come back is reason enough to wait.
            (Verdict::Permanent(text, reply), remote) if for_now => (Verdict::Temporary(text, reply), remote),
            last => last,
        }
    }

    async fn relay(&self, item: &Outbound, host: &Smarthost) -> (Verdict, Option<Remote>) {
        settle(self.try_host(item, host).await)
    }

    async fn try_host(&self, item: &Outbound, host: &Smarthost) -> Result<(Verdict, Remote), Box<Broken>> {
        let _permit = match self.pool.permit(host, item.priority == Priority::Code).await {
            Ok(permit) => permit,
            Err(Busy(wait)) => {
                let remote =
                    Remote { host: host.host.clone(), ip: None, port: host.port, tls: None, dsn: false };
                return Ok((Verdict::Busy(wait), remote));
            }
        };
        // A connection kept from before may have been closed meanwhile. That is no attempt: a fresh one
        // follows at once, as long as no content was on its way.
        if let Some(kept) = self.pool.take(host) {
            match self.send(item, host, kept).await {
                Err(broken) if !broken.content_begun && broken.reply.is_none() => {}
                decided => return decided,
            }
        }
        let dialer = Dialer {
            tls: self.tls,
            hostname: &self.config.hostname,
            longest_wait: self.config.longest_wait,
            results: self.config.tls_results.as_deref(),
        };
        match dialer.open(host).await {
            Ok(fresh) => self.send(item, host, fresh).await,
            Err(broken) => Err(broken),
        }
    }

    async fn send(
        &self,
        item: &Outbound,
        host: &Smarthost,
        mut connection: Connection,
    ) -> Result<(Verdict, Remote), Box<Broken>> {
        let remote = connection.remote.clone();
        let content = match self.delivery.open(item).await {
            Ok(content) => content,
            Err(e) => {
                self.keep(host, connection).await;
                return Ok((not_produced(e), remote));
            }
        };
        let transaction = transaction(item, &content);
        let outcome = match connection.send(transaction, content).await? {
            Ended::Outcome(outcome) => outcome,
            // Dropping the connection is the only way to say that the message is not coming.
            Ended::Content(e) => return Ok((not_produced(e), remote)),
        };
        self.keep(host, connection).await;
        let verdict = match outcome {
            Outcome::Delivered { reply } => Verdict::Sent(reply),
            Outcome::Temporary { reply } => Verdict::Temporary(reply.to_string(), Some(reply)),
            Outcome::Permanent { reply } => Verdict::Permanent(reply.to_string(), Some(reply)),
        };
        Ok((verdict, remote))
    }

    async fn keep(&self, host: &Smarthost, connection: Connection) {
        if let Some(used_up) = self.pool.put(host, connection) {
            used_up.quit().await;
        }
    }
}

fn transaction(item: &Outbound, content: &Content) -> Transaction {
    Transaction {
        reverse_path: content.reverse_path.as_ref().map(on_the_wire),
        recipients: vec![Recipient {
            address: on_the_wire(&item.rcpt),
            notify: content.notify,
            orcpt: content.orcpt.clone(),
        }],
        size: Some(content.size),
        body: content.body,
        smtputf8: content.smtputf8,
        envid: content.envid.clone(),
        // A failure notice need not carry the message back.
        ret_full: content.ret_full.or_else(|| content.notify.ne(&Default::default()).then_some(false)),
    }
}

/// An address as most servers take it: where only its domain is not ASCII, that becomes A-labels, and the
/// mail needs no SMTPUTF8 (RFC 6531 §3.7.1 leaves that to the sender).
fn on_the_wire(address: &EmailAddress) -> EmailAddress {
    if !address.needs_smtputf8() || !address.local().is_ascii() {
        return address.clone();
    }
    let ascii = format!("{}@{}", address.local(), address.ascii_domain());
    EmailAddress::parse(&ascii).unwrap_or_else(|_| address.clone())
}

fn settle(result: Result<(Verdict, Remote), Box<Broken>>) -> (Verdict, Option<Remote>) {
    match result {
        Ok((verdict, remote)) => (verdict, Some(remote)),
        // What a server says to the session, even 5yz, concerns the route: another day, or another
        // configuration, may do.
        Err(broken) => (Verdict::Temporary(broken.text, broken.reply), Some(broken.remote)),
    }
}

fn not_produced(error: DeliveryError) -> Verdict {
    match error {
        DeliveryError::Gone(_) => Verdict::Permanent(error.to_string(), None),
        DeliveryError::Temporary(_) => Verdict::Temporary(error.to_string(), None),
    }
}
