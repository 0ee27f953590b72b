//! Conditions in CEL: compiled and checked once, evaluated per recipient.
//!
//! Names are checked at compilation, since CEL itself would only notice them when a message arrives. What
//! cannot be known then (a header that is absent) is an error of the evaluation, and the caller holds.

use crate::{Defaults, MessageFacts, RecipientFacts, closest};
use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Env, ExecutionError, Program, Value};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// What is wrong with a condition, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub message: String,
    pub suggestion: Option<String>,
}

/// A compiled condition.
#[derive(Debug)]
pub(crate) struct Condition {
    program: Program,
}

/// CEL's own functions: the same for every message, and many.
static LANGUAGE: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Longest condition; a longer one is a list that belongs elsewhere.
const MAX_SOURCE: usize = 16_384;

/// The variables with their fields, in the order of the documentation.
const VOCABULARY: [(&str, &[&str]); 3] = [
    ("sender", &["address", "local", "domain", "login", "server"]),
    ("recipient", &["address", "local", "domain", "internal"]),
    (
        "message",
        &[
            "subject",
            "headers",
            "size",
            "recipients",
            "has_attachments",
            "attachment_count",
            "attachment_bytes",
            "attachment_names",
            "attachment_extensions",
            "tagged",
            "signed",
            "encrypted",
        ],
    ),
];

/// Functions and macros people write; operators have names of their own.
const FUNCTIONS: [&str; 17] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "has",
    "all",
    "exists",
    "exists_one",
    "map",
    "filter",
    "max",
    "min",
    "string",
    "int",
    "double",
    "uint",
];

#[derive(Serialize)]
struct Sender<'a> {
    address: &'a str,
    local: &'a str,
    domain: &'a str,
    login: &'a str,
    server: &'a str,
}

#[derive(Serialize)]
struct Recipient<'a> {
    address: &'a str,
    local: &'a str,
    domain: &'a str,
    internal: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    subject: &'a str,
    headers: &'a BTreeMap<String, String>,
    size: i64,
    recipients: i64,
    has_attachments: bool,
    attachment_count: i64,
    attachment_bytes: i64,
    attachment_names: &'a [String],
    attachment_extensions: Vec<String>,
    tagged: bool,
    signed: bool,
    encrypted: bool,
}

/// Numbers are CEL `int`, so that they compare with the literals people write.
fn int(n: impl TryInto<i64>) -> i64 {
    n.try_into().unwrap_or(i64::MAX)
}

fn extension(name: &str) -> String {
    name.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_lowercase())
}

/// The variables for one message and one recipient.
pub(crate) fn context(
    message: &MessageFacts,
    recipient: &RecipientFacts,
    defaults: &Defaults,
) -> Result<Context<'static, 'static>, String> {
    let (from, to) = (&message.sender, &recipient.address);
    let mut context = Context::with_env(LANGUAGE.clone());
    let mut set = |name: &'static str, value: Result<Value, cel::SerializationError>| {
        value.map(|value| context.add_variable_from_value(name, value)).map_err(|e| e.to_string())
    };
    set(
        "sender",
        cel::to_value(Sender {
            address: from.as_str(),
            local: from.local(),
            domain: from.domain(),
            login: message.login.as_deref().unwrap_or(""),
            server: message.server.as_deref().unwrap_or(""),
        }),
    )?;
    set(
        "recipient",
        cel::to_value(Recipient {
            address: to.as_str(),
            local: to.local(),
            domain: to.domain(),
            internal: defaults.is_own(to),
        }),
    )?;
    set(
        "message",
        cel::to_value(Message {
            subject: &message.subject,
            headers: &message.headers,
            size: int(message.size),
            recipients: int(message.recipients.len()),
            has_attachments: !message.attachment_names.is_empty(),
            attachment_count: int(message.attachment_names.len()),
            attachment_bytes: int(message.attachment_bytes),
            attachment_names: &message.attachment_names,
            attachment_extensions: message.attachment_names.iter().map(|name| extension(name)).collect(),
            tagged: message.hints.tagged,
            signed: message.author_signed,
            encrypted: message.author_encrypted,
        }),
    )?;
    Ok(context)
}

impl Condition {
    /// Parses a condition and checks the names and kinds in it.
    pub fn compile(source: &str) -> Result<Self, Vec<Fault>> {
        let plain = |message: String| vec![Fault { message, suggestion: None }];
        if source.len() > MAX_SOURCE {
            return Err(plain(format!("longer than {MAX_SOURCE} bytes")));
        }
        let program = Program::compile(source)
            .map_err(|errors| errors.errors.iter().flat_map(|e| plain(syntax(e))).collect::<Vec<_>>())?;
        let mut faults = Vec::new();
        check_names(program.expression(), &mut Vec::new(), &mut faults);
        let condition = Self { program };
        if faults.is_empty() {
            faults.extend(condition.trial().err());
        }
        if faults.is_empty() { Ok(condition) } else { Err(faults) }
    }

