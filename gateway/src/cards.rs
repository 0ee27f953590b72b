//! Which cards this installation believes: authorities from files, revocation lists from files and addresses.
//!
//! **Job.** [`Cards`] judges for the pages; [`run`] looks again at everything every `gate.card.refresh`.
//!
//! **Exposure.** Revocation lists come over plain HTTP from the network: bounded in size and time, no redirects, and
//! they count only with the signature of an authority that is configured.
//!
//! **Standards.** RFC 5280 §5 (CRL), RFC 6960 (OCSP).
//!
//! **Failure.** A list that cannot be had leaves the last good one in force until it ends; then the authority's
//! cards are refused, and the log says so each time. A responder that cannot be asked, or is not believed, leaves the
//! lists to decide; where there are none, the card is refused.

use crate::config::{CardRevocation, CardSettings, CardStage, CardWord};
use crate::issuers::Issuers;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sealpost_certs::card::{CardKind, CardTrust, Examined, Holder, Range, Refusal, Revocation, Stage};
use sealpost_certs::ocsp::Answer;
use sealpost_certs::{Certificate, RevocationList, pem};
use sealpost_envelope::{Clock, Timestamp};
use sealpost_web::CardJudge;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// A list of a whole profession has some ten megabytes.
const LARGEST: usize = 64 << 20;
/// For one address of a list.
const PATIENCE: Duration = Duration::from_secs(60);
/// For one responder: a person is waiting.
const PATIENCE_OF_PEOPLE: Duration = Duration::from_secs(5);

/// Judges cards.
#[derive(Debug)]
pub struct Cards {
    settings: ArcSwap<CardSettings>,
    trust: ArcSwap<CardTrust>,
    /// The last good list of each address, in the order of `crl_urls`.
    fetched: Mutex<Vec<Option<RevocationList>>>,
    issuers: Issuers,
    responders: Issuers,
    clock: Arc<dyn Clock>,
}

impl Cards {
    /// Reads authorities and lists that are files; those behind addresses come with the first [`Cards::refresh`].
    pub fn open(settings: &CardSettings, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        let trust = CardTrust::new(range(settings)?, from_files(settings)?).context("`gate.card`")?;
        let cards = Self {
            settings: ArcSwap::from_pointee(settings.clone()),
            trust: ArcSwap::from_pointee(trust),
            fetched: Mutex::new(vec![None; settings.crl_urls.len()]),
            issuers: Issuers::new(PATIENCE).context("`gate.card`")?,
            responders: Issuers::new(PATIENCE_OF_PEOPLE).context("`gate.card`")?,
            clock,
        };
        if settings.revocation == CardRevocation::Optional {
            tracing::warn!("gate.card.revocation is \"optional\": revoked cards may pass unnoticed");
        }
        Ok(Arc::new(cards))
    }

    /// Names of the accepted authorities, for the browser's choice of certificates.
    pub fn authority_names(&self) -> Vec<Vec<u8>> {
        self.trust.load().authority_names()
    }

    /// Takes other authorities and lists into force; nothing changes when one of the files is wrong. The names that
    /// browsers are told stay those of the start.
    pub async fn reload(&self, settings: &CardSettings) -> Result<()> {
        let trust = CardTrust::new(range(settings)?, from_files(settings)?).context("`gate.card`")?;
        let mut fetched = self.fetched.lock().await;
        let former = self.settings.load_full();
        let kept = |url| {
            former.crl_urls.iter().position(|u| u == url).and_then(|i| fetched.get(i).cloned().flatten())
        };
        let lists = settings.crl_urls.iter().map(kept).collect();
        *fetched = lists;
        drop(fetched);
        self.settings.store(Arc::new(settings.clone()));
        self.trust.store(Arc::new(trust));
        self.refresh().await;
        Ok(())
    }

    /// Looks at all files and addresses again.
    pub async fn refresh(&self) {
        let settings = self.settings.load_full();
        let mut lists = from_files(&settings).unwrap_or_else(|error| {
            tracing::warn!("revocation lists of cards: {error:#}");
            Vec::new()
        });
        let mut fetched = self.fetched.lock().await;
        for (url, kept) in settings.crl_urls.iter().zip(fetched.iter_mut()) {
            match self.fetch(url.as_str()).await {
                Ok(list) => *kept = Some(list),
                Err(error) => tracing::warn!(url = url.as_str(), "revocation list of cards: {error:#}"),
            }
        }
        lists.extend(fetched.iter().flatten().cloned());
        match self.trust.load().with_lists(lists) {
            Ok(trust) => self.trust.store(Arc::new(trust)),
            Err(error) => tracing::error!(%error, "cards: the authorities can no longer be read"),
        }
        self.report();
    }

