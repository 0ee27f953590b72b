//! The last steps of every mail of ours: S/MIME, then the domain's signature, then nothing.
//!
//! **Job.** Digests a composed message as it will be sent, and signs it with the certificate of its From
//! address. Serves mail about a deposit and mail about none alike.
//!
//! **Standards.** RFC 8551 §3.5.
//!
//! **Failure.** A message that cannot be signed is not sent without: composition is tried again.

use super::composition::ComposeError;
use super::content::{ContentError, OpenDeposit};
use super::dkim;
use super::handover::wire;
use crate::gateway::{Gateway, Organisation};
use aws_lc_rs::digest;
use futures_util::StreamExt;
use sealpost_certs::cms;
use sealpost_envelope::{EmailAddress, Sha256Digest};
use sealpost_message::compose::{Draft, Recipe};
use sealpost_store::queue::Outbound;

/// Who signs which row, and where the message's stored parts lie, if it has any.
#[derive(Debug, Clone, Copy)]
pub struct Press<'a> {
    /// The gateway.
    pub gateway: &'a Gateway,
    /// In whose name.
    pub organisation: &'a Organisation,
    /// The row.
    pub row: &'a Outbound,
    /// Its deposit; mail about an account or a question belongs to none.
    pub open: Option<&'a OpenDeposit>,
}

impl Press<'_> {
    /// A letter of the organisation, ready to leave.
    pub async fn letter(&self, draft: Draft) -> Result<Recipe, ComposeError> {
        let (address, name) = (&self.organisation.seal_address, &self.organisation.settings.name);
        let sealed = self.sign(draft, address, Some(name), cms::Use::Mail).await?;
        dkim::signed(self, sealed, address).await
    }

    /// S/MIME by the certificate of `address`, over the draft's content as it will be sent.
    pub async fn sign(
        &self,
        draft: Draft,
        address: &EmailAddress,
        name: Option<&str>,
        purpose: cms::Use,
    ) -> Result<Recipe, ComposeError> {
        let now = self.gateway.clock.now();
        let signer =
            self.gateway.mail_signer(self.organisation, address, name).map_err(ComposeError::Keys)?;
        let digest = self.digest(draft.inner()).await?;
        let signature = cms::sign(&*signer, &digest, now, purpose)?.into_der();
        Ok(draft.sealed(&signature, &self.row.id.to_string())?)
    }

    /// SHA-256 of a recipe's bytes, streamed.
    pub async fn digest(&self, recipe: &Recipe) -> Result<Sha256Digest, ContentError> {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut stream = wire(self.open.cloned(), recipe.clone());
        while let Some(bytes) = stream.next().await {
            context.update(&bytes?);
        }
        Ok(Sha256Digest::from_slice(context.finish().as_ref()).expect("SHA-256 has 32 octets"))
    }
}