    /// Whether it holds; the error says why that cannot be told.
    pub fn holds(&self, context: &Context<'_, '_>) -> Result<bool, String> {
        match self.program.execute(context) {
            Ok(Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(format!("it gives {} instead of true or false", other.type_of())),
            Err(error) => Err(plainly(&error)),
        }
    }

    /// Evaluates it once over an ordinary message: a comparison of text with a number shows here.
    fn trial(&self) -> Result<(), Fault> {
        let fault = |message| Err(Fault { message, suggestion: None });
        let (message, recipient) = MessageFacts::sample();
        let Ok(context) = context(&message, &recipient, &Defaults::default()) else { return Ok(()) };
        match self.program.execute(&context) {
            Ok(Value::Bool(_)) => Ok(()),
            Ok(other) => fault(format!("it gives {} instead of true or false", other.type_of())),
            // These depend on the message: a header that this one lacks, a list that is shorter.
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(()),
            Err(error) => fault(plainly(&error)),
        }
    }
}

/// CEL's error in the words of who wrote the condition.
fn plainly(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(e) => {
            format!(
                "{:?} does not work on {}",
                e.function().trim_matches(['_', '@']),
                e.argument_types().join(", ")
            )
        }
        other => other.to_string(),
    }
}

/// The parser's message without its list of everything that could have stood there.
fn syntax(error: &cel::ParseError) -> String {
    let line = error.msg.lines().next().unwrap_or_default();
    let short = line.split(" expecting ").next().unwrap_or_default().replace("'<EOF>'", "end");
    let short = short.replace("mismatched input", "unexpected");
    format!("column {}: {short}", error.pos.1)
}

/// Walks the expression; `bound` holds the variables of the macros around.
fn check_names<'e>(node: &'e IdedExpr, bound: &mut Vec<&'e str>, faults: &mut Vec<Fault>) {
    match &node.expr {
        Expr::Ident(name) => check_variable(name, bound, faults),
        Expr::Select(select) => {
            if let Expr::Ident(root) = &select.operand.expr {
                check_field(root, &select.field, bound, faults);
            }
            check_names(&select.operand, bound, faults);
        }
        Expr::Call(call) => {
            check_function(&call.func_name, faults);
            call.target.iter().for_each(|target| check_names(target, bound, faults));
            call.args.iter().for_each(|arg| check_names(arg, bound, faults));
        }
        Expr::List(list) => list.elements.iter().for_each(|e| check_names(e, bound, faults)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(pair) => {
                check_names(&pair.key, bound, faults);
                check_names(&pair.value, bound, faults);
            }
            EntryExpr::StructField(field) => check_names(&field.value, bound, faults),
        }),
        Expr::Comprehension(loop_) => {
            check_names(&loop_.iter_range, bound, faults);
            check_names(&loop_.accu_init, bound, faults);
            let depth = bound.len();
            bound.push(&loop_.iter_var);
            bound.extend(loop_.iter_var2.as_deref());
            bound.push(&loop_.accu_var);
            for part in [&loop_.loop_cond, &loop_.loop_step, &loop_.result] {
                check_names(part, bound, faults);
            }
            bound.truncate(depth);
        }
        Expr::Struct(_) => {
            faults.push(Fault { message: "structures have no place here".into(), suggestion: None })
        }
        Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn check_variable(name: &str, bound: &[&str], faults: &mut Vec<Fault>) {
    let roots = VOCABULARY.map(|(root, _)| root);
    if bound.contains(&name) || roots.contains(&name) {
        return;
    }
    let suggestion = closest(name, roots).map(str::to_owned);
    push(
        faults,
        Fault {
            message: format!("unknown name {name:?}; there are sender, recipient and message"),
            suggestion,
        },
    );
}

fn check_field(root: &str, field: &str, bound: &[&str], faults: &mut Vec<Fault>) {
    if bound.contains(&root) {
        return;
    }
    let Some((_, fields)) = VOCABULARY.iter().find(|(name, _)| *name == root) else { return };
    if fields.contains(&field) {
        return;
    }
    let suggestion = closest(field, fields.iter().copied()).map(|near| format!("{root}.{near}"));
    push(
        faults,
        Fault { message: format!("{root} has no {field:?}; it has {}", fields.join(", ")), suggestion },
    );
}

fn check_function(name: &str, faults: &mut Vec<Fault>) {
    let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    if operator || FUNCTIONS.contains(&name) {
        return;
    }
    let suggestion = closest(name, FUNCTIONS).map(str::to_owned);
    push(faults, Fault { message: format!("unknown function {name:?}"), suggestion });
}

fn push(faults: &mut Vec<Fault>, fault: Fault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that are checked are exactly those that exist.
    #[test]
    fn vocabulary_is_what_is_given() {
        let (message, recipient) = MessageFacts::sample();
        let given = context(&message, &recipient, &Defaults::default()).unwrap();
        for (root, fields) in VOCABULARY {
            let Ok(Value::Map(map)) = Program::compile(root).unwrap().execute(&given) else {
                panic!("{root}")
            };
            let mut names: Vec<String> = map.map.keys().map(ToString::to_string).collect();
            let mut known: Vec<String> = fields.iter().map(ToString::to_string).collect();
            names.sort();
            known.sort();
            assert_eq!(names, known);
        }
    }
}
