//! The last step of composition: the domain's signature before the finished message.
//!
//! **Job.** Digests the message's body in its relaxed form while it streams, signs, and puts the fields on
//! top of the recipe. They are stored with it, so that every attempt repeats them.
//!
//! **Standards.** RFC 6376 §3.7, §5.
//!
//! **Failure.** A message that cannot be signed is not sent without: composition is tried again.

use super::composition::ComposeError;
use super::content::{ContentError, OpenDeposit};
use super::handover::wire;
use super::press::Press;
use aws_lc_rs::digest;
use futures_util::StreamExt;
use sealpost_envelope::EmailAddress;
use sealpost_message::compose::Recipe;
use sealpost_message::dkim::Intake;

/// The message, signed for the domain of its author when it leaves for the outside.
pub async fn signed(
    press: &Press<'_>,
    recipe: Recipe,
    author: &EmailAddress,
) -> Result<Recipe, ComposeError> {
    let keys = press.organisation.signing(press.gateway.clock.now()).map_err(ComposeError::Keys)?;
    let keys = &keys.dkim;
    // In mailboxes of this installation nobody looks at it.
    if keys.is_empty() || press.gateway.delivers_locally(press.row.rcpt.domain()) {
        return Ok(recipe);
    }
    let mut body = Body::default();
    body.read(press.open, &recipe).await?;
    let (header, hash) = body.finish();
    let domain = keys.domain_for(author, &press.organisation.settings);
    let fields = keys.fields(&domain, &header, &hash, press.gateway.clock.now())?;
    Ok(recipe.prepended(&fields)?)
}

/// Header and body digest of a message.
pub struct Body {
    intake: Intake,
    digest: digest::Context,
}

impl Default for Body {
    fn default() -> Self {
        Self { intake: Intake::default(), digest: digest::Context::new(&digest::SHA256) }
    }
}

impl Body {
    /// The next bytes of the message.
    pub fn push(&mut self, bytes: &[u8]) {
        let digest = &mut self.digest;
        self.intake.push(bytes, &mut |relaxed| digest.update(relaxed));
    }

    async fn read(&mut self, open: Option<&OpenDeposit>, recipe: &Recipe) -> Result<(), ContentError> {
        let mut stream = wire(open.cloned(), recipe.clone());
        while let Some(bytes) = stream.next().await {
            self.push(&bytes?);
        }
        Ok(())
    }

    /// The header and the SHA-256 of the relaxed body.
    pub fn finish(mut self) -> (Vec<u8>, [u8; 32]) {
        let digest = &mut self.digest;
        let header = self.intake.finish(&mut |relaxed| digest.update(relaxed));
        let mut hash = [0; 32];
        hash.copy_from_slice(self.digest.finish().as_ref());
        (header, hash)
    }
}
