//! Composition of outgoing mail on top of the skeleton.
