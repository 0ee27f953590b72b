//! Kinds of values: what may stand behind a key, parsed once and ready for use.

use super::reader::{Context, Spot};
use super::section::{Setting, Shown};
use sealpost_envelope::{EmailAddress, Gate, Language, Treatment};
use sealpost_policy::{Period, closest};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use toml::Spanned;
use toml::de::DeValue;

/// A text in TOML's quotes.
pub fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// Reads a text by `FromStr`.
pub(super) fn read_text<T: FromStr<Err: fmt::Display>>(
    value: &Spanned<DeValue<'_>>,
    spot: &Spot,
    context: &mut Context,
) -> Option<T> {
    let Some(text) = value.get_ref().as_str() else {
        context.expected("a text in quotes", value, spot);
        return None;
    };
    text.parse().map_err(|e: T::Err| context.wrong(spot, e.to_string())).ok()
}

/// Types whose text form is their setting.
macro_rules! text_settings {
    ($($ty:ty),*) => { $(
        impl $crate::config::section::Setting for $ty {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                spot: &$crate::config::reader::Spot,
                context: &mut $crate::config::reader::Context,
            ) -> Option<Self> {
                $crate::config::kinds::read_text(value, spot, context)
            }
        }
        impl $crate::config::section::Shown for $ty {
            fn shown(&self) -> String {
                $crate::config::kinds::quoted(&self.to_string())
            }
        }
    )* };
}
pub(super) use text_settings;

/// Enumerations with one word each.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$vmeta])* $variant),* }
        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    other => Err($crate::config::kinds::unknown_word(other, &[$($word),*])),
                }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }
        $crate::config::kinds::text_settings!($name);
    };
}
pub(super) use words;

/// What to say of a word that is none of the known ones.
pub(super) fn unknown_word(word: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()) {
        Some(near) => format!("unknown value {word:?}; did you mean {near:?}?"),
        None => format!("unknown value {word:?}; one of {}", known.join(", ")),
    }
}

words!(
    /// Whether the rules are obeyed or only watched.
    Mode {
        /// They decide.
        Enforce = "enforce",
        /// Nothing changes on the way.
        Observe = "observe",
    }
);
words!(
    /// Set of checks for a trade.
    Profile {
        /// Any organisation.
        General = "general",
        /// Local authorities.
        Local = "local",
        /// Health care.
        Health = "health",
    }
);
words!(
    /// TLS towards a server that was named.
    UpstreamTls {
        /// STARTTLS and a valid certificate.
        Require = "require",
        /// TLS from the first byte and a valid certificate.
        Tls = "tls",
        /// STARTTLS when offered, any certificate.
        Opportunistic = "opportunistic",
        /// Clear text.
        None = "none",
    }
);
words!(
    /// What becomes of a message in a mailbox elsewhere that was for us.
    Settled {
        /// Marked as read.
        Seen = "seen",
        /// Deleted.
        Delete = "delete",
        /// Moved to another folder.
        Move = "move",
    }
);
words!(
    /// What a server that knows people's passwords speaks.
    BackendKind { Ldap = "ldap", Imap = "imap", Smtp = "smtp" }
);
words!(
    /// How senders hear of their mail.
    Receipts {
        /// By mail alone: copies in Sent carry no keywords.
        Mail = "mail",
        /// By keywords on the copy in Sent; only what needs the sender's hand is mailed.
        Imap = "imap",
        /// Both.
        Both = "both",
    }
);
words!(
    /// Members of the card family.
    CardWord {
        Cps = "CPS",
        Cpf = "CPF",
        Cpe = "CPE",
        Cpa = "CPA",
        Cde = "CDE",
        Cda = "CDA",
    }
);
words!(
    /// Which cards an installation is for.
    CardStage {
        /// Real ones.
        Production = "production",
        /// Test ones.
        Test = "test",
    }
);
words!(
    /// Whether revocation must be known.
    CardRevocation {
        /// It must.
        Required = "required",
        /// Where it can be.
        Optional = "optional",
    }
);
words!(
    /// Newest version of TLS.
    CardTls {
        Old = "1.2",
        New = "1.3",
    }
);
words!(
    /// Whose interface sends codes by SMS.
    SmsProvider {
        /// OVHcloud.
        Ovh = "ovh",
        /// Twilio, and who speaks like it.
        Twilio = "twilio",
        /// Any other, described by its own settings.
        Http = "http",
    }
);
words!(
    /// Who may log in with a code that is sent to them after the password.
    SentCodes {
        /// Everybody.
        All = "all",
        /// Who has no authenticator app.
        WithoutApp = "without-app",
        /// Nobody.
        None = "none",
    }
);
words!(
    /// Whose customs an OpenID Connect provider follows.
    ProviderPreset {
        /// Pro Santé Connect.
        Psc = "psc",
        /// FranceConnect.
        FranceConnect = "franceconnect",
        /// ProConnect.
        ProConnect = "proconnect",
        /// Any other.
        Generic = "generic",
    }
);
words!(
    /// How we prove to a provider who we are.
    ClientProof {
        /// The secret in a header.
        Basic = "basic",
        /// The secret in the form.
        Post = "post",
        /// The certificate of the connection.
        Tls = "tls",
    }
);

text_settings!(String, EmailAddress, Period, Treatment);

