//! Values that never print and are wiped when dropped.

use std::fmt;
use zeroize::Zeroize;

/// Holds a key, password or token. `Debug` shows nothing of it; reading it is an explicit call.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a secret over.
    pub fn new(value: T) -> Self {
        Self(value)
    }
    /// The value, for the one call that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}
impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn prints_nothing() {
        let s = super::Secret::new(String::from("hunter2"));
        assert_eq!(format!("{s:?}"), "Secret(…)");
    }
}
