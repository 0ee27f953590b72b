//! How far somebody who has logged in may look.

use super::frame::Section;
use crate::fault::Fault;
use crate::login::Staff;
use sealpost_store::account::Role;
use sealpost_store::deposit::Sight;

/// Whose deposits they see: an auditor the organisation's, everybody else their own.
pub(super) fn sight(staff: &Staff) -> Sight {
    match staff.role() {
        Role::Auditor => Sight::Entity(staff.entity()),
        _ => Sight::Own(staff.entity(), staff.id()),
    }
}

/// Refuses what is not in their menu, as if it did not exist.
pub(super) fn may(staff: &Staff, section: Section) -> Result<(), Fault> {
    if section.is_for(staff.role()) { Ok(()) } else { Err(Fault::Unknown) }
}
