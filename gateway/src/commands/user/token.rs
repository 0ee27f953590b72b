//! `sealpost user token …`: bearer tokens of programs that use the API.

use super::{Desk, changed, tell};
use crate::cli::TokenCommand;
use crate::commands::{Answer, Unusable, clock};
use anyhow::Result;
use sealpost_store::account::TokenScope;
use serde_json::json;

impl Desk<'_> {
    pub(super) async fn token(&self, command: TokenCommand, json: bool) -> Result<Answer> {
        match command {
            TokenCommand::Create { login, label, scope, until } => {
                let account = self.find(&login).await?;
                let scopes: Vec<TokenScope> = match scope.is_empty() {
                    true => TokenScope::ALL
                        .into_iter()
                        .filter(|s| !matches!(s, TokenScope::Mail | TokenScope::Scim))
                        .collect(),
                    false => scope.iter().map(|s| s.parse()).collect::<Result<_, _>>()?,
                };
                if until.is_some_and(|end| end <= clock().now()) {
                    return Err(Unusable("--until: this time has passed".to_owned()).into());
                }
                let events = self.changed(account.entity, &account.login, "api token").await?;
                let made = self.accounts.add_api_token(&account, &label, &scopes, until, events).await?;
                tell(
                    json,
                    &[
                        ("login", account.login.as_str()),
                        ("id", &made.id.to_string()),
                        ("token", made.token.expose()),
                    ],
                );
            }
            TokenCommand::List { login } => {
                let account = self.find(&login).await?;
                for token in self.accounts.api_tokens(account.id).await? {
                    let scopes: Vec<&str> = token.scopes.iter().map(|s| s.as_str()).collect();
                    match json {
                        true => say!(
                            "{}",
                            json!({
                                "id": token.id, "label": token.label, "scopes": scopes, "created": token.created,
                                "expires": token.expires, "last_used": token.last_used,
                            })
                        ),
                        false => say!("{}  {:<24} {}", token.id, token.label, scopes.join(" ")),
                    }
                }
            }
            TokenCommand::Otp(command) => return self.otp(command, json).await,
            TokenCommand::Revoke { login, id } => {
                let account = self.find(&login).await?;
                let id: uuid::Uuid = id.parse().map_err(|_| {
                    let like = "an id looks like 0190c3f2-7a1b-7c3d-9e4f-5a6b7c8d9e0f";
                    Unusable(format!("{id} is no token id: {like}; see `sealpost user token list {login}`"))
                })?;
                let events = self.changed(account.entity, &account.login, "api token revoked").await?;
                if !self.accounts.revoke_api_token(account.id, id, events).await? {
                    eprintln!("nothing was changed: {login} has no such token");
                    return Ok(Answer::Negative);
                }
                changed(json, &account, "revoked", &id.to_string());
            }
        }
        Ok(Answer::Done)
    }
}
