//! What one stage knows of a small deposit and the next would read again: carried along in memory.
//!
//! **Job.** A deposit that this process accepted is composed, sent and recorded by it within moments. Its
//! content, facts and recipes are kept for that long, so that no stage reads, decrypts and parses them once
//! more. Only what never changes is carried; who may still get the message is asked of the store each time.
//!
//! **Exposure.** None. Content is held as it is stored, under the deposit's key.
//!
//! **Failure.** The store is the truth: whatever is not here, after a restart, on another node, beyond
//! [`OCTETS`], or at another attempt, is read from there.

use super::content::OpenDeposit;
use sealpost_envelope::{DepositId, RecipientNo, Sha256Digest, Timestamp, Treatment};
use sealpost_evidence::DepositFacts;
use sealpost_message::compose::Recipe;
use sealpost_store::StoredBody;
use sealpost_store::queue::OutboundId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that carried deposits may take, roughly.
const OCTETS: usize = 6 << 20;
/// What has not left after this long is not on its way.
const STALE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// A recipe is about a message with its signature; this much is counted for it beforehand.
const SIGNATURE: usize = 8 << 10;

/// A deposit on its way through the stages.
#[derive(Debug)]
pub struct Carried {
    /// Opened for reading.
    pub open: OpenDeposit,
    /// What its evidence repeats.
    pub facts: DepositFacts,
    /// How each recipient is treated, in the order of their numbers.
    pub treatments: Vec<Treatment>,
}

impl Carried {
    /// How a recipient is treated.
    pub fn treatment(&self, n: RecipientNo) -> Option<Treatment> {
        let at = usize::try_from(n.checked_sub(1)?).ok()?;
        self.treatments.get(at).copied()
    }
}

struct Item {
    carried: Arc<Carried>,
    /// With the digest of the message each makes.
    recipes: HashMap<OutboundId, (Sha256Digest, Recipe)>,
    /// Mails that have not been settled.
    left: usize,
    octets: usize,
    since: Timestamp,
}

/// All of them.
#[derive(Default)]
pub struct Carry {
    items: Mutex<Items>,
}

#[derive(Default)]
struct Items {
    deposits: HashMap<DepositId, Item>,
    octets: usize,
}

impl std::fmt::Debug for Carry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Carry")
    }
}

impl Carry {
    fn items(&self) -> MutexGuard<'_, Items> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a deposit along whose `mails` are about to be composed, if it is small and there is room.
    pub fn put(&self, carried: Carried, mails: usize, now: Timestamp) {
        let Some(StoredBody::Inline(skeleton)) = &carried.open.deposit.skeleton else { return };
        let octets = skeleton.len() * (mails + 2) + SIGNATURE * mails;
        let id = carried.open.deposit.row.id;
        let mut items = self.items();
        if items.octets + octets > OCTETS || mails == 0 {
            return;
        }
        let item =
            Item { carried: Arc::new(carried), recipes: HashMap::new(), left: mails, octets, since: now };
        items.octets += octets;
        items.deposits.insert(id, item);
    }

    /// Forgets what should have left long ago.
    pub fn sweep(&self, now: Timestamp) {
        let mut items = self.items();
        let stale = |item: &Item| now.duration_since(item.since) > STALE;
        let ids: Vec<DepositId> =
            items.deposits.iter().filter(|(_, item)| stale(item)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| items.remove(id));
    }

    /// A deposit that is carried.
    pub fn get(&self, id: DepositId) -> Option<Arc<Carried>> {
        self.items().deposits.get(&id).map(|item| item.carried.clone())
    }

    /// Takes the recipe of one of its mails along.
    pub fn put_recipe(&self, id: DepositId, row: OutboundId, sha256: Sha256Digest, recipe: Recipe) {
        if let Some(item) = self.items().deposits.get_mut(&id) {
            item.recipes.insert(row, (sha256, recipe));
        }
    }

    /// A mail's recipe, with its deposit; only if it is the one that the row fixes, for another node may have
    /// composed it too.
    pub fn recipe(
        &self,
        id: DepositId,
        row: OutboundId,
        fixed: Option<Sha256Digest>,
    ) -> Option<(Arc<Carried>, Recipe)> {
        let items = self.items();
        let item = items.deposits.get(&id)?;
        let (sha256, recipe) = item.recipes.get(&row)?;
        (Some(*sha256) == fixed).then(|| (item.carried.clone(), recipe.clone()))
    }

    /// A mail has been settled, one way or another.
    pub fn done(&self, id: DepositId, row: OutboundId) {
        let mut items = self.items();
        let Some(item) = items.deposits.get_mut(&id) else { return };
        item.recipes.remove(&row);
        item.left = item.left.saturating_sub(1);
        if item.left == 0 {
            items.remove(id);
        }
    }
}

impl Items {
    fn remove(&mut self, id: DepositId) {
        if let Some(item) = self.deposits.remove(&id) {
            self.octets = self.octets.saturating_sub(item.octets);
        }
    }
}