impl Setting for SocketAddr {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let read = value.get_ref().as_str().and_then(|text| text.parse().ok());
        if read.is_none() {
            context.wrong(spot, "an address and port belong here, as \"127.0.0.1:2587\" or \"[::]:587\"");
        }
        read
    }
}

impl Shown for SocketAddr {
    fn shown(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Setting for bool {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            context.expected("true or false", value, spot);
        }
        read
    }
}
impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// Reads a whole number that is not negative.
fn read_number(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context, most: u64) -> Option<u64> {
    let Some(number) = value.get_ref().as_integer() else {
        context.expected("a number", value, spot);
        return None;
    };
    let read = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| *n <= most);
    if read.is_none() {
        context.wrong(spot, format!("a whole number from 0 to {most} belongs here, not {}", number.as_str()));
    }
    read
}
impl Setting for u32 {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        read_number(value, spot, context, u32::MAX.into()).and_then(|n| n.try_into().ok())
    }
}
impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Setting for u16 {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        read_number(value, spot, context, u16::MAX.into()).and_then(|n| n.try_into().ok())
    }
}
impl Shown for u16 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Setting for Size {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        if let Some(text) = value.get_ref().as_str() {
            let size = parse_size(text);
            if size.is_none() {
                context.wrong(spot, format!("{text:?} is not a size; write bytes, or as in \"64 MiB\""));
            }
            return size;
        }
        read_number(value, spot, context, i64::MAX as u64).map(Size)
    }
}
impl Shown for Size {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

/// `64 MiB`, `5 MB`, `1000`.
fn parse_size(text: &str) -> Option<Size> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).map(Size)
}

impl<T: Shown> Shown for Vec<T> {
    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(Shown::shown).collect::<Vec<_>>().join(", "))
    }
}

impl Setting for Language {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        match value.get_ref().as_str() {
            Some("fr") => Some(Self::Fr),
            Some("en") => Some(Self::En),
            _ => {
                context.wrong(spot, "a language is \"fr\" or \"en\"");
                None
            }
        }
    }
}
impl Shown for Language {
    fn shown(&self) -> String {
        quoted(self.tag())
    }
}

impl Setting for Gate {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        let words = Vec::<String>::read(value, spot, context)?;
        if words.is_empty() {
            context.wrong(spot, "at least one way through the gate is needed");
            return None;
        }
        Gate::parse(&words).map_err(|e| context.wrong(spot, gate_advice(&e))).ok()
    }
}
impl Shown for Gate {
    fn shown(&self) -> String {
        self.words().shown()
    }
}

/// The gate's own message, with the nearest method.
fn gate_advice(error: &sealpost_envelope::ParseGateError) -> String {
    const METHODS: [&str; 8] = ["link", "otp-mail", "otp-sms", "totp", "hotp", "tiqr", "cps", "password"];
    match closest(&error.0, METHODS) {
        Some(near) => format!("unknown gate method {:?}; did you mean {near:?}?", error.0),
        None => error.to_string(),
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl Setting for PathBuf {
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self> {
        match value.get_ref().as_str() {
            Some("") => {
                context.wrong(spot, "a path belongs here");
                None
            }
            Some(path) => Some(context.resolve(path)),
            None => {
                context.expected("a path in quotes", value, spot);
                None
            }
        }
    }
}

/// Nine digits with their check digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Siren(String);

impl FromStr for Siren {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("a SIREN has nine digits".to_owned());
        }
        // ISO/IEC 7812-1 annex B (Luhn): every second digit from the right counts double.
        let sum: u32 = digits
            .bytes()
            .rev()
            .enumerate()
            .map(|(place, b)| {
                let digit = u32::from(b - b'0') * if place % 2 == 1 { 2 } else { 1 };
                digit / 10 + digit % 10
            })
            .sum();
        if sum.is_multiple_of(10) {
            Ok(Self(digits))
        } else {
            Err(format!("{digits} is no SIREN: its check digit is wrong"))
        }
    }
}
impl fmt::Display for Siren {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_settings!(Siren);

/// A mail domain in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DomainName(String);

impl DomainName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// In A-labels, as DNS knows it.
    pub fn to_ascii(&self) -> String {
        match EmailAddress::parse(&format!("x@{}", self.0)) {
            Ok(address) => address.ascii_domain(),
            Err(_) => self.0.clone(),
        }
    }
}
impl FromStr for DomainName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        // The domain of an address is the one definition of what a mail domain is.
        match EmailAddress::parse(&format!("x@{text}")) {
            Ok(address) if !text.contains('@') => Ok(Self(address.domain().to_owned())),
            _ => Err(format!("{text:?} is not a domain name")),
        }
    }
}
impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_settings!(DomainName);

/// An address block, `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether the address lies in it; IPv4 in IPv6 clothes counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let mask = |value: u128, width: u8| if self.bits == 0 { 0 } else { value >> (width - self.bits) };
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => mask(a.to_bits().into(), 32) == mask(b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => mask(a.to_bits(), 128) == mask(b.to_bits(), 128),
            _ => false,
        }
    }
}
impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network; write it as 10.1.2.0/24");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if bits <= most { Ok(Self { base, bits }) } else { Err(wrong()) }
    }
}
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}
text_settings!(Network);
