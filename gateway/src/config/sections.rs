//! Everything that can be set, with its text and its default.
//!
//! The doc comments below are what administrators read: in the file that `init` writes and in
//! `docs/configuration.md`. Defaults are safe: a key that is absent opens nothing and weakens nothing.

use super::backends::BackendSettings;
use super::cards::CardSettings;
use super::kinds::{DomainName, Mode, Network, Profile, Receipts, SentCodes, Siren, Size, SmsProvider};
use super::outgoing::{Alerts, DnsSettings, Relay, Route};
use super::places::{Blobs, Database, DkimSource, SecretSource, WebUrl};
use super::polling::ReturnsMailbox;
use super::providers::ProviderSettings;
use super::screening::{AntivirusSettings, Trusted};
use super::section::section;
use super::signing::KeySource;
use super::webhooks::Webhook;
use sealpost_certs::KeyKind;
use sealpost_envelope::{EmailAddress, Gate, Language, Treatment};
use sealpost_policy::Period;
use std::net::SocketAddr;
use std::path::PathBuf;

section! {
    /// The whole file.
    pub struct Settings {
        /// `enforce` does what the rules say. `observe` changes nothing on the way and mails the
        /// administrator (`alerts.mail`) what would have happened.
        mode: Mode = default(Mode::Enforce);
        /// Set of stricter checks: `general`, `local` (local authorities) or `health`, under which
        /// `check` refuses a code by mail as the only way through the gate.
        profile: Profile = default(Profile::General);
        /// An organisation that sends. One or more; they never see one another.
        entity: Vec<Entity> = sections;
        /// Where Sealpost listens. A listener that is absent is closed.
        listen: Listen = section;
        /// Certificate of all listeners. Reloaded on SIGHUP.
        tls: Tls = section;
        /// Pages for recipients and senders.
        web: Web = section;
        /// Where deposits, their content and their keys are kept.
        store: Store = section;
        /// Time-stamps on evidence and on the journal's checkpoints.
        timestamp: TimestampSettings = section;
        /// Outgoing mail.
        relay: Relay = section;
        /// How names are looked up.
        dns: DnsSettings = section;
        /// Exceptions to `relay` by recipient domain; the first route that names the domain counts.
        route: Vec<Route> = sections;
        /// Servers that may hand mail over without logging in. Evidence then says "identity asserted by
        /// server …", never "logged in".
        trusted: Vec<Trusted> = sections;
        /// Mailboxes elsewhere, read by IMAP, that mail for `entity.returns` comes to: where port 25 cannot be
        /// opened, bounces, receipts and answers reach Sealpost that way.
        returns_mailbox: Vec<ReturnsMailbox> = sections;
        /// How recipients prove who they are.
        gate: GateSettings = section;
        /// Virus scanner that looks at content before it leaves.
        antivirus: AntivirusSettings = section;
        /// Senders' accounts.
        accounts: Accounts = section;
        /// What a stranger meets. All limits are enforced early and answered clearly.
        limits: Limits = section;
        /// Who hears of trouble: certificates, disk, queue, backup age, failing authorities.
        alerts: Alerts = section;
        /// Who gets what. The first rule whose condition holds decides; without rules, or when none
        /// holds, the defaults do. Conditions are written in CEL over `sender`, `recipient` and `message`.
        rule: Vec<Rule> = sections;
        /// Mailboxes of outside recipients inside this installation, for demonstrations only.
        demo: Demo = section;
    }
}

section! {
    /// An organisation that sends.
    pub struct Entity {
        /// Name as recipients read it.
        name: String = required("\"Maison de santé des Lilas\"");
        /// SIREN, nine digits; evidence names it.
        siren: Option<Siren> = unset("\"732829320\"");
        /// Mail domains of the organisation. Mail between them stays as it is.
        domains: Vec<DomainName> = required("[\"lilas.example\"]");
        /// Domain of the envelope senders, to which bounces come back; its MX leads to `listen.inbound`, or to the server
        /// of a `[[returns_mailbox]]`. The domain of `seal.address` when absent. With neither of the two, bounces go to the
        /// authors.
        returns: Option<DomainName> = unset("\"retours.lilas.example\"");
        /// Name of this server in SMTP greetings and Message-IDs.
        hostname: String = required("\"mail.lilas.example\"");
        /// Languages for recipients, the preferred one first.
        languages: Vec<Language> = default(vec![Language::Fr, Language::En]);
        /// Attachments of more decoded bytes together are replaced by links.
        link_over: Size = default(Size(5_000_000));
        /// Hold mail to an address that its sender has never written to and that is one letter away from one they
        /// write to, and ask them. Answers to received mail are never held for that.
        hold_typos: bool = default(true);
        /// Whom recipients may ask for help.
        support: Support = section;
        /// How mail is sealed.
        seal: Seal = section;
        /// The domain's own signature on mail that leaves.
        dkim: Dkim = section;
        /// How long things are kept.
        retention: Retention = section;
        /// Programs that are told what happens to its deposits.
        webhook: Vec<Webhook> = sections;
    }
}

