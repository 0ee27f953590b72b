//! The settings of the SMS service: what each kind of service needs.

use super::{Sms, SmsProvider};

/// What is wrong with the settings: the key and a message.
pub(super) fn check(settings: &Sms) -> Result<(), (&'static str, String)> {
    let Some(provider) = settings.provider else { return Ok(()) };
    let needs = |key: &'static str, given: bool| match given {
        true => Ok(()),
        false => Err((key, format!("the provider \"{provider}\" needs it"))),
    };
    match provider {
        SmsProvider::Ovh => {
            needs("account", settings.account.is_some())?;
            needs("user", settings.user.is_some())?;
            needs("secret", settings.secret.is_some())?;
            needs("consumer", settings.consumer.is_some())?;
            needs("from", settings.from.is_some())
        }
        SmsProvider::Twilio => {
            needs("account", settings.account.is_some())?;
            needs("secret", settings.secret.is_some())?;
            needs("from", settings.from.is_some())
        }
        SmsProvider::Http => {
            needs("url", settings.url.is_some())?;
            if !["POST", "PUT", "GET"].contains(&settings.method.as_str()) {
                return Err(("method", "one of POST, PUT, GET".to_owned()));
            }
            if settings.headers.iter().any(|h| !h.contains(':')) {
                return Err(("headers", "write each as \"Name: value\"".to_owned()));
            }
            if settings.success.as_deref().is_some_and(|s| !s.contains('=')) {
                return Err(("success", "write it as \"path=value\"".to_owned()));
            }
            Ok(())
        }
    }
}
