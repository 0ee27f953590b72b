//! The configuration: one TOML file, read whole and judged whole.
//!
//! **Job.** [`load`] reads the file and answers with a [`Config`] or with everything that is wrong with
//! it, each mistake with its line and what was probably meant. [`template`] writes the commented file
//! that `init` leaves; [`documentation`] writes `docs/configuration.md`. All three come from the
//! declarations in [`sections`], so that they cannot disagree.
//!
//! **Exposure.** None: only the administrator writes the file. Secrets named by `file:` or `env:` are
//! read when they are used and never printed.
//!
//! **Standards.** TOML 1.1.
//!
//! **Failure.** [`ConfigErrors`]. A file that cannot be used is never used in part.

mod access;
mod backends;
mod cards;
mod check;
#[cfg(test)]
mod document;
mod kinds;
mod outgoing;
mod places;
mod polling;
mod providers;
mod reader;
mod screening;
mod section;
mod sections;
mod signing;
mod sms;
mod template;
mod unsupported;
mod webhooks;

pub use backends::{BackendSettings, group_role};
pub use cards::CardSettings;
#[cfg(test)]
pub use document::documentation;
pub use kinds::{
    BackendKind, CardRevocation, CardStage, CardTls, CardWord, ClientProof, DomainName, Mode, Network,
    Profile, Receipts, SentCodes, Settled, SmsProvider, UpstreamTls,
};
pub use places::{Blobs, Database, DkimSource, HostPort, SecretSource, Via};
pub use polling::ReturnsMailbox;
pub use providers::{ProviderSettings, described};
pub use screening::{AntivirusSettings, ClamdAddress, OnFinding, Tolerance, Trusted};
pub use sections::{Entity, Rule, Settings, Sms, TimestampSettings};
pub use signing::KeySource;
pub use template::{template, template_with};
pub use unsupported::unsupported;
pub use webhooks::Webhook;

use reader::{Context, Mistake, Spot};
use sealpost_policy::Policy;
use sealpost_store::account::LoginLimits;
use section::Section;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::de::DeTable;

/// Everything configured; the settings of the file are reached directly, as in `config.listen.https`.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// The file's settings, paths resolved.
    pub settings: Settings,
    /// The compiled policy of each entity, in the order of `entity`.
    pub policies: Vec<Arc<Policy>>,
}

impl std::ops::Deref for Config {
    type Target = Settings;
    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Config {
    /// Failed logins allowed in an hour, whichever way in.
    pub fn login_limits(&self) -> LoginLimits {
        let limits = &self.limits;
        LoginLimits { per_account: limits.logins_per_account, per_address: limits.logins_per_address }
    }
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigErrors {
    /// It cannot be read at all.
    #[error("{file}: {source}", file = file.display())]
    Unreadable {
        /// File.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds mistakes.
    #[error(transparent)]
    Wrong(#[from] Mistakes),
}

/// All mistakes of a file, in the order of its lines.
#[derive(Debug)]
pub struct Mistakes {
    /// File.
    pub file: PathBuf,
    /// Line (from 1) and text of each.
    pub list: Vec<(usize, String)>,
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, text) in self.lines().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl Mistakes {
    /// Each mistake with its file and line.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.list.iter().map(|(line, text)| format!("{}:{line}: {text}", self.file.display()))
    }
}

/// A file that is TOML, with what is wrong in it and what could be read all the same.
#[derive(Debug)]
pub struct Examined {
    /// The settings. Where something is wrong, examples may stand in their place.
    pub config: Option<Config>,
    /// What is wrong.
    pub mistakes: Option<Mistakes>,
    wrong: BTreeSet<String>,
}

impl Examined {
    /// Whether nothing is wrong in these sections, so that looking at what they name makes sense.
    pub fn is_sound(&self, sections: &[&str]) -> bool {
        sections.iter().all(|s| !self.wrong.contains(*s))
    }
}

/// Reads and judges a file.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let (text, file) = read(path)?;
    Ok(parse(&text, &file)?)
}

/// Reads a file for whoever lists its mistakes beside others. One that is no TOML is an error here too.
pub fn examine(path: &Path) -> Result<Examined, ConfigErrors> {
    let (text, file) = read(path)?;
    let Judged { settings, policies, mistakes, broken } = judge(&text, &file);
    if broken {
        return Err(listed(&text, &file, mistakes).into());
    }
    let section = |m: &Mistake| m.path.split(['.', '[']).next().unwrap_or_default().to_owned();
    let wrong = mistakes.iter().map(section).collect();
    let mistakes = (!mistakes.is_empty()).then(|| listed(&text, &file, mistakes));
    let config = settings.map(|settings| Config { file, settings, policies });
    Ok(Examined { config, mistakes, wrong })
}

/// The text of a file and its absolute path.
fn read(path: &Path) -> Result<(String, PathBuf), ConfigErrors> {
    let unreadable = |source| ConfigErrors::Unreadable { file: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let file = std::path::absolute(path).map_err(unreadable)?;
    Ok((text, file))
}

/// What reading a text gave.
struct Judged {
    settings: Option<Settings>,
    policies: Vec<Arc<Policy>>,
    mistakes: Vec<Mistake>,
    /// It is no TOML.
    broken: bool,
}

/// Judges the text of a file; relative paths begin at the directory of `file`.
pub fn parse(text: &str, file: &Path) -> Result<Config, Mistakes> {
    let Judged { settings, policies, mistakes, .. } = judge(text, file);
    match (settings, mistakes.is_empty()) {
        (Some(settings), true) => Ok(Config { file: file.to_owned(), settings, policies }),
        _ => Err(listed(text, file, mistakes)),
    }
}

fn judge(text: &str, file: &Path) -> Judged {
    let mut context = Context::new(file.parent().unwrap_or(Path::new("/")));
    let (table, syntax) = DeTable::parse_recoverable(text);
    for error in syntax {
        let at = error.span().map_or(0, |s| s.start);
        context.mistakes.push(Mistake { at, path: String::new(), message: error.message().to_owned() });
    }
    let broken = !context.mistakes.is_empty();
    let whole = Spot { path: String::new(), span: 0..0 };
    let settings = Settings::read_table(table.get_ref(), &whole, &mut context);
    let policies = settings.as_ref().map(|s| check::check(s, &mut context)).unwrap_or_default();
    if broken {
        // Keys around a syntax error may be lost: what then seems to be missing is not worth a word.
        context.mistakes.retain(|m| !m.message.starts_with("is missing"));
    }
    Judged { settings, policies, mistakes: context.mistakes, broken }
}

/// Turns byte offsets into lines.
fn listed(text: &str, file: &Path, mut mistakes: Vec<Mistake>) -> Mistakes {
    mistakes.sort();
    mistakes.dedup();
    let line = |at: usize| 1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count();
    let list = mistakes.into_iter().map(|m| (line(m.at), m.to_string())).collect();
    Mistakes { file: file.to_owned(), list }
}

#[cfg(test)]
mod tests;