section! {
    /// Whom recipients may ask for help.
    pub struct Support {
        /// Mail address on pages and notifications.
        mail: Option<EmailAddress> = unset("\"aide@lilas.example\"");
        /// Telephone number on pages and notifications.
        phone: Option<String> = unset("\"+33 1 23 45 67 89\"");
        /// The organisation's own site, to which every page leads back.
        portal: Option<WebUrl> = unset("\"https://www.lilas.example\"");
    }
}

section! {
    /// How mail is sealed.
    pub struct Seal {
        /// From address of the mail that Sealpost writes; `seal@` the first domain when absent.
        address: Option<EmailAddress> = unset("\"seal@lilas.example\"");
        /// Sign with S/MIME even where the certificate's root is not one the outside knows. Mail
        /// programs of recipients will then warn of an unknown signer.
        always: bool = default(false);
        /// Kind of the keys that the built-in authority certifies, for evidence and for mail: `p256`, `p384`,
        /// `rsa3072` or `rsa4096`. RSA signs a hundred times slower; some mail programs know nothing else.
        algorithm: KeyKind = default(KeyKind::P256);
        /// Puts each evidence into proofs a second time, with an enveloped XAdES-B-T signature inside, for those who read
        /// that and not CAdES.
        xades: bool = default(false);
        /// Key that seals evidence and proofs in place of one certified here: a PEM or PKCS#12 file, or
        /// `pkcs11:token=LABEL;object=LABEL?module-path=FILE`. Its certificate's keyUsage has nonRepudiation.
        key: Option<KeySource> = unset("\"seal.p12\"");
        /// Its certificate and those above it, PEM, its own first. A PKCS#12 file holds them itself.
        certificate: Option<PathBuf> = unset("\"seal.pem\"");
        /// Password of the file, or PIN of the token.
        password: Option<SecretSource> = unset("\"file:seal.password\"");
        /// Key of the S/MIME signatures of `address`, as `key`.
        mail_key: Option<KeySource> = unset("\"mail.p12\"");
        /// Its certificate, which names `address`, and those above it.
        mail_certificate: Option<PathBuf> = unset("\"mail.pem\"");
        /// Password of the file, or PIN of the token.
        mail_password: Option<SecretSource> = unset("\"file:mail.password\"");
    }
}

section! {
    /// The domain's own signature on mail that leaves.
    pub struct Dkim {
        /// Keys that sign (RFC 6376), each as `SELECTOR:FILE`, or `SELECTOR@DOMAIN:FILE` for one of the
        /// domains only. A file holds one RSA or Ed25519 key in PEM; its kind decides the algorithm. `check`
        /// prints the DNS records to publish. Nothing is signed without keys.
        keys: Vec<DkimSource> = default(Vec::new());
    }
}

section! {
    /// How long things are kept.
    pub struct Retention {
        /// Access through a link ends this long after the deposit, unless a rule says otherwise.
        access: Period = default(Period::days(30));
        /// Content is destroyed this long after access has ended, unless a rule says otherwise.
        content: Period = default(Period::days(60));
        /// Evidence is kept this long after the deposit.
        evidence: Period = default(Period::years(10));
    }
}

section! {
    /// Where Sealpost listens.
    pub struct Listen {
        /// Submission by mail programs, with STARTTLS (RFC 6409).
        submission: Option<SocketAddr> = unset("\"[::]:587\"");
        /// Submission with TLS from the first byte (RFC 8314).
        submissions: Option<SocketAddr> = unset("\"[::]:465\"");
        /// Bounces, receipts and replies from the outside.
        inbound: Option<SocketAddr> = unset("\"[::]:25\"");
        /// Mail from `[[trusted]]` servers.
        relay: Option<SocketAddr> = unset("\"[::]:2526\"");
        /// IMAP with STARTTLS.
        imap: Option<SocketAddr> = unset("\"[::]:143\"");
        /// IMAP with TLS from the first byte.
        imaps: Option<SocketAddr> = unset("\"[::]:993\"");
        /// Pages and API.
        https: Option<SocketAddr> = unset("\"[::]:443\"");
        /// Pages that ask for a card certificate.
        card: Option<SocketAddr> = unset("\"[::]:8444\"");
        /// Load balancers in front of the SMTP, IMAP, HTTPS and card listeners, as networks. Connections from there
        /// begin with a header of the PROXY protocol, version 2, that names the client; all others must not.
        balancers: Vec<Network> = default(Vec::new());
        /// Health, readiness and metrics, without TLS: keep it on a loopback address.
        admin: Option<SocketAddr> = unset("\"127.0.0.1:9090\"");
    }
}