    fn report(&self) {
        let trust = self.trust.load();
        for (authority, until) in trust.lists() {
            tracing::debug!(authority, %until, "revocation list of cards in force");
        }
        let settings = self.settings.load();
        for authority in trust.without_list(self.clock.now()) {
            if settings.ocsp_urls.is_empty() {
                let refused = settings.revocation == CardRevocation::Required;
                tracing::error!(authority, refused, "no valid revocation list of this authority of cards");
            } else {
                tracing::debug!(authority, "no revocation list: its responder decides");
            }
        }
    }

    async fn fetch(&self, url: &str) -> Result<RevocationList> {
        list(&self.issuers.list(url, LARGEST).await?)
    }

    /// What the first responder that can be believed says; `None` where none is configured.
    async fn ask(&self, examined: &Examined, now: Timestamp) -> Option<Result<Answer, String>> {
        let settings = self.settings.load_full();
        let question = examined.question();
        let mut answer = None;
        for url in &settings.ocsp_urls {
            match self.responders.ask(url.as_str(), &question, now).await {
                Ok(said) => return Some(Ok(said)),
                Err(error) => {
                    tracing::warn!(url = url.as_str(), "a responder about cards: {error:#}");
                    answer = Some(Err(format!("its responder gave no answer to believe: {error:#}")));
                }
            }
        }
        answer
    }
}

impl CardJudge for Cards {
    fn judge<'a>(&'a self, chain: &'a [Vec<u8>], now: Timestamp) -> BoxFuture<'a, Result<Holder, Refusal>> {
        async move {
            let trust = self.trust.load_full();
            let examined = trust.examine(chain, now)?;
            let answer = self.ask(&examined, now).await;
            trust.conclude(examined, answer, now)
        }
        .boxed()
    }
}

/// Refreshes until `stop`, first at once.
pub async fn run(cards: Arc<Cards>, stop: CancellationToken) {
    loop {
        if stop.run_until_cancelled(cards.refresh()).await.is_none() {
            return;
        }
        let pause = tokio::time::sleep(cards.settings.load().refresh.duration());
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
    }
}

fn range(settings: &CardSettings) -> Result<Range> {
    Ok(Range {
        roots: certificates("roots", &settings.roots)?,
        issuers: certificates("authorities", &settings.authorities)?,
        kinds: settings.kinds.iter().map(kind).collect(),
        stage: match settings.stage {
            CardStage::Production => Stage::Production,
            CardStage::Test => Stage::Test,
        },
        revocation: match settings.revocation {
            CardRevocation::Required => Revocation::Required,
            CardRevocation::Optional => Revocation::Optional,
        },
    })
}

fn kind(word: &CardWord) -> CardKind {
    match word {
        CardWord::Cps => CardKind::Cps,
        CardWord::Cpf => CardKind::Cpf,
        CardWord::Cpe => CardKind::Cpe,
        CardWord::Cpa => CardKind::Cpa,
        CardWord::Cde => CardKind::Cde,
        CardWord::Cda => CardKind::Cda,
    }
}

fn certificates(key: &str, files: &[std::path::PathBuf]) -> Result<Vec<Certificate>> {
    let mut all = Vec::new();
    for file in files {
        let place = || format!("`gate.card.{key}`: {}", file.display());
        let bytes = std::fs::read(file).with_context(place)?;
        // The health agency publishes them in DER.
        let mut found = match std::str::from_utf8(&bytes) {
            Ok(text) if text.contains("-----BEGIN") => Certificate::from_pem(text).with_context(place)?,
            _ => vec![Certificate::from_der(&bytes).with_context(place)?],
        };
        all.append(&mut found);
    }
    Ok(all)
}

fn from_files(settings: &CardSettings) -> Result<Vec<RevocationList>> {
    let read = |file: &std::path::PathBuf| read_list(file).with_context(|| format!("{}", file.display()));
    settings.crl_files.iter().map(read).collect::<Result<_>>().context("`gate.card.crl_files`")
}

fn read_list(file: &Path) -> Result<RevocationList> {
    list(&std::fs::read(file)?)
}

fn list(bytes: &[u8]) -> Result<RevocationList> {
    let text = std::str::from_utf8(bytes).ok().filter(|t| t.contains("-----BEGIN"));
    match text {
        None => Ok(RevocationList::from_der(bytes)?),
        Some(text) => {
            let blocks = pem::decode_all(text)?;
            let block = blocks.first().context("no revocation list in the file")?;
            Ok(RevocationList::from_der(&block.bytes)?)
        }
    }
}
