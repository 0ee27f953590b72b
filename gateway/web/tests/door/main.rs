//! The recipient's door over a real store: the whole walk, what strangers try, what files do.

mod bench;
mod files;
mod strangers;
mod walk;
