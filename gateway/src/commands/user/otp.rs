//! `sealpost user token import …` and its like: tokens and apps of people who receive.
//!
//! Secrets come in by a file and are sealed at once; they are never printed again. The one exception is an app's
//! `otpauth:` address, printed when it is made, as its owner must scan it.

use super::{Desk, tell};
use crate::cli::OtpCommand;
use crate::commands::{Answer, Unusable, clock};
use crate::config::SecretSource;
use anyhow::{Context, Result};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use sealpost_envelope::{EmailAddress, EntityId, Secret, hex};
use sealpost_evidence::{BuiltEvent, Detail};
use sealpost_gate::oath::base32::base32;
use sealpost_gate::oath::seeds::{self, Counts, Seed};
use sealpost_gate::oath::{Algorithm, Typed, hotp, totp};
use sealpost_store::person::{NewToken, Token, TokenError, TokenKind, Tokens};
use serde_json::json;
use std::path::Path;

/// Octets of an app's secret (RFC 4226 §4 recommends 160 bits).
const APP: usize = 20;
/// Most tokens listed.
const MOST: u32 = 10_000;

impl Desk<'_> {
    pub(super) async fn otp(&self, command: OtpCommand, json: bool) -> Result<Answer> {
        let tokens = Tokens::new(self.store)?;
        match command {
            OtpCommand::Import { file, key, entity, dry_run } => {
                let entity = self.organisation(entity.as_deref()).await?;
                let seeds = read(&file, key.as_deref())?;
                return self.import_tokens(&tokens, entity, seeds, dry_run, json).await;
            }
            OtpCommand::Tokens { entity } => {
                let entity = self.organisation(entity.as_deref()).await?;
                for token in tokens.list(entity, MOST).await? {
                    show(&token, json);
                }
            }
            OtpCommand::Assign { serial, address, entity } => {
                let entity = self.organisation(entity.as_deref()).await?;
                let owner = address.as_deref().map(parse).transpose()?;
                let token = find(&tokens, entity, &serial).await?;
                let events = self.noted(entity, owner.as_ref(), &token, "token assigned").await?;
                tokens.assign(token.id, owner.as_ref(), events).await?;
            }
            OtpCommand::Resync { serial, first, second, entity } => {
                let entity = self.organisation(entity.as_deref()).await?;
                let token = find(&tokens, entity, &serial).await?;
                let events = self.noted(entity, None, &token, "token resynchronised").await?;
                return resync(&tokens, &token, (&first, &second), events).await;
            }
            OtpCommand::App { address, entity } => {
                let entity_id = self.organisation(entity.as_deref()).await?;
                let name = entity.unwrap_or_else(|| self.config.entity[0].name.clone());
                let owner = parse(&address)?;
                let events = self.changed(entity_id, &owner, "app added").await?;
                app(&tokens, entity_id, (&name, owner), events, json).await?;
            }
            OtpCommand::Remove { serial, entity } => {
                let entity = self.organisation(entity.as_deref()).await?;
                let token = find(&tokens, entity, &serial).await?;
                let events = self.noted(entity, None, &token, "token removed").await?;
                tokens.remove(token.id, events).await?;
            }
        }
        Ok(Answer::Done)
    }

    async fn import_tokens(
        &self,
        tokens: &Tokens,
        entity: EntityId,
        seeds: Vec<Seed>,
        dry_run: bool,
        json: bool,
    ) -> Result<Answer> {
        let (mut taken, mut known) = (0, 0);
        for seed in seeds {
            let owner = seed.owner.as_deref().and_then(|o| o.parse::<EmailAddress>().ok());
            let (kind, period, counter) = match seed.counts {
                Counts::Time(period) => (TokenKind::Totp, period, 0),
                Counts::Presses(next) => (TokenKind::Hotp, 0, next),
            };
            if dry_run {
                say!(
                    "{:<20} {} {} digits  {}",
                    seed.serial,
                    kind.as_str(),
                    seed.digits,
                    seed.label.unwrap_or_default()
                );
                taken += 1;
                continue;
            }
            let events = self.imported(entity, &seed.serial)?;
            let new = NewToken {
                entity,
                kind,
                label: seed.label.unwrap_or_else(|| seed.serial.clone()),
                serial: Some(seed.serial),
                algorithm: seed.algorithm.as_str().to_owned(),
                digits: seed.digits,
                period,
                secret: seed.secret,
                counter,
                owner,
            };
            match tokens.add(&new, events, clock().now()).await {
                Ok(_) => taken += 1,
                // The same file once more: nothing is overwritten.
                Err(TokenError::Known(serial)) => {
                    known += 1;
                    say!("{serial}: known already, left as it is");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let (taken, known) = (taken.to_string(), known.to_string());
        tell(json, &[(if dry_run { "would_import" } else { "imported" }, &taken), ("known", &known)]);
        Ok(Answer::Done)
    }

    /// The event of a change to somebody's token.
    async fn noted(
        &self,
        entity: EntityId,
        owner: Option<&EmailAddress>,
        token: &Token,
        what: &str,
    ) -> Result<Vec<BuiltEvent>> {
        let known = token.owner.as_deref().map(parse).transpose()?;
        match owner.or(known.as_ref()) {
            Some(owner) => self.changed(entity, owner, what).await,
            None => self.imported(entity, token.serial.as_deref().unwrap_or(what)),
        }
    }

    /// The event of a token that is nobody's.
    fn imported(&self, entity: EntityId, serial: &str) -> Result<Vec<BuiltEvent>> {
        let detail = Detail::new().text("change", "token in the drawer").text("serial", serial);
        self.journaled(entity, detail)
    }

    /// The organisation of that name; the only one where none is named.
    pub(super) async fn organisation(&self, name: Option<&str>) -> Result<EntityId> {
        let entities = &self.config.entity;
        let found = match name {
            Some(name) => entities.iter().find(|e| e.name == name),
            None if entities.len() == 1 => entities.first(),
            None => None,
        };
        let found =
            found.ok_or_else(|| Unusable("name one of the organisations with --entity".to_owned()))?;
        let siren = found.siren.as_ref().map(ToString::to_string);
        Ok(self.store.ensure_entity(&found.name, siren.as_deref()).await?)
    }
}

pub(super) fn parse(address: &str) -> Result<EmailAddress> {
    Ok(address.parse().map_err(|e| Unusable(format!("{address}: {e}")))?)
}

async fn find(tokens: &Tokens, entity: EntityId, serial: &str) -> Result<Token> {
    match tokens.find(entity, serial).await {
        Err(TokenError::Unknown(name)) => {
            Err(Unusable(format!("there is no token {name}; see `sealpost user token tokens`")).into())
        }
        found => Ok(found?),
    }
}

fn read(file: &Path, key: Option<&str>) -> Result<Vec<Seed>> {
    let unreadable = |e: std::io::Error| Unusable(format!("{}: {e}", file.display()));
    if std::fs::metadata(file).map_err(unreadable)?.len() > seeds::LARGEST as u64 {
        return Err(Unusable(format!("{}: this is too long to be a file of tokens", file.display())).into());
    }
    let bytes = Secret::new(std::fs::read(file).map_err(unreadable)?);
    let key = match key.map(|k| k.strip_prefix("file:").unwrap_or(k)) {
        None => None,
        Some(path) => {
            let text = SecretSource::File(path.into()).read().context("--key")?;
            let octets = hex::decode(&text.expose().trim().to_ascii_lowercase());
            Some(Secret::new(octets.ok_or_else(|| Unusable("--key: hexadecimal belongs there".to_owned()))?))
        }
    };
    let seeds = seeds::read(bytes.expose(), key.as_ref().map(|k| k.expose().as_slice()));
    Ok(seeds.map_err(|e| Unusable(format!("{}: {e}", file.display())))?)
}

fn show(token: &Token, json: bool) {
    let owner = token.owner.as_deref().unwrap_or("-");
    let serial = token.serial.clone().unwrap_or_else(|| token.id.to_string());
    match json {
        true => say!(
            "{}",
            json!({
                "id": token.id, "serial": token.serial, "label": token.label, "kind": token.kind.as_str(),
                "owner": token.owner, "confirmed": token.confirmed, "last_used": token.last_used, "drift": token.drift,
            })
        ),
        false => say!("{serial:<38} {}  {owner:<30} {}", token.kind.as_str(), token.label),
    }
}

async fn resync(
    tokens: &Tokens,
    token: &Token,
    (first, second): (&str, &str),
    events: Vec<BuiltEvent>,
) -> Result<Answer> {
    let typed = |text: &str| Typed::read(text).ok_or_else(|| Unusable(format!("{text:?} is no code")));
    let (first, second) = (typed(first)?, typed(second)?);
    let secret = tokens.secret(token)?;
    let algorithm = Algorithm::parse(&token.algorithm).context("the token\u{2019}s hash is not known")?;
    let found = match token.kind {
        TokenKind::Hotp => {
            hotp::resynchronise(secret.expose(), (&first, &second), token.counter, algorithm, token.digits)
                .map(|counter| (counter, 0))
        }
        TokenKind::Totp => {
            let shape = totp::Shape { algorithm, digits: token.digits, period: token.period };
            let last = token.counter.checked_sub(1);
            shape.resynchronise(secret.expose(), (&first, &second), clock().now(), last)
        }
    };
    let done = match found {
        Some((counter, drift)) => tokens.resynchronise(token.id, counter + 1, drift, events).await?,
        None => false,
    };
    if !done {
        say!("these are not two codes in a row of this token, or they were used before");
        return Ok(Answer::Negative);
    }
    Ok(Answer::Done)
}

async fn app(
    tokens: &Tokens,
    entity: EntityId,
    (issuer, owner): (&str, EmailAddress),
    events: Vec<BuiltEvent>,
    json: bool,
) -> Result<()> {
    let mut secret = vec![0u8; APP];
    SystemRandom::new().fill(&mut secret).map_err(|_| anyhow::anyhow!("no random numbers"))?;
    let secret = Secret::new(secret);
    let text = Secret::new(base32(secret.expose()));
    let uri = Secret::new(totp::uri(issuer, owner.as_str(), text.expose()));
    let shape = totp::Shape::default();
    let new = NewToken {
        entity,
        kind: TokenKind::Totp,
        serial: None,
        label: "app".to_owned(),
        algorithm: shape.algorithm.as_str().to_owned(),
        digits: shape.digits,
        period: shape.period,
        secret,
        counter: 0,
        owner: Some(owner.clone()),
    };
    let id = tokens.add(&new, events, clock().now()).await?;
    tell(
        json,
        &[
            ("address", owner.as_str()),
            ("id", &id.to_string()),
            ("secret", text.expose()),
            ("otpauth", uri.expose()),
        ],
    );
    Ok(())
}