section! {
    /// Certificate of all listeners.
    pub struct Tls {
        /// Certificate chain, PEM, the server's own first.
        cert: PathBuf = required("\"tls/cert.pem\"");
        /// Its private key, PEM.
        key: PathBuf = required("\"tls/key.pem\"");
    }
}

section! {
    /// Pages for recipients and senders.
    pub struct Web {
        /// Address under which recipients reach the pages; it stands in every link.
        url: WebUrl = required("\"https://depot.lilas.example\"");
        /// Address of the listener for cards.
        card_url: Option<WebUrl> = unset("\"https://depot.lilas.example:8444\"");
    }
}

section! {
    /// Where deposits, their content and their keys are kept.
    pub struct Store {
        /// `sqlite:FILE` or `postgres://…`; `file:FILE` and `env:NAME` read a PostgreSQL address that
        /// holds a password.
        database: Database = required("\"sqlite:sealpost.db\"");
        /// Encrypted content: `file:DIRECTORY` or `s3://BUCKET?endpoint=URL`.
        blobs: Blobs = required("\"file:blobs\"");
        /// Directory of the keys that open content. Never backed up together with the database.
        keys: PathBuf = required("\"keys\"");
        /// Access key of the S3 bucket; the environment's `AWS_ACCESS_KEY_ID` when absent.
        s3_access_key: Option<SecretSource> = unset("\"env:S3_ACCESS_KEY\"");
        /// Secret key of the S3 bucket.
        s3_secret_key: Option<SecretSource> = unset("\"env:S3_SECRET_KEY\"");
    }
}

section! {
    /// Time-stamps on evidence and on the journal's checkpoints.
    pub struct TimestampSettings {
        /// External RFC 3161 authority that dates the journal's checkpoints. Without one all times are the word
        /// of the built-in authority, which is no independent witness.
        url: Option<WebUrl> = unset("\"https://tsa.example/tsr\"");
        /// Certificates that its answers must chain to, PEM.
        ca: Option<PathBuf> = unset("\"tsa-ca.pem\"");
        /// A second authority, asked whenever the first fails.
        fallback_url: Option<WebUrl> = unset("\"https://tsa.example.org/tsr\"");
        /// Certificates that its answers must chain to; `ca` when absent.
        fallback_ca: Option<PathBuf> = unset("\"tsa2-ca.pem\"");
        /// While there is something new, a checkpoint is dated there at least this often, one hour at most;
        /// `0 seconds` has every checkpoint dated.
        every: Period = default(Period::hours(1));
        /// An answer that takes longer is none.
        timeout: Period = default(Period::seconds(10));
        /// An answer whose time is further than this from our clock is not believed.
        tolerance: Period = default(Period::minutes(5));
        /// A clock that is further ahead of the last time this installation has seen than this is not trusted with
        /// destroying content and ending access, until `sealpost clock --confirm` says that it is right.
        jump: Period = default(Period::days(7));
        /// Asks the addresses named in certificates of outside authorities, and of seals brought from elsewhere, whether
        /// those were revoked, and keeps the answers for proofs. Off, such proofs hold what their seals have, and no more.
        revocation: bool = default(true);
        /// Lets anyone ask the built-in authority for the time, at `/tsa` of the https listener. The admin
        /// listener answers there in any case.
        public: bool = default(false);
    }
}

section! {
    /// How recipients prove who they are.
    pub struct GateSettings {
        /// Ways through the gate where a rule names none: `link`, `otp-mail`, `otp-sms`, `totp`, `hotp`,
        /// `tiqr`, `cps`, `oidc:NAME`, `password`. Alternatives in order; `+` combines.
        default: Gate = default(Gate::otp_mail());
        /// A code by mail holds this long.
        code_validity: Period = default(Period::minutes(10));
        /// A code by SMS holds this long.
        sms_code_validity: Period = default(Period::minutes(5));
        /// Tries for one code, whatever the number of browsers.
        tries: u32 = default(5);
        /// Who has passed the gate stays in for this long.
        session: Period = default(Period::hours(2));
        /// Country of telephone numbers written without `+`, ISO 3166-1.
        country: String = default("FR".to_owned());
        /// Professional cards (CPS and its family), read by `listen.card`.
        card: CardSettings = section;
        /// OpenID Connect providers.
        oidc: Vec<ProviderSettings> = sections;
        /// Service that sends codes by SMS. `otp-sms` is offered once `provider` is named.
        sms: Sms = section;
    }
}

