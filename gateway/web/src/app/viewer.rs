//! How far somebody who has logged in may look.

use super::frame::Section;
use crate::fault::Fault;
use crate::login::Staff;

/// Refuses what is not in their menu, as if it did not exist.
pub(super) fn may(staff: &Staff, section: Section) -> Result<(), Fault> {
    if section.is_for(staff.role(), staff.alone) { Ok(()) } else { Err(Fault::Unknown) }
}
