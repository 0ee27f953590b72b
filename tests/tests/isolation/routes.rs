//! The routers as the sources have them, and the table of what is asked at each address.

use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Methods by address.
pub type Routes = BTreeMap<String, BTreeSet<String>>;

/// What somebody asks.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// The table: its addresses with their methods, and everything that is asked.
pub fn table() -> Result<(Routes, Vec<Ask>)> {
    let text = std::fs::read_to_string(here().join("tests/isolation/routes.txt"))?;
    let (mut routes, mut asks, mut silent) = (Routes::new(), Vec::new(), None);
    for line in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        if let Some(inside) = line.strip_prefix("  ") {
            silent = None;
            if inside.starts_with('-') {
                continue;
            }
            let mut words = inside.splitn(3, ' ');
            let mut next = || words.next().unwrap_or_default().to_owned();
            asks.push(Ask { method: next(), path: next(), body: next() });
            continue;
        }
        if let Some(line) = silent {
            bail!("{line}: nothing is asked there, and no reason is given");
        }
        let (methods, path) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let methods = methods.split(' ').map(str::to_owned).collect();
        ensure!(routes.insert(path.to_owned(), methods).is_none(), "{path} stands there twice");
        silent = Some(line);
    }
    Ok((routes, asks))
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What the sources serve.
pub fn served() -> Result<Routes> {
    let mut routes = Routes::new();
    for folder in ["../gateway/web/src", "../gateway/src"] {
        walk(&here().join(folder), &mut routes)?;
    }
    Ok(routes)
}

fn walk(folder: &Path, routes: &mut Routes) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, routes)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            read(&path, routes)?;
        }
    }
    Ok(())
}

/// Every `.route("address", methods)` outside of tests.
fn read(file: &Path, routes: &mut Routes) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (at, _) in code.match_indices(".route(").chain(code.match_indices(".route_service(")) {
        let call =
            arguments(&code[at..]).with_context(|| format!("{}: a route without end", file.display()))?;
        let (address, handlers) = call
            .split_once('"')
            .and_then(|(_, rest)| rest.split_once('"'))
            .with_context(|| format!("{}: a route without address: {call}", file.display()))?;
        for address in whole(file, address) {
            let methods = methods(handlers);
            ensure!(!methods.is_empty(), "{}: the methods of {address} are not understood", file.display());
            routes.entry(address).or_default().extend(methods);
        }
    }
    Ok(())
}

fn methods(handlers: &str) -> BTreeSet<String> {
    let known = ["get", "post", "put", "patch", "delete", "head", "options", "any", "discover"];
    let called =
        |name: &&&str| [" ", ".", "\n"].iter().any(|before| handlers.contains(&format!("{before}{name}(")));
    let word = |name: &&str| if *name == "discover" { "ANY".to_owned() } else { name.to_uppercase() };
    known.iter().filter(called).map(word).collect()
}

/// An address with what stands before it where its router is nested.
fn whole(file: &Path, address: &str) -> Vec<String> {
    if let Some(rest) = address.strip_prefix("{below}") {
        let rest = rest.replace("{{", "{").replace("}}", "}");
        return ["/api/v1", "/g/{token}"].map(|before| format!("{before}{rest}")).to_vec();
    }
    let nested = file.ends_with("web/src/api.rs") && !address.starts_with("/api/");
    vec![format!("{}{address}", if nested { "/api/v1" } else { "" })]
}

/// What stands between a call's brackets.
fn arguments(call: &str) -> Option<&str> {
    let from = call.find('(')? + 1;
    let (mut depth, mut quoted) = (1, false);
    for (n, c) in call[from..].char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&call[from..from + n]);
        }
    }
    None
}