section! {
    /// Service that sends codes by SMS.
    pub struct Sms {
        /// `ovh`, `twilio`, or `http` for any service that takes one request a message.
        provider: Option<SmsProvider> = unset("\"ovh\"");
        /// Address of the service. OVHcloud's and Twilio's own when absent; `http` needs one, in full.
        url: Option<WebUrl> = unset("\"https://sms.example/api/send\"");
        /// OVHcloud: name of the SMS service. Twilio: SID of the account. `http`: `{account}` in the template.
        account: Option<String> = unset("\"sms-ab12345-1\"");
        /// OVHcloud: application key. Twilio: nothing. `http`: user of HTTP Basic authentication.
        user: Option<String> = unset("\"7kbG7Bk7S9Nt7ZSV\"");
        /// OVHcloud: application secret. Twilio: auth token. `http`: `{secret}` in headers, or the password of `user`.
        secret: Option<SecretSource> = unset("\"file:sms.secret\"");
        /// OVHcloud: consumer key.
        consumer: Option<SecretSource> = unset("\"file:sms.consumer\"");
        /// Sender shown on the telephone: a number, or up to eleven letters where the service allows it.
        from: Option<String> = unset("\"LILAS\"");
        /// `http`: method of the request.
        method: String = default("POST".to_owned());
        /// `http`: headers of the request, each `Name: value`.
        headers: Vec<String> = default(Vec::new());
        /// `http`: type of the body. Values are escaped as `application/json` or
        /// `application/x-www-form-urlencoded` asks.
        content_type: String = default("application/json".to_owned());
        /// `http`: the body, with `{to}`, `{text}`, `{from}`, `{id}`, `{account}` and `{callback}` (where the service may
        /// say later what became of the message).
        body: String = default(r#"{"to":"{to}","from":"{from}","text":"{text}"}"#.to_owned());
        /// `http`: what the answer says on success besides a status from 200 to 299, as `path=value` in its JSON.
        success: Option<String> = unset("\"messages.0.status=0\"");
        /// `http`: where the answer's JSON has the message's identifier.
        id: Option<String> = unset("\"messages.0.id\"");
        /// Certificates that the service must chain to, PEM, in place of those the system trusts.
        ca: Option<PathBuf> = unset("\"sms-ca.pem\"");
        /// A request that takes longer has failed.
        timeout: Period = default(Period::seconds(10));
        /// Numbers that codes may go to, by their beginning. France and its overseas departments when nothing
        /// is said: premium and distant numbers cost money that a stranger would like to earn.
        prefixes: Vec<String> = default(["+33", "+262", "+508", "+590", "+594", "+596", "+681", "+687", "+689"]
            .map(str::to_owned).to_vec());
        /// Codes to one number in an hour, over all messages.
        per_number: u32 = default(6);
        /// Codes that one client network (IPv4 /24, IPv6 /48) may ask for in an hour.
        per_network: u32 = default(30);
    }
}

section! {
    /// Senders' accounts.
    pub struct Accounts {
        /// How senders learn what becomes of their mail: `mail` (short messages in their thread),
        /// `imap` (keywords on the Sent copy) or `both`.
        receipts: Receipts = default(Receipts::Both);
        /// Who may log in to the web application with a code by mail as second step: `all`, `without-app`
        /// (those who have no authenticator app) or `none`. A password alone opens nothing.
        code_by_mail: SentCodes = default(SentCodes::WithoutApp);
        /// The same for a code by SMS, where `[gate.sms]` names a service and the person's number is on file.
        code_by_sms: SentCodes = default(SentCodes::WithoutApp);
        /// A session in the web application ends after this long without a request.
        session_idle: Period = default(Period::minutes(30));
        /// … and after this long in any case.
        session: Period = default(Period::hours(12));
        /// Servers that know people's passwords: a directory, or the organisation's own mail server. The second factor
        /// stays ours.
        backend: Vec<BackendSettings> = sections;
        /// Groups that give a role, each as `GROUP=ROLE`, in order: of directories (by distinguished name or its first
        /// value) and of SCIM (by name). Who is in none is a `sender`.
        groups: Vec<String> = default(Vec::new());
    }
}

section! {
    /// What a stranger meets.
    pub struct Limits {
        /// Connections of the SMTP and IMAP listeners together. Each of `listen.https`, `listen.card` and `listen.admin`
        /// has as many of its own: a flood of mail does not shut the pages. The process opens two files for each.
        connections: u32 = default(1000);
        /// Connections of one address (of one /64 of IPv6), counted in the same way.
        connections_per_address: u32 = default(50);
        /// Commands in one SMTP or IMAP session; a hundred times as many in IMAP once somebody has logged in.
        commands_per_session: u32 = default(10_000);
        /// Errors in one session before it is closed.
        errors_per_session: u32 = default(10);
        /// Time for one command.
        command_timeout: Period = default(Period::minutes(5));
        /// Longest silence while data is being sent.
        data_timeout: Period = default(Period::minutes(3));
        /// Least bytes of data in a minute.
        data_per_minute: Size = default(Size(60_000));
        /// Largest message, offered as SIZE; 0 means no limit.
        message_size: Size = default(Size(0));
        /// What the messages of one account's folders take; 0 means no limit. Beyond it programs can put nothing more
        /// there; mail that arrives is never refused, and copies of deposits in Sent do not count.
        mailbox_size: Size = default(Size(0));
        /// Recipients of one message.
        recipients: u32 = default(1000);
        /// Bytes of one header block.
        header_bytes: Size = default(Size(262_144));
        /// Depth of nested MIME parts.
        mime_depth: u32 = default(50);
        /// MIME parts of one message.
        mime_parts: u32 = default(10_000);
        /// Codes sent for one recipient of one message in an hour.
        codes_per_hour: u32 = default(6);
        /// Failed logins of one account in an hour before a pause.
        logins_per_account: u32 = default(20);
        /// Failed logins from one address in an hour before a pause.
        logins_per_address: u32 = default(60);
        /// Largest proof that the page /verify takes.
        proof_size: Size = default(Size(250_000_000));
        /// Proofs that /verify judges for one address in an hour.
        proofs_per_hour: u32 = default(30);
        /// Bytes of a program's request to the API or to SCIM, messages and uploads excepted. Forms of the pages have
        /// 16 KiB at most, and less where this is less.
        request_body: Size = default(Size(1_048_576));
        /// What somebody outside may deposit at once: a guest who was invited, or a recipient who answers.
        guest_size: Size = default(Size(50_000_000_000));
        /// Kept free on the disks of the content and of the database: below it new mail is asked to come
        /// again later (`452`), before anything breaks.
        disk_reserve: Size = default(Size(268_435_456));
        /// Kept free of the memory that the machine, or the service's control group, could still give: below
        /// it new mail and new SMTP connections are asked to come again later (`452`, `421`); 0 never asks.
        memory_reserve: Size = default(Size(67_108_864));
    }
}

section! {
    /// Who gets what.
    pub struct Rule {
        /// What people call it; evidence and refusals quote it.
        name: String = required("\"health professionals open with their card\"");
        /// Condition in CEL; the rule always applies without one.
        when: Option<String> = unset("'recipient.domain in [\"clinique.example\"] && message.has_attachments'");
        /// `pass`, `trace`, `seal`, `link`, `notify` or `refuse`.
        treatment: Treatment = required("\"notify\"");
        /// Ways through the gate, as `gate.default`.
        gate: Option<Gate> = unset("[\"cps\", \"password+otp-sms\"]");
        /// Access ends this long after the deposit.
        expires: Option<Period> = unset("\"30 days\"");
        /// Content is destroyed this long after the deposit.
        retention: Option<Period> = unset("\"90 days\"");
        /// Reminders to who has not opened: after the deposit or, when negative, before access ends.
        remind: Vec<Period> = default(Vec::new());
        /// Person whom the gate must establish, by national identifier: `rpps:` or `adeli:` and the number, `finess:`,
        /// `siren:` or `siret:` and `PLACE/NUMBER`. Somebody else's card is refused.
        identity: Option<String> = unset("\"rpps:10001234567\"");
    }
}

section! {
    /// Mailboxes of outside recipients inside this installation, for demonstrations only.
    pub struct Demo {
        /// Mail for any other domain is kept here instead of leaving, in mailboxes made on first delivery.
        outside_mailboxes: bool = default(false);
        /// Mailboxes that exist from the start.
        mailboxes: Vec<EmailAddress> = default(Vec::new());
        /// Their password.
        password: Option<SecretSource> = unset("\"file:demo.password\"");
    }
}
