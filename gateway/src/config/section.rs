//! One description per setting: the doc comment of a field is its text in `init`'s file and in the docs.
//!
//! [`section!`] declares a section of the file: the struct that the program uses, the reader that reports
//! every mistake with its place, and the text for people, from one source.

use super::reader::{Context, Spot};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the documentation says of one key.
pub struct KeyText {
    /// Key.
    pub name: &'static str,
    /// Lines of its description.
    pub text: &'static [&'static str],
    /// What may stand there.
    pub form: Form,
}

/// What may stand at a key.
pub enum Form {
    /// A value with a default, shown as TOML.
    Default(String),
    /// A value that must be given; an example.
    Required(&'static str),
    /// A value that may be left out; an example.
    Unset(&'static str),
    /// A table.
    Section(fn() -> SectionText),
    /// Any number of tables.
    Sections(fn() -> SectionText),
}

/// What the documentation says of a section.
pub struct SectionText {
    /// Its keys in order.
    pub keys: Vec<KeyText>,
}

/// A value that can stand in the file.
pub trait Setting: Sized {
    /// Reads it; a mistake is reported to `context` and gives `None`.
    fn read(value: &Spanned<DeValue<'_>>, spot: &Spot, context: &mut Context) -> Option<Self>;
}

/// A value that has a default and can be shown.
pub trait Shown {
    /// As TOML.
    fn shown(&self) -> String;
}

/// A table of settings.
pub trait Section: Sized {
    /// For the documentation.
    fn describe() -> SectionText;
    /// Reads all keys, reporting unknown and missing ones.
    fn read_table(table: &DeTable<'_>, spot: &Spot, context: &mut Context) -> Option<Self>;
}

/// Declares a section; see the module's text.
///
/// The forms of a field: `= default(VALUE)`, `= required(EXAMPLE)`, `= unset(EXAMPLE)` for an `Option`,
/// `= section` for a table and `= sections` for any number of tables.
macro_rules! section {
    (
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $( $(#[doc = $text:literal])* $key:ident : $ty:ty = $form:ident $(($arg:expr))? ; )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $text])* pub $key: $ty, )*
        }
        impl $crate::config::section::Section for $name {
            fn describe() -> $crate::config::section::SectionText {
                $crate::config::section::SectionText {
                    keys: vec![$($crate::config::section::KeyText {
                        name: stringify!($key),
                        text: &[$($text),*],
                        form: $crate::config::section::section!(@form $form $ty $(, $arg)?),
                    }),*],
                }
            }
            fn read_table(
                table: &toml::de::DeTable<'_>,
                spot: &$crate::config::reader::Spot,
                context: &mut $crate::config::reader::Context,
            ) -> Option<Self> {
                context.unknown_keys(table, spot, &[$(stringify!($key)),*]);
                $( let $key = $crate::config::section::section!(
                    @read $form, stringify!($key), table, spot, context $(, $arg)?); )*
                Some(Self { $($key: $key?),* })
            }
        }
        impl $crate::config::section::Setting for $name {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                spot: &$crate::config::reader::Spot,
                context: &mut $crate::config::reader::Context,
            ) -> Option<Self> {
                let table = context.table(value, spot)?;
                <Self as $crate::config::section::Section>::read_table(table, spot, context)
            }
        }
    };
    (@form default $ty:ty, $value:expr) => {{
        let value: $ty = $value;
        $crate::config::section::Form::Default($crate::config::section::Shown::shown(&value))
    }};
    (@form required $ty:ty, $example:expr) => { $crate::config::section::Form::Required($example) };
    (@form unset $ty:ty, $example:expr) => { $crate::config::section::Form::Unset($example) };
    (@form section $ty:ty) => {
        $crate::config::section::Form::Section(<$ty as $crate::config::section::Section>::describe)
    };
    (@form sections $ty:ty) => {
        $crate::config::section::Form::Sections(
            <<$ty as IntoIterator>::Item as $crate::config::section::Section>::describe)
    };
    (@read default, $key:expr, $table:expr, $spot:expr, $context:expr, $value:expr) => {
        $context.optional($table, $spot, $key, || Some($value))
    };
    (@read required, $key:expr, $table:expr, $spot:expr, $context:expr, $example:expr) => {
        $context.required($table, $spot, $key, $example)
    };
    (@read unset, $key:expr, $table:expr, $spot:expr, $context:expr, $example:expr) => {
        $context.optional($table, $spot, $key, || Some(None))
    };
    (@read section, $key:expr, $table:expr, $spot:expr, $context:expr) => {
        $context.section($table, $spot, $key)
    };
    (@read sections, $key:expr, $table:expr, $spot:expr, $context:expr) => {
        $context.optional($table, $spot, $key, || Some(Vec::new()))
    };
}
pub(crate) use section;
